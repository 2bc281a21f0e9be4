//go:build live

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// TestLiveTenantOnRealOdoo runs an operator's commands on real Odoo servers: prepare the template, provision a tenant,
// test its workspace, and check that a second run changes nothing.
func TestLiveTenantOnRealOdoo(t *testing.T) {
	for _, server := range []struct{ name, variables string }{
		{"19", "LEADCTL_LIVE_ODOO"}, {"14", "LEADCTL_LIVE_ODOO14"},
	} {
		t.Run(server.name, func(t *testing.T) { testOperatorPath(t, server.name, server.variables) })
	}
}

func testOperatorPath(t *testing.T, name, variables string) {
	live := func(suffix string) string {
		v := os.Getenv(variables + suffix)
		require.NotEmpty(t, v, "%s%s is not set; scripts/live sets it", variables, suffix)
		return v
	}
	prefix := "lctcli" + name + strings.ToLower(rand.Text()[:6])
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	for variable, value := range map[string]string{
		"LEADCTL_ENV": "development", "POSTGRES_DSN": pgtest.New(t).LoginDSN, "LEADCTL_KEYSET_FILE": keyset,
		"ODOO_SERVER_URL": live("_URL"), "ODOO_POSTGRES_DSN": live("_DSN"),
		"ODOO_MASTER_PASSWORD_FILE": live("_MASTER_FILE"),
		"ODOO_TEMPLATE_DB":          "lct_template_c" + name, "LEADCTL_ODOO_DATABASE_PREFIX": prefix,
	} {
		t.Setenv(variable, value)
	}
	t.Cleanup(func() { dropDatabase(t, live("_DSN"), prefix) })

	mustRun(t, "secrets", "init", keyset)
	mustRun(t, "odoo", "template", "prepare")
	provisioned, steps := mustRun(
		t,
		"tenant",
		"provision",
		"--name",
		"Acme",
		"--email",
		"alice@acme.example",
		"--wait",
		"-o",
		"json",
	)
	require.Contains(t, steps, "smoke_test")
	var made struct {
		ID int `json:"tenant_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(provisioned), &made))
	require.Equal(t, 1, made.ID)

	tried, _ := mustRun(t, "odoo", "test", "--tenant", "1", "-o", "csv")
	require.NotContains(t, tried, "failed")
	again, _ := mustRun(
		t,
		"tenant",
		"provision",
		"--name",
		"Acme",
		"--email",
		"alice@acme.example",
		"--wait",
		"-o",
		"json",
	)
	require.Equal(t, provisioned, again)
	shown, _ := mustRun(t, "tenant", "show", "1", "-o", "json")
	require.Contains(t, shown, `"onboarding": "ready"`)
	testWorkspaceLife(t, name, live("_DSN"))
}

func mustRun(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	t.Logf("leadctl %s\n%s%s", strings.Join(args, " "), errs.String(), out.String())
	require.Zero(t, code, "leadctl %s", strings.Join(args, " "))
	return out.String(), errs.String()
}

// dropDatabase drops the database that this run made. The template stays for the next run.
func dropDatabase(t *testing.T, dsn, prefix string) {
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(
		ctx,
		"DROP DATABASE IF EXISTS "+pgx.Identifier{provision.DatabaseName(prefix, 1)}.Sanitize()+" WITH (FORCE)",
	)
	require.NoError(t, err)
}
