package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/web"
)

func foreignIDs(t *testing.T, r *rig) {
	own, other := r.tenant(t, "B-046"), r.tenant(t, "B-046 other")
	mine := r.lead(t, own, "CNR-046-OWN", 0.5)
	theirs := r.lead(t, other, "CNR-046-OTHER", 0.7)
	token := r.token("tenant_id", own, "roles", []string{"admin"})

	missing := r.get(t, "/tenants/999999", token)
	requireProblem(t, missing, http.StatusNotFound, "not_found")
	for _, id := range []string{other.String(), "0", "-1", "x", "01", "+1", fmt.Sprint(" ", own),
		url.PathEscape("../" + own.String()), "1e0", "99999999999"} {
		a := r.get(t, "/tenants/"+url.PathEscape(id), token)
		require.Equal(t, http.StatusNotFound, a.status, id)
		require.Equal(t, anonymous(missing.body), anonymous(a.body), id)
	}
	require.Equal(t, http.StatusOK, r.get(t, "/tenants/"+own.String(), token).status)

	for _, cursor := range []string{fmt.Sprintf("afterScore=0.7&afterId=%d", theirs),
		fmt.Sprintf("afterScore=0.9&afterId=%d", mine), "afterScore=0.99&afterId=0"} {
		a := r.get(t, "/scores/latest?"+cursor, token)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NotContains(t, a.body, "CNR-046-OTHER")
		require.Contains(t, a.body, "CNR-046-OWN")
	}
	a := r.get(t, fmt.Sprintf("/candidates/latest?afterUpdatedAt=2999-01-01T00:00:00Z&afterId=%d", theirs), token)
	require.Contains(t, a.body, "CNR-046-OWN")
	require.NotContains(t, a.body, "CNR-046-OTHER")
}

// noConstraintSpeaks: two tenants may use the same rule name, and an answer never shows an error text of the database.
func noConstraintSpeaks(t *testing.T, r *rig) {
	own, other := r.tenant(t, "B-050"), r.tenant(t, "B-050 other")
	edit := func(id any, body string) answer {
		return r.post(t, "/icp/rules", r.token("tenant_id", id, "roles", []string{"ops"}), body)
	}
	require.Equal(t, http.StatusOK, edit(other, `{"name":"Same","payload":{"keywords":["theirs"]}}`).status)
	require.Equal(t, http.StatusOK, edit(own, `{"name":"Same","payload":{"keywords":["mine"]}}`).status)
	require.Equal(t, 1, r.count(t,
		`SELECT count(*) FROM icp_rules WHERE tenant_id = $1 AND payload::text LIKE '%theirs%'`, other))
	for _, payload := range []string{`{"keywords":["a\u0000b"]}`, `{"incorporation_year":{"min":1e400}}`, `[]`, `null`,
		`7`, `"x"`} {
		a := edit(own, `{"name":"Same","payload":`+payload+`}`)
		requireProblem(t, a, http.StatusBadRequest, "invalid")
		for _, word := range []string{"SQLSTATE", "constraint", "icp_rules", "jsonb", "DETAIL"} {
			require.NotContains(t, a.body, word)
		}
	}
}

func injections(t *testing.T, r *rig) {
	id := r.tenant(t, "B-064")
	r.lead(t, r.tenant(t, "B-064 other"), "CNR-064-OTHER", 0.7)
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	for _, value := range []string{"1; SELECT set_config('request.tenant_id','1',true)", "' OR '1'='1", "1 OR 1=1",
		`\'; RESET ROLE; --`, "$1", "1/**/UNION/**/SELECT", "%27", "all;--"} {
		q := url.QueryEscape(value)
		for _, path := range []string{"/scores/latest?limit=", "/scores/latest?afterScore=", "/scores/latest?afterId=",
			"/candidates/latest?limit=",
			"/candidates/latest?afterId=", "/candidates/latest?afterUpdatedAt=", "/export/latest_scores.json?limit=",
			"/export/latest_scores.csv?limit="} {
			requireProblem(t, r.get(t, path+q, token), http.StatusBadRequest, "invalid")
		}
		a := r.get(t, "/candidates/latest?industry="+q, token)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.JSONEq(t, `{"items":[],"nextCursor":null}`, a.body)
		for _, path := range []string{"/scores/latest?sort=", "/scores/latest?order=", "/icp/rules?offset="} {
			require.Equal(t, http.StatusOK, r.get(t, path+q, token).status,
				"an unknown parameter is ignored")
		}
	}
}

func massAssignment(t *testing.T, _ *rig) {
	r := newRig(t)
	id, other := r.tenant(t, "B-065"), r.tenant(t, "B-065 other")
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	before := r.state(t)
	for _, member := range []string{`"tenant_id":%d`, `"rule_id":%d`, `"roles":["admin"],"x":%d`, `"created_by":"%d"`,
		`"status":"%d"`, `"id":%d`} {
		body := `{"payload":{},` + fmt.Sprintf(member, other) + `}`
		requireProblem(t, r.post(t, "/icp/rules", token, body), http.StatusBadRequest, "invalid")
	}
	require.Equal(t, before, r.state(t))
	a := r.post(t, "/onboarding/first_login", token,
		fmt.Sprintf(`{"tenant_id":%d,"roles":["admin"],"status":"ready"}`, other))
	require.InDelta(t, int(id), a.object(t)["tenant_id"], 0)
	require.Equal(t, 0, r.count(t, `SELECT count(*) FROM tenant_users WHERE tenant_id = $1 OR 'admin' = ANY (roles)`,
		other))
}

func nothingIsCached(t *testing.T, r *rig) {
	id := r.tenant(t, "B-067")
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	for _, row := range guarded(web.Identity, web.Member) {
		for _, token := range []string{token, "", "bad", r.token("sub", "B-067", "email_verified", false)} {
			a := r.do(t, call(row, id, token))
			require.Equal(t, "no-store", a.header.Get("Cache-Control"), "%s %s %d", row.Method, row.Path, a.status)
			require.Contains(t, a.header.Values("Vary"), "Origin")
			if !strings.HasPrefix(row.Path, "/export/") { // exports support conditional requests
				require.Empty(t, a.header.Get("ETag")+a.header.Get("Last-Modified"))
			}
		}
	}
	require.Equal(t, "no-store", r.get(t, "/tenants/999999", token).header.Get("Cache-Control"))
}
