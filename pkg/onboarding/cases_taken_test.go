package onboarding_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/onboarding"
)

// suspendedWhileProvisioning: a suspension during any call of Odoo, or just before the end, leaves no ready workspace.
func suspendedWhileProvisioning(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"db.duplicate_database", "res.users.create"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
			r.odoo.Inject(odootest.Fault{Op: op, Do: odootest.Hang})
			r.start(t)
			st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
			require.NoError(t, err)
			id := st.Tenant
			r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps
				WHERE step IN ('odoo_database', 'odoo_service_account', 'odoo_user') AND state = 'running'`)
			_, err = r.db.Owner.Exec(t.Context(), `UPDATE tenants SET status = 'suspended'`)
			require.NoError(t, err)
			start := time.Now()
			st, _ = r.await(t, id, onboarding.Failed)
			require.Less(t, time.Since(start), 10*time.Second)
			require.Contains(t, *st.Error, "suspended")
			r.odoo.Heal()
			r.awaitCount(t, 0,
				`SELECT count(*) FROM river.river_job WHERE kind = 'onboarding' AND finalized_at IS NULL`)
			st, _ = r.status(t, id)
			require.Equal(t, onboarding.Failed, st.Status)
		})
	}
	t.Run("before the end", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, onboarding.Policy{Mode: onboarding.PolicyOpen})
		st, err := r.FirstLogin(t.Context(), person("alice", "alice@acme.example"), tester)
		require.NoError(t, err)
		id := st.Tenant
		suspension, err := r.db.Owner.Begin(t.Context())
		require.NoError(t, err)
		_, err = suspension.Exec(t.Context(), `UPDATE tenants SET status = 'suspended'`)
		require.NoError(t, err)
		r.start(t)
		r.awaitCount(t, 1, `SELECT count(*) FROM onboarding_steps WHERE step = 'icp_template' AND state = 'done'`)
		require.NoError(t, suspension.Commit(t.Context()))
		st, _ = r.await(t, id, onboarding.Failed)
		require.Contains(t, *st.Error, "suspended")
	})
}
