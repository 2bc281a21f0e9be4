package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// operatorActsAsTenant checks that a command for a tenant runs like a request of that tenant: with the rights of the
// same role, under row security, and with an audit record. A command applies to all tenants only if it says so.
func operatorActsAsTenant(t *testing.T) {
	db, leadctl := newOperator(t)
	exec := func(sql string) {
		_, err := db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	acts := []struct {
		action string
		args   []string
	}{
		{"icp.set", []string{"icp", "set", "Mine", "--tenant", "1", "--payload", `{"ssic_codes":["56"]}`}},
		{"icp.list", []string{"icp", "list", "--tenant", "1"}},
		{"icp.show", []string{"icp", "show", "Mine", "--tenant", "1"}},
		{"icp.test", []string{"icp", "test", "Mine", "--tenant", "1"}},
		{"leads.top", []string{"leads", "top", "--tenant", "1"}},
		{"export.scores", []string{"export", "scores", "--tenant", "1"}},
		{"leads.score", []string{"leads", "score", "--tenant", "1"}},
	}
	recorded := func(tenant int, action string) (n int) {
		require.NoError(
			t,
			db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM audit_log
				WHERE tenant_id = $1 AND action = $2 AND actor <> ''`, tenant, action).
				Scan(&n),
		)
		return n
	}
	for _, act := range acts {
		before := recorded(1, act.action)
		out, err := leadctl(act.args...).CombinedOutput()
		require.NoError(t, err, "%v: %s", act.args, out)
		if act.action != "icp.test" && act.action != "leads.score" { // these read all companies
			require.NotContains(t, string(out), "CNR-2", act.action)
		}
		require.Equal(t, before+1, recorded(1, act.action), act.action)
		require.Zero(t, recorded(2, act.action), act.action)
	}
	changed := 0
	require.NoError(
		t,
		db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM lead_scores WHERE tenant_id = 2`).Scan(&changed),
	)
	require.Equal(t, 1, changed, "scoring one tenant does not change the other's leads")

	out, err := leadctl("leads", "score").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "all-tenants", "a command for all tenants must say so")

	exec(`ALTER POLICY tenant_isolation ON lead_scores USING (false)`)
	for _, args := range [][]string{
		{"leads", "top", "--tenant", "1", "-o", "csv"}, {"export", "scores", "--tenant", "1"},
	} {
		out, err := leadctl(args...).Output()
		require.NoError(t, err)
		require.NotContains(t, string(out), "CNR-", "row security applies to an operator too: %v", args)
	}
	exec(`REVOKE ALL ON lead_scores, lead_features, icp_rules FROM leadctl_app`)
	for _, act := range acts {
		out, err := leadctl(act.args...).CombinedOutput()
		require.Error(t, err, "%s must run as the role of requests: %s", act.action, out)
		require.Contains(t, string(out), "permission denied", act.action)
	}
}
