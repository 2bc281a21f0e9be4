package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

// identified returns a request with the id.
func identified(id, method, path, token, body string) request {
	return request{method: method, path: path, token: token, body: body,
		header: header("Content-Type", "application/json", "X-Request-Id", id)}
}

// lines counts the tenant's audit lines of a request.
func (r *rig) lines(t testing.TB, id tenantid.ID, request string) int {
	t.Helper()
	return r.count(t, `SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND request_id = $2 AND actor = 'user-1'`,
		id, request)
}

func TestEachActIsRecordedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, other := r.tenant(t, "Recorded"), r.tenant(t, "Other")
	token := r.token("tenant_id", id, "roles", []string{"ops"})
	for i, c := range []struct{ method, path, body, action string }{
		{http.MethodPost, "/icp/rules", `{"name": "A", "payload": {}}`, "icp.set"},
		{http.MethodPost, "/icp/rules", `{"name": "B", "payload": {}}`, "icp.set"},
		{http.MethodDelete, "/icp/rules/A", "", "icp.delete"},
		{http.MethodPost, "/runs", "", "run.request"},
		{http.MethodGet, "/export/latest_scores.csv?bucket=high", "", "export.scores"},
		{http.MethodGet, "/export/latest_scores.json?limit=all", "", "export.scores"},
	} {
		request := fmt.Sprint("request-", i)
		a := r.do(t, identified(request, c.method, c.path, token, c.body))
		require.Less(t, a.status, 300, "%s: %s", c.path, a.body)
		require.Equal(t, 1, r.lines(t, id, request), c.path)
		require.Equal(t, 1, r.count(t, `SELECT count(*) FROM audit_log WHERE request_id = $1 AND action = $2`, request,
			c.action), c.path)
	}
	require.Zero(t, r.count(t, `SELECT count(*) FROM audit_log WHERE tenant_id = $1`, other))

	last := r.do(t, identified("last", http.MethodDelete, "/icp/rules/B", token, ""))
	requireProblem(t, last, http.StatusConflict, "LAST_RULE")
	require.Zero(t, r.count(t, `SELECT count(*) FROM audit_log
		WHERE request_id = 'last'`), "a rejected action has no line")
}

// A 304 is no download.
func TestAnUnchangedExportLeavesNoLine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.tenant(t, "Unchanged")
	r.lead(t, id, "LEAD", 0.5)
	token := r.token("tenant_id", id)
	for _, path := range exportPaths() {
		tag := r.get(t, path, token).header.Get("ETag")
		before := r.count(t, `SELECT count(*) FROM audit_log`)
		same := r.do(t, request{path: path, token: token, header: header("If-None-Match", tag)})
		require.Equal(t, http.StatusNotModified, same.status)
		require.Equal(t, before, r.count(t, `SELECT count(*) FROM audit_log`), path)
		require.Equal(t, http.StatusOK, r.do(t, request{path: path, token: token,
			header: header("If-None-Match", `"other"`)}).status)
		require.Equal(t, before+1, r.count(t, `SELECT count(*) FROM audit_log`), path)
	}
}

func TestARefusedClaimIsRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.tenant(t, "Suspended")
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
	for range 3 { // clients repeat rejected requests
		requireProblem(t, r.do(t, identified("suspended", "", "/whoami", r.token("tenant_id", id), "")),
			http.StatusForbidden, "TENANT_SUSPENDED")
		requireProblem(t, r.do(t, identified("invalid", "", "/whoami", r.token("tenant_id", 4711), "")),
			http.StatusForbidden, "TENANT_INVALID")
		requireProblem(t, r.do(t, identified("first", http.MethodPost, "/onboarding/first_login",
			r.token("tenant_id", 99999999999, "sub", "newcomer"), "")),
			http.StatusForbidden, "TENANT_INVALID")
	}
	require.Equal(t, 1, r.lines(t, id, "suspended"))
	require.Equal(t, 1, r.lines(t, 0, "invalid"))
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM audit_log WHERE request_id = 'first' AND actor = 'newcomer'
		AND action = 'claim.refuse' AND object = '99999999999'`))
}
