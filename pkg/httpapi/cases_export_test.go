package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// exportsArePaced: a tenant that uses all of its download slots gets 429. Other tenants can still download until all
// slots are used.
func exportsArePaced(t *testing.T, _ *rig) {
	base := newRig(t)
	// two connections are for downloads, one of them per tenant
	three, err := postgres.Open(t.Context(), base.db.LoginDSN, postgres.Options{MaxConns: 3})
	require.NoError(t, err)
	t.Cleanup(three.Close)
	r := newRig(t, func(s *setup) { s.deps.DB = three })
	var tokens []string
	for _, name := range []string{"C-041 a", "C-041 b", "C-041 c"} {
		tokens = append(tokens, r.token("tenant_id", base.tenant(t, name)))
	}
	tx, err := base.db.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE lead_scores`)
	require.NoError(t, err)

	const all = "/export/latest_scores.csv?limit=all"
	running := make(chan answer, 2)
	start := func(token string, waiting int) {
		go func() { running <- r.get(t, all, token) }()
		require.Eventually(t, func() bool {
			return base.count(t, `SELECT count(*) FROM pg_locks WHERE relation = 'lead_scores'::regclass
				AND NOT granted`) == waiting
		}, time.Minute, 20*time.Millisecond)
	}
	start(tokens[0], 1)
	refused := r.get(t, all, tokens[0])
	requireProblem(t, refused, http.StatusTooManyRequests, "QUOTA_EXPORTS")
	require.Regexp(t, `^[1-9][0-9]*$`, refused.header.Get("Retry-After"))
	start(tokens[1], 2)
	full := r.get(t, all, tokens[2])
	requireProblem(t, full, http.StatusServiceUnavailable, "unavailable")
	require.Regexp(t, `^[1-9][0-9]*$`, full.header.Get("Retry-After"))

	require.NoError(t, tx.Rollback(t.Context()))
	for range 2 {
		require.Equal(t, http.StatusOK, (<-running).status)
	}
	for _, token := range tokens {
		require.Equal(t, http.StatusOK, r.get(t, all, token).status, "the slots are free again")
	}
}

// runsArePaced: routes that add a job have a limit per tenant.
func runsArePaced(t *testing.T, _ *rig) {
	r := newRig(t)
	r.api.StopClock(time.Now())
	for _, q := range []request{
		{method: http.MethodPost, path: "/runs"},
		{method: http.MethodPost, path: "/icp/rules", body: `{"name":"Mine","payload":{}}`,
			header: header("Content-Type", "application/json")},
		{method: http.MethodDelete, path: "/icp/rules/none"},
	} {
		_, q.token = r.editor(t, "C-041"+q.path)
		refused, before := untilRefused(t, r, q)
		require.GreaterOrEqual(t, before, 20, "normal use stays below the limit: %s", q.path)
		requireProblem(t, refused, http.StatusTooManyRequests, "too_many")
		require.NotEmpty(t, refused.header.Get("Retry-After"))
		_, q.token = r.editor(t, "C-041 other"+q.path)
		require.NotEqual(t, http.StatusTooManyRequests, r.do(t, q).status, "another tenant has its own limit")
	}
	require.LessOrEqual(t, r.count(t, `SELECT count(*) FROM river.river_job WHERE kind = 'leads_score'`), 4,
		"a second request joins the queued run")
}

// The OpenAPI document lists 429 for every route that can answer it.
func TestTooManyIsDescribed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	described := r.get(t, "/openapi.json", "").object(t)["paths"].(map[string]any)
	for _, row := range httpapi.Routes() {
		if strings.HasPrefix(row.Path, "/export/") || row.Method != http.MethodGet &&
			(row.Path == "/runs" || strings.HasPrefix(row.Path, "/icp/rules")) {
			operation := described[row.Path].(map[string]any)[strings.ToLower(row.Method)].(map[string]any)
			require.Contains(t, operation["responses"], "429", row.Path)
		}
	}
}
