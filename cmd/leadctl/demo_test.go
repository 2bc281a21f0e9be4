//go:build !nodemo

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// countConnections listens on a loopback port and counts who connects.
func countConnections(t *testing.T) (address string, connections *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ln.Close()) })
	connections = new(atomic.Int64)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	return ln.Addr().String(), connections
}

// The demo writes made-up companies and tenants. With the settings of a real installation in the environment and in a
// configuration file, it must not connect to any of the systems that they name.
func TestDemoTouchesNoConfiguredSystem(t *testing.T) {
	t.Parallel()
	const secret = "CANARY-s3cret"
	database, toDatabase := countConnections(t)
	server, toServer := countConnections(t)
	home := t.TempDir()
	config := "database: {dsn: 'postgres://owner:" + secret + "@" + database + "/prod'}\n" +
		"odoo: {server_url: 'http://" + server + "', master_password: " + secret + ", template_db: prod_template}\n" +
		"acra: {api_url: 'http://" + server + "/register'}\n" +
		"profiles: {production: {database: {dsn: 'postgres://owner:" + secret + "@" + database + "/prod'}}}\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "leadctl.yaml"), []byte(config), 0o600))
	cmd := exec.CommandContext(t.Context(), "leadctl", "demo", "--once", "--rows", "300", "--listen", "127.0.0.1:20340")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "LEADCTL_ENV=production", "LEADCTL_PROFILE=production", "HOME="+home,
		"POSTGRES_DSN=postgres://owner:"+secret+"@"+database+"/prod", "PGHOST=127.0.0.1", "PGPASSWORD="+secret,
		"ODOO_SERVER_URL=http://"+server, "ODOO_MASTER_PASSWORD="+secret, "ODOO_TEMPLATE_DB=prod_template",
		"ODOO_POSTGRES_DSN=postgres://odoo:"+secret+"@"+database+"/postgres", "API_URL=http://"+server+"/register",
		"NEXIUS_ISSUER=http://"+server, "LEADCTL_KEYSET_FILE="+filepath.Join(home, "missing"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	require.True(t, strings.HasSuffix(stdout.String(), "demo: ok\n"), "%s", &stdout)
	require.Zero(t, toDatabase.Load(), "connections to the configured database")
	require.Zero(t, toServer.Load(), "connections to the configured Odoo, register or issuer")
	for _, name := range []string{"database.dsn (profile production)", "ODOO_SERVER_URL", "ODOO_MASTER_PASSWORD",
		"ODOO_POSTGRES_DSN",
		"API_URL", "NEXIUS_ISSUER", "LEADCTL_KEYSET_FILE"} {
		require.Contains(t, stderr.String(), name)
	}
	require.NotContains(t, stdout.String()+stderr.String(), secret)
}
