package workspace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// suspendedWhilePushing: a push ends within ten seconds after its tenant was suspended; the next one continues it.
func suspendedWhilePushing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 2000)
	r.stand.Inject(odootest.Fault{Op: "*", Do: odootest.Slow, Delay: 400 * time.Millisecond})
	var suspended time.Time
	_, err := r.Push(t.Context(), id, workspace.PushOptions{}, tester, func(workspace.Pushed) {
		if suspended.IsZero() {
			r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
			suspended = time.Now()
		}
	})
	require.Equal(t, "TENANT_SUSPENDED", fault.Code(err), "%v", err)
	require.Less(t, time.Since(suspended), 10*time.Second)
	pushed := r.written("create", "crm.lead")
	require.Less(t, pushed, 2000)

	r.stand.Heal()
	r.exec(t, `UPDATE tenants SET status = 'active' WHERE tenant_id = $1`, id)
	sum := r.push(t, id, workspace.PushOptions{})
	require.EqualValues(t, 2000, sum.Leads)
}

// TestNoPushOfASuspendedTenant: neither a command nor a job begins a push or a reading for a suspended tenant.
func TestNoPushOfASuspendedTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.exec(t, `UPDATE tenants SET status = 'suspended'`)
	before := len(r.stand.Ledger())
	_, err := r.Push(t.Context(), id, workspace.PushOptions{}, tester, func(workspace.Pushed) {})
	require.Equal(t, "TENANT_SUSPENDED", fault.Code(err))
	_, err = r.Feedback(t.Context(), id, tester)
	require.Equal(t, "TENANT_SUSPENDED", fault.Code(err))
	require.Len(t, r.stand.Ledger(), before)
}
