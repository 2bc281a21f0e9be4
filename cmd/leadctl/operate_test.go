package main

import (
	"bytes"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
)

// TestOperateScripts runs the scripts in testdata/operate: an operator's commands for tenants, tokens and Odoo. Each
// has a migrated database, an identity provider with tokens of two users, and an Odoo stand-in with a prepared
// template.
func TestOperateScripts(t *testing.T) {
	t.Parallel()
	operateScripts(t, "testdata/operate")
}

func operateScripts(t *testing.T, dir string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exit": exitCode},
		Setup: operateSetup,
	})
}

// operateSetup makes the installation for a script.
func operateSetup(env *testscript.Env) error {
	tb := env.T().(testing.TB)
	db := pgtest.New(tb)
	issuer := startIDP(tb, env.WorkDir)
	_, err := db.Owner.Exec(
		tb.Context(),
		`INSERT INTO identities (issuer, subject) VALUES ($1, 'carol')`,
		issuer,
	) // she has signed in before
	require.NoError(tb, err)
	odooURL := startOdoo(tb)
	keyset, err := secret.Generate()
	require.NoError(tb, err)
	writeFile(tb, env.WorkDir, "keyset.json", string(keyset))
	var register bytes.Buffer
	_, err = acragen.Write(&register, 300, 1, acragen.Options{})
	require.NoError(tb, err)
	writeFile(tb, env.WorkDir, "register.csv", register.String())
	site := acratest.Start(tb, acratest.Dataset{
		ID: "d_1", Letter: "A", CSV: []byte("uen,entity_name\n"), Updated: "2026-09-16",
	})
	writeFile(tb, env.WorkDir, "odoo-master", "master")
	writeFile(tb, env.WorkDir, "odoo-template", "template-admin")
	for name, value := range map[string]string{
		"XDG_CONFIG_HOME": env.WorkDir + "/xdg", "HOME": env.WorkDir, "LEADCTL_ENV": "development",
		"POSTGRES_DSN": db.LoginDSN, "OWNER_DSN": db.OwnerDSN, "LEADCTL_KEYSET_FILE": env.WorkDir + "/keyset.json",
		"NEXIUS_ISSUER": issuer, "NEXIUS_CLIENT_ID": "cli",
		"API_URL":         site.URL + "/api/action/datastore_search",
		"ODOO_SERVER_URL": odooURL, "ODOO_TEMPLATE_DB": "template",
		"ODOO_MASTER_PASSWORD_FILE":           env.WorkDir + "/odoo-master",
		"LEADCTL_ODOO_TEMPLATE_PASSWORD_FILE": env.WorkDir + "/odoo-template",
	} {
		env.Setenv(name, value)
	}
	return nil
}

// startIDP starts an identity provider and writes tokens of its users to dir.
func startIDP(tb testing.TB, dir string) (issuer string) {
	server := httptest.NewUnstartedServer(nil)
	issuer = "http://" + server.Listener.Addr().String()
	provider, err := devidp.New(devidp.Config{Issuer: issuer,
		Users: []devidp.User{
			{ID: "alice", Email: "alice@acme.example", EmailVerified: true, Roles: []string{"ops"}, TenantID: "1"},
			{ID: "bob", Email: "bob@borealis.example", EmailVerified: true, Roles: []string{"viewer"}},
		},
		Clients: []devidp.Client{
			{ID: "cli", RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ID: "other", RedirectURIs: []string{"http://127.0.0.1/x"}},
		}})
	require.NoError(tb, err)
	server.Config.Handler = provider
	server.Start()
	tb.Cleanup(server.Close)
	for file, who := range map[string][2]string{
		"alice.token": {"alice", "cli"}, "bob.token": {"bob", "cli"}, "other.token": {"alice", "other"},
	} {
		token, err := provider.IssueToken(tb.Context(), who[0], who[1])
		require.NoError(tb, err)
		writeFile(tb, dir, file, token)
	}
	return issuer
}

func startOdoo(tb testing.TB) (base string) {
	server := httptest.NewServer(odootest.New(odootest.Options{Master: "master"}))
	tb.Cleanup(server.Close)
	client, err := odoo.New(odoo.Options{BaseURL: server.URL})
	require.NoError(tb, err)
	_, err = provision.PrepareTemplate(
		tb.Context(),
		client,
		provision.Template{Name: "template", Master: "master", Secret: "template-admin"},
	)
	require.NoError(tb, err)
	return server.URL
}

func writeFile(tb testing.TB, dir, name, content string) {
	require.NoError(tb, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
}

// freeAddress returns a loopback address with a free port, for a process that must be told where to listen.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}
