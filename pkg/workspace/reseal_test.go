package workspace_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/reseal"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-055", masterKeyRotates)
	t.Run("D-063", keysetMissingWrongOrHalfRotated)
	t.Run("B-059", nothingInTheClear)
	t.Run("B-059 moved to another tenant", movedToAnotherTenant)
}

// connections makes n tenants with a sealed secret each, and a session with two sealed tokens.
func (r *rig) connections(t *testing.T, keys *secret.Keyring, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		sealed, err := keys.Seal(fmt.Sprintf("secret of %d", i), "odoo_secret", tenantid.ID(i))
		require.NoError(t, err)
		r.exec(t, `INSERT INTO tenants (name) VALUES ($1)`, fmt.Sprint("T", i))
		r.exec(t, `INSERT INTO odoo_connections (tenant_id, db_name, secret) VALUES ($1, $2, $3)`, i,
			fmt.Sprint("t_", i), sealed)
	}
	sealed, err := keys.Seal("a refresh token", "session_refresh_token", 0)
	require.NoError(t, err)
	id, err := keys.Seal("an ID token", "session_id_token", 0)
	require.NoError(t, err)
	r.exec(t, `INSERT INTO sessions (handle_hash, issuer, subject, refresh_token, id_token, expires_at)
		VALUES ('\x01', 'i', 's', $1, $2, now() + interval '1 day')`, sealed, id)
}

func (r *rig) secretOf(t *testing.T, keys *secret.Keyring, id tenantid.ID) (text string, err error) {
	t.Helper()
	s := *r.Service
	s.Keys = keys
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		c, openErr := s.Open(ctx, tx, id)
		text, err = string(c.Secret), openErr
		return nil
	})
	return text, err
}

func resealed(list []reseal.Column) (current, moved, failed int64) {
	for _, c := range list {
		current, moved, failed = current+c.Current, moved+c.Moved, failed+c.Failed
	}
	return current, moved, failed
}

// masterKeyRotates: at each stage, processes with the keyset before it and after it read all values. There are more
// rows than a batch has.
func masterKeyRotates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const tenants = 450
	old := parsed(t, r.keyset)
	r.connections(t, old, tenants)
	added, err := secret.AddKey(r.keyset)
	require.NoError(t, err)
	promoted, err := secret.Promote(added)
	require.NoError(t, err)
	between, next := parsed(t, added), parsed(t, promoted)

	dry, err := reseal.Reseal(t.Context(), r.db.App, next, true, tester, func(int64) {})
	require.NoError(t, err)
	_, moved, _ := resealed(dry)
	require.EqualValues(t, tenants+2, moved)
	text, err := r.secretOf(t, old, 7)
	require.NoError(t, err, "a dry run writes nothing")
	require.Equal(t, "secret of 7", text)

	// Stopped in the middle: values of both keys, which a process with both keys can read.
	ctx, stop := context.WithCancel(t.Context())
	_, err = reseal.Reseal(ctx, r.db.App, next, false, tester, func(int64) { stop() })
	require.Error(t, err)
	for _, id := range []tenantid.ID{1, tenants} {
		for name, keys := range map[string]*secret.Keyring{"before": between, "after": next} {
			text, err := r.secretOf(t, keys, id)
			require.NoError(t, err, "%s: %d", name, id)
			require.Equal(t, fmt.Sprint("secret of ", id), text)
		}
	}
	_, err = r.secretOf(t, old, 1)
	require.True(t, fault.Is(err, fault.Operator), "a process without the new key reports it: %v", err)
	_, err = r.secretOf(t, old, tenants)
	require.NoError(t, err)

	rest, err := reseal.Reseal(t.Context(), r.db.App, next, false, tester, func(int64) {})
	require.NoError(t, err)
	current, moved, failed := resealed(rest)
	require.Equal(t, []int64{200, tenants + 2 - 200, 0}, []int64{current, moved, failed},
		"the second run moves only the rest")
	retired, err := secret.Retire(promoted)
	require.NoError(t, err)
	text, err = r.secretOf(t, parsed(t, retired), tenants)
	require.NoError(t, err)
	require.Equal(t, "secret of 450", text)
	refresh, err := parsed(t, retired).Open(one[string](t, r, `SELECT refresh_token FROM sessions`),
		"session_refresh_token", 0)
	require.NoError(t, err)
	require.Equal(t, "a refresh token", refresh)
}

// keysetMissingWrongOrHalfRotated: Reseal lists the values that the keyset does not open and leaves them unchanged. It
// reads no value as plaintext.
func keysetMissingWrongOrHalfRotated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connections(t, parsed(t, r.keyset), 2)
	r.exec(t, `INSERT INTO tenants (name) VALUES ('Adopted')`)
	r.plaintext(t, 3, "CANARY-in-the-clear")
	before := one[string](t, r, `SELECT string_agg(secret, ',' ORDER BY tenant_id) FROM odoo_connections`)

	strange, err := secret.Generate()
	require.NoError(t, err)
	for id := range tenantid.ID(3) {
		_, err := r.secretOf(t, parsed(t, strange), id+1)
		require.True(t, fault.Is(err, fault.Operator), "%v", err)
	}
	list, err := reseal.Reseal(t.Context(), r.db.App, parsed(t, strange), false, tester, func(int64) {})
	require.NoError(t, err)
	_, moved, failed := resealed(list)
	require.Equal(t, []int64{0, 5}, []int64{moved, failed})
	require.Equal(t, []string{"tenant 1", "tenant 2", "tenant 3 (stored in the clear)"}, list[0].Where)
	require.Equal(t, before,
		one[string](t, r, `SELECT string_agg(secret, ',' ORDER BY tenant_id) FROM odoo_connections`))
	for _, missing := range []string{"", "{}", `{"primaryKeyId":1}`} {
		_, err := secret.Parse([]byte(missing))
		require.True(t, fault.Is(err, fault.Operator), "%q: %v", missing, err)
	}
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
