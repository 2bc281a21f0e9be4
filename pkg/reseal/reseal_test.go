package reseal_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/reseal"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-055", masterKeyRotates)
	t.Run("D-063", keysetMissingWrongOrHalfRotated)
}

// rig is a database and the keyset that seals the values in it.
type rig struct {
	db     *pgtest.DB
	keyset []byte
}

func newRig(t *testing.T) *rig {
	t.Helper()
	keyset, err := secret.Generate()
	require.NoError(t, err)
	return &rig{db: pgtest.New(t), keyset: keyset}
}

func parseKeys(t *testing.T, keyset []byte) *secret.Keyring {
	t.Helper()
	keys, err := secret.Parse(keyset)
	require.NoError(t, err)
	return keys
}

func (r *rig) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := r.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (r *rig) text(t *testing.T, sql string) (text string) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), sql).Scan(&text))
	return text
}

// reseal runs Reseal with the current key of keys.
func (r *rig) reseal(ctx context.Context, keys *secret.Keyring, dryRun bool, done func()) ([]reseal.Column, error) {
	return reseal.Reseal(ctx, r.db.App, keys, dryRun, tenant.By{Actor: "test"}, func(int64) { done() })
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

// secretOf opens the secret of a tenant's workspace as a process with the keys does.
func (r *rig) secretOf(t *testing.T, keys *secret.Keyring, id tenantid.ID) (text string, err error) {
	t.Helper()
	service := workspace.Service{DB: r.db.App, Keys: keys}
	require.NoError(t, r.db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		c, openErr := service.Open(ctx, tx, id)
		text, err = string(c.Secret), openErr
		return nil
	}))
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
	old := parseKeys(t, r.keyset)
	r.connections(t, old, tenants)
	added, err := secret.AddKey(r.keyset)
	require.NoError(t, err)
	promoted, err := secret.Promote(added)
	require.NoError(t, err)
	between, next := parseKeys(t, added), parseKeys(t, promoted)
	alone, err := secret.Retire(promoted)
	require.NoError(t, err)
	requireMissing := func(want int, keys *secret.Keyring) {
		t.Helper()
		missing, err := reseal.CheckKeyset(t.Context(), r.db.App, keys)
		require.NoError(t, err)
		require.Equal(t, want, missing)
	}

	dry, err := r.reseal(t.Context(), next, true, func() {})
	require.NoError(t, err)
	_, moved, _ := resealed(dry)
	require.EqualValues(t, tenants+2, moved)
	text, err := r.secretOf(t, old, 7)
	require.NoError(t, err, "a dry run writes nothing")
	require.Equal(t, "secret of 7", text)

	// Stopped in the middle: values of both keys, which a process with both keys can read.
	ctx, stop := context.WithCancel(t.Context())
	_, err = r.reseal(ctx, next, false, stop)
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

	requireMissing(0, next)
	requireMissing(1, parseKeys(t, alone))
	requireMissing(1, old)

	rest, err := r.reseal(t.Context(), next, false, func() {})
	require.NoError(t, err)
	current, moved, failed := resealed(rest)
	require.Equal(t, []int64{200, tenants + 2 - 200, 0}, []int64{current, moved, failed},
		"the second run moves only the rest")
	retired := parseKeys(t, alone)
	requireMissing(0, retired)
	text, err = r.secretOf(t, retired, tenants)
	require.NoError(t, err)
	require.Equal(t, "secret of 450", text)
	refresh, err := retired.Open(r.text(t, `SELECT refresh_token FROM sessions`),
		"session_refresh_token", 0)
	require.NoError(t, err)
	require.Equal(t, "a refresh token", refresh)
}

// keysetMissingWrongOrHalfRotated: Reseal lists the values that the keyset does not open and leaves them unchanged. It
// reads no value as plaintext.
func keysetMissingWrongOrHalfRotated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connections(t, parseKeys(t, r.keyset), 2)
	// A row that is older than the constraint has a secret in the clear.
	r.exec(t, `INSERT INTO tenants (name) VALUES ('Adopted')`)
	r.exec(t, `ALTER TABLE odoo_connections DROP CONSTRAINT odoo_connections_secret_check`)
	r.exec(t, `INSERT INTO odoo_connections (tenant_id, db_name, secret) VALUES (3, 'their_db', 'in-the-clear')`)
	r.exec(t, `ALTER TABLE odoo_connections
		ADD CONSTRAINT odoo_connections_secret_check CHECK (secret LIKE 'v1:%') NOT VALID`)
	before := r.text(t, `SELECT string_agg(secret, ',' ORDER BY tenant_id) FROM odoo_connections`)

	strange, err := secret.Generate()
	require.NoError(t, err)
	for id := range tenantid.ID(3) {
		_, err := r.secretOf(t, parseKeys(t, strange), id+1)
		require.True(t, fault.Is(err, fault.Operator), "%v", err)
	}
	list, err := r.reseal(t.Context(), parseKeys(t, strange), false, func() {})
	require.NoError(t, err)
	_, moved, failed := resealed(list)
	require.Equal(t, []int64{0, 5}, []int64{moved, failed})
	require.Equal(t, []string{"tenant 1", "tenant 2", "tenant 3 (stored in the clear)"}, list[0].Where)
	require.Equal(t, before,
		r.text(t, `SELECT string_agg(secret, ',' ORDER BY tenant_id) FROM odoo_connections`))
	_, err = reseal.CheckKeyset(t.Context(), r.db.App, parseKeys(t, strange))
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	for _, missing := range []string{"", "{}", `{"primaryKeyId":1}`} {
		_, err := secret.Parse([]byte(missing))
		require.True(t, fault.Is(err, fault.Operator), "%q: %v", missing, err)
	}
}
