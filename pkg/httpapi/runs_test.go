package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunsAreAskedForAndFollowed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.editor(t, "Runs")
	other, theirs := r.editor(t, "Other")
	asked := r.do(t, request{method: http.MethodPost, path: "/runs", token: token})
	require.Equal(t, http.StatusAccepted, asked.status, asked.body)
	require.Equal(t, "/runs/1", asked.header.Get("Location"))
	run := asked.object(t)
	require.Equal(t, "queued", run["status"])
	require.Equal(t, "leadctl", run["source"])
	require.InDelta(t, int(id), run["tenant_id"], 0)
	require.Nil(t, run["ended_at"])
	require.Nil(t, run["seconds"])
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'leads_score'
		AND args = jsonb_build_object('tenant_id', $1::int, 'run_id', 1)`, id))
	require.InDelta(t, 1, r.do(t, request{method: http.MethodPost, path: "/runs", token: token}).object(t)["run_id"], 0,
		"a second request returns the queued run")

	r.exec(t, `UPDATE enrichment_runs SET status = 'done', started_at = '2026-01-01 10:00',
		ended_at = '2026-01-01 10:00:02.5',
		counts = '{"added": 3, "full": true, "basis": "CNR-BASIS", "seen": "2026-01-01", "queued_seconds": 0.2}'
		WHERE tenant_id = $1`, id)
	done := r.get(t, "/runs/1", token)
	require.JSONEq(t, `{"run_id":1,"tenant_id":1,"status":"done","source":"leadctl","started_at":"2026-01-01T10:00:00Z",
		"ended_at":"2026-01-01T10:00:02.5Z","seconds":2.5,
		"counts":{"added":3,"full":true,"queued_seconds":0.2},"error":null}`, done.body)

	// Another tenant's run, an unknown run and an invalid number have the same answer.
	r.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, error) VALUES ($1, 7, 'CNR-OTHER')`, other)
	missing := r.get(t, "/runs/8", token)
	requireProblem(t, missing, http.StatusNotFound, "not_found")
	for _, path := range []string{"/runs/7", "/runs/0", "/runs/-1", "/runs/01", "/runs/x", "/runs/99999999999",
		"/runs/1%00"} {
		a := r.get(t, path, token)
		require.Equal(t, http.StatusNotFound, a.status, path)
		require.Equal(t, anonymous(missing.body), anonymous(a.body), path)
	}
	require.Equal(t, http.StatusOK, r.get(t, "/runs/7", theirs).status)
	requireProblem(t, r.get(t, "/runs/1", r.token("tenant_id", id)), http.StatusForbidden, "INSUFFICIENT_ROLE")
}

func TestAChangedRuleAsksForARun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.editor(t, "Rule")
	require.Equal(t, http.StatusOK, r.post(t, "/icp/rules", token, `{"name":"A","payload":{}}`).status)
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM enrichment_runs WHERE tenant_id = $1 AND status = 'queued'`,
		id))
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'leads_score'`))
	requireProblem(t, r.post(t, "/icp/rules", token, `{"name":"B","payload":{"ssic_codes":["x"]}}`),
		http.StatusBadRequest, "invalid")
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM icp_rules WHERE tenant_id = $1`, id))
}
