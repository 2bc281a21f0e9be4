package workspace_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
)

func TestOnlyTheNewSecretOpensAfterRotate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, before := r.tenant(t, "Acme")
	require.NoError(t, r.Rotate(t.Context(), id, tester))

	after, err := r.Current(t.Context(), id)
	require.NoError(t, err)
	require.NotEqual(t, before.Secret, after.Secret)
	require.True(t, r.opens(t, after.Database, after.Secret))
	require.False(t, r.opens(t, before.Database, before.Secret))
	require.Equal(t, "odoo.key.rotate,odoo.key.rotated", one[string](t, r, `
		SELECT string_agg(action, ',' ORDER BY at) FROM audit_log WHERE actor = 'test' AND request_id = 'req-1'`))
	require.NotContains(t, one[string](t, r, `SELECT string_agg(x::text, '') FROM audit_log x`), string(after.Secret))
}

// When a rotation is interrupted at any call, the next call of Current returns the new secret, which opens the
// workspace, and the old one does not.
func TestCurrentFinishesAnInterruptedRotation(t *testing.T) {
	t.Parallel()
	for cut := 0; ; cut++ {
		for _, carriedOut := range []bool{false, true} {
			r := newRig(t)
			id, before := r.tenant(t, "Acme")
			r.stand.Inject(odootest.Fault{Op: "*", Skip: cut, Do: odootest.Reset, Execute: carriedOut})
			if r.Rotate(t.Context(), id, tester) == nil {
				require.Greater(t, cut, 3, "the script interrupted no call")
				return
			}
			r.stand.Heal()
			at := fmt.Sprintf("call %d, carried out %v", cut, carriedOut)
			after, err := r.restarted(t).Current(t.Context(), id)
			require.NoError(t, err, at)
			require.NotEqual(t, before.Secret, after.Secret, at)
			require.True(t, r.opens(t, after.Database, after.Secret), at)
			require.False(t, r.opens(t, before.Database, before.Secret), at)
			require.Zero(t, one[int](t, r, `SELECT count(*) FROM odoo_connections WHERE pending_secret IS NOT NULL`),
				at)
		}
	}
}

// leadctl is killed after Odoo learned the new secret and before the row says so: Prepare returns the new secret.
func TestPrepareFinishesARotation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, before := r.tenant(t, "Acme")
	next := odoo.NewSecret()
	sealed, err := r.Keys.Seal(string(next), "odoo_secret", id)
	require.NoError(t, err)
	r.exec(t, `UPDATE odoo_connections SET pending_secret = $1`, sealed)
	require.NoError(t, r.provisioner(t).Rotate(t.Context(), before, next))

	after, err := r.restarted(t).Prepare(t.Context(), id, tester)
	require.NoError(t, err)
	require.Equal(t, next, after.Secret)
}

// A rotation finishes when the workspace's database does not exist: a database that is made later gets the next secret.
func TestRotateWithoutDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	_, err := r.Odoo.DropDatabase(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, r.Rotate(t.Context(), id, tester))
	after, err := r.Prepare(t.Context(), id, tester)
	require.NoError(t, err)
	created, err := r.Odoo.EnsureDatabase(t.Context(), after)
	require.NoError(t, err)
	require.True(t, created)
}

func TestRotateFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.True(t, fault.Is(r.Rotate(t.Context(), 77, tester), fault.NotFound))
	r.Odoo = nil
	require.True(t, fault.Is(r.Rotate(t.Context(), 77, tester), fault.Operator))
}

// Concurrent rotations all succeed, and the row's secret opens the workspace.
func TestConcurrentRotations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	done := make(chan error)
	for range 3 {
		go func() { done <- r.Rotate(t.Context(), id, tester) }()
	}
	for range 3 {
		require.NoError(t, <-done)
	}
	w, err := r.Current(t.Context(), id)
	require.NoError(t, err)
	require.True(t, r.opens(t, w.Database, w.Secret))
	require.Equal(t, 3, one[int](t, r, `SELECT count(*) FROM audit_log WHERE action = 'odoo.key.rotated'`))
}
