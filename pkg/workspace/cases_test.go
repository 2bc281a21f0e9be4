package workspace_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("B-059", nothingInTheClear)
	t.Run("B-080", suspendedWhilePushing)
	t.Run("B-059 moved to another tenant", movedToAnotherTenant)
}

// nothingInTheClear: after a workspace was made and its secret rotated, no table has one of its secrets in the clear.
func nothingInTheClear(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, first := r.tenant(t, "Acme")
	require.NoError(t, r.Rotate(t.Context(), id, tester))
	second, err := r.Current(t.Context(), id)
	require.NoError(t, err)
	var dump strings.Builder
	rows, err := r.db.Owner.Query(t.Context(), `
		SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
		WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.Greater(t, len(tables), 15)
	for _, name := range tables {
		dump.WriteString(one[string](t, r, `SELECT coalesce(string_agg(x::text, ' '), '') FROM `+name+` x`))
	}
	require.Contains(t, dump.String(), "v1:")
	for _, s := range []string{string(first.Secret), string(second.Secret)} {
		require.NotContains(t, dump.String(), s)
	}
}

// movedToAnotherTenant: a ciphertext that is copied to another tenant's row does not open.
func movedToAnotherTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, _ := r.tenant(t, "A")
	b, _ := r.tenant(t, "B")
	r.exec(t, `UPDATE odoo_connections b SET secret = a.secret, db_name = a.db_name
		FROM odoo_connections a WHERE a.tenant_id = $1 AND b.tenant_id = $2`, a, b)
	_, err := r.Current(t.Context(), b)
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	_, err = r.Prepare(t.Context(), b, tester)
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
}
