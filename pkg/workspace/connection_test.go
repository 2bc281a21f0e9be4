package workspace_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

// A database that another service filled may have a secret in the clear. Prepare never uses it: one statement replaces
// it with a sealed one.
func TestAPlaintextSecretIsReplacedAndNeverUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `INSERT INTO tenants (name) VALUES ('Adopted')`)
	r.plaintext(t, 1, "CANARY-in-the-clear")
	_, err := r.Current(t.Context(), 1)
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	require.NotContains(t, err.Error(), "CANARY")

	w, err := r.Prepare(t.Context(), 1, tester)
	require.NoError(t, err)
	require.Equal(t, "t_t1", w.Database)
	require.NotContains(t, string(w.Secret), "CANARY")
	row := one[string](t, r, `SELECT x::text FROM odoo_connections x`)
	require.Contains(t, row, "v1:")
	require.NotContains(t, row, "CANARY")
	require.False(t, one[bool](t, r, `SELECT active FROM odoo_connections`), "the workspace was not tested yet")
	require.Equal(t, "their_db", one[string](t, r,
		`SELECT detail->>'former_database' FROM audit_log WHERE action = 'odoo.connection.replace'`))
	require.NotContains(t, one[string](t, r, `SELECT string_agg(x::text, '') FROM audit_log x`), "CANARY")
}

// plaintext inserts a row with a secret in the clear, older than the constraint that forbids it.
func (r *rig) plaintext(t *testing.T, tenant int, text string) {
	t.Helper()
	r.exec(t, `ALTER TABLE odoo_connections DROP CONSTRAINT odoo_connections_secret_check`)
	r.exec(t, `INSERT INTO odoo_connections (tenant_id, base_url, db_name, auth_type, login, secret, active)
		VALUES ($1, 'https://theirs.example', 'their_db', 'password', 'admin', $2, true)`, tenant, text)
	r.exec(t, `ALTER TABLE odoo_connections
		ADD CONSTRAINT odoo_connections_secret_check CHECK (secret LIKE 'v1:%') NOT VALID`)
}

// Prepare does not overwrite a row with a sealed secret that names another database.
func TestPrepareKeepsARowOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.Prefix = "other"
	before := one[string](t, r, `SELECT x::text FROM odoo_connections x`)
	_, err := r.Prepare(t.Context(), id, tester)
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	require.Equal(t, before, one[string](t, r, `SELECT x::text FROM odoo_connections x`))
}
