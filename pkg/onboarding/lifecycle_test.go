package onboarding_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

func (r *rig) setStatus(t *testing.T, id tenantid.ID, status string) {
	t.Helper()
	require.NoError(t, r.SetStatus(t.Context(), id.String(), status, tester))
}

// suspendedAt returns a rig whose first tenant was suspended while Odoo hangs in the step odoo_database.
func suspendedAt(t *testing.T) (*rig, tenantid.ID) {
	t.Helper()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "db.duplicate_database", Do: odootest.Hang})
	r.start(t)
	st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps WHERE step = 'odoo_database' AND state = 'running'`)
	r.setStatus(t, st.Tenant, tenant.Suspended)
	return r, st.Tenant
}

// TestResumeContinuesTheWorkspace: a workspace whose making was interrupted by a suspension becomes ready after the
// resumption, without a sign-in, and is made once.
func TestResumeContinuesTheWorkspace(t *testing.T) {
	t.Parallel()
	r, id := suspendedAt(t)
	r.await(t, id, onboarding.Failed)
	r.odoo.Heal()
	r.setStatus(t, id, tenant.Active)
	r.await(t, id, onboarding.Ready)
	require.Equal(t, 1, r.workspaces())
}

// TestResumeWhileTheJobEnds: the job has seen the suspension, and records its end after the tenant was resumed. The
// resumption found the job active and added no other, so the job goes on.
func TestResumeWhileTheJobEnds(t *testing.T) {
	t.Parallel()
	r, id := suspendedAt(t)
	lock, err := r.db.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), `SELECT FROM onboarding_status FOR UPDATE`)
	require.NoError(t, err)
	resumed := make(chan error)
	go func() { resumed <- r.SetStatus(t.Context(), id.String(), tenant.Active, tester) }()
	r.awaitCount(t, 2, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND wait_event_type = 'Lock'`) // the resumption, and behind it the end of the job
	r.odoo.Heal()
	require.NoError(t, lock.Rollback(t.Context()))
	require.NoError(t, <-resumed)
	r.await(t, id, onboarding.Ready)
	require.Equal(t, 1, r.workspaces())
}

// TestQueuedJobOfASuspendedTenant: a job that begins while its tenant is suspended ends with that reason, and touches
// no workspace. The resumption adds another.
func TestQueuedJobOfASuspendedTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
	require.NoError(t, err)
	r.setStatus(t, st.Tenant, tenant.Suspended)
	r.start(t)
	failed, _ := r.await(t, st.Tenant, onboarding.Failed)
	require.Contains(t, *failed.Error, "is suspended")
	require.Zero(t, r.workspaces())
	r.setStatus(t, st.Tenant, tenant.Active)
	r.await(t, st.Tenant, onboarding.Ready)

	// A ready tenant's leads are scored and pushed again, once for each resumption.
	for i := range 2 {
		r.setStatus(t, st.Tenant, tenant.Suspended)
		r.setStatus(t, st.Tenant, tenant.Active)
		r.setStatus(t, st.Tenant, tenant.Active)
		require.Equal(t, i+1, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'leads_score'
			AND args ? 'companies'`))
		require.Equal(t, i+1, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'odoo_push'`))
	}
	st, _ = r.status(t, st.Tenant)
	require.Equal(t, onboarding.Ready, st.Status)
}

// TestInvitationOfASuspendedTenant: an open invitation admits no person while its tenant is suspended, with or without
// a claim, is not used up by the attempt, and admits after the resumption.
func TestInvitationOfASuspendedTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyInvite})
	acme := r.newTenant(t, "Acme")
	require.NoError(t, r.invite(acme.ID, "bob@acme.example", "ops"))
	r.setStatus(t, acme.ID, tenant.Suspended)
	bob := person("bob", "bob@acme.example")
	_, err := r.FirstLogin(t.Context(), bob, tester)
	require.Equal(t, "ONBOARDING_CLOSED", fault.Code(err))
	_, err = r.FirstLogin(t.Context(), claimed(bob, acme.ID), tester)
	require.Equal(t, "TENANT_SUSPENDED", fault.Code(err))
	require.Len(t, r.members(t, acme.ID), 1)
	require.Nil(t, r.members(t, acme.ID)[0].Subject)

	r.setStatus(t, acme.ID, tenant.Active)
	st, err := r.FirstLogin(t.Context(), bob, tester)
	require.NoError(t, err)
	require.Equal(t, acme.ID, st.Tenant)
	require.Equal(t, "bob", *r.members(t, acme.ID)[0].Subject)
	require.Equal(t, []string{"ops"}, r.members(t, acme.ID)[0].Roles)
}
