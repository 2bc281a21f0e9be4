package onboarding_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

func (r *rig) system(t *testing.T, fn func(context.Context, postgres.SystemTx) error) {
	t.Helper()
	require.NoError(t, r.DB.InSystem(t.Context(), "test", fn))
}

// CancelJob sets the onboarding's status to error at once, and the next sign-in starts it again.
func TestACancelledOnboardingFailsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	alice := person("alice", "alice@acme.example")
	st, err := r.FirstLogin(t.Context(), alice, tenant.By{Actor: "test", RequestID: "req-1"})
	require.NoError(t, err)
	r.system(t, func(ctx context.Context, tx postgres.SystemTx) error {
		list, err := r.Jobs.List(ctx, tx, jobs.Filter{Tenant: st.Tenant})
		require.NoError(t, err)
		require.Len(t, list, 1)
		_, err = onboarding.CancelJob(ctx, tx, r.Jobs, list[0].ID, tester)
		return err
	})
	stopped, _ := r.status(t, st.Tenant)
	require.Equal(t, onboarding.Failed, stopped.Status)
	require.Equal(t, "cancelled by an operator", *stopped.Error)

	_, err = r.FirstLogin(t.Context(), alice, tenant.By{Actor: "test", RequestID: "req-2"})
	require.NoError(t, err)
	r.start(t)
	r.await(t, st.Tenant, onboarding.Ready)
	r.system(t, func(ctx context.Context, tx postgres.SystemTx) error {
		return onboarding.FailCancelled(ctx, tx, st.Tenant)
	})
	ready, _ := r.status(t, st.Tenant)
	require.Equal(t, onboarding.Ready, ready.Status, "a ready workspace stays ready")
}

// When a running job is cancelled, its worker sets the status to error.
func TestARunningJobIsCancelled(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	r.odoo.Inject(odootest.Fault{Op: "db.duplicate_database", Do: odootest.Hang})
	st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"),
		tenant.By{Actor: "test", RequestID: "req-1"})
	require.NoError(t, err)
	r.start(t)
	r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps WHERE step = 'odoo_database' AND state = 'running'`)
	r.system(t, func(ctx context.Context, tx postgres.SystemTx) error {
		list, err := r.Jobs.List(ctx, tx, jobs.Filter{States: []string{"running"}})
		require.NoError(t, err)
		require.Len(t, list, 1)
		_, err = r.Jobs.Cancel(ctx, tx, list[0].ID, tester)
		return err
	})
	stopped, _ := r.await(t, st.Tenant, onboarding.Failed)
	require.Equal(t, "cancelled by an operator", *stopped.Error)
	r.awaitCount(t, 1, `SELECT count(*) FROM river.river_job WHERE state = 'cancelled'`)
}

// The same rows give the same event id in every process, and other rows another id.
func TestEventIDsDependOnTheRows(t *testing.T) {
	t.Parallel()
	r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
	snapshot := func(id tenantid.ID) (event, line string) {
		require.NoError(t, r.DB.ReadTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
			s, err := onboarding.ReadSnapshot(ctx, tx)
			if err != nil {
				return err
			}
			key, text, err := s.Event()
			event, line = key, string(text)
			return err
		}))
		return event, line
	}
	var ids []string
	for _, name := range []string{"alice", "bob"} {
		st, err := r.FirstLogin(t.Context(), person(name, name+"@acme.example"), tester)
		require.NoError(t, err)
		first, line := snapshot(st.Tenant)
		again, _ := snapshot(st.Tenant)
		require.Equal(t, first, again)
		require.NotContains(t, line, "\n")
		ids = append(ids, first)
	}
	require.NotEqual(t, ids[0], ids[1])
}
