package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

// shape returns a JSON value with every leaf replaced by the name of its type.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = shape(member)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, shape(e))
		}
		return out
	case nil:
		return "null"
	case json.Number:
		return "number"
	case bool:
		return "bool"
	}
	return "text"
}

// requireShape requires exactly these members with these types.
func requireShape(t *testing.T, a answer, status int, want string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	var v any
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v))
	got, err := json.Marshal(shape(v))
	require.NoError(t, err)
	require.JSONEq(t, want, string(got), a.body)
}

// The members that existing clients read. A change here breaks them.
func TestContract(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ready := r.tenant(t, "Ready")
	r.lead(t, ready, "CNR-READY", 0.75)
	working := r.tenant(t, "Working")
	r.exec(t, `UPDATE onboarding_status SET status = 'provisioning', step = 'odoo_database' WHERE tenant_id = $1`,
		working)
	r.exec(t, `DELETE FROM odoo_connections WHERE tenant_id = $1`, working)
	failed := r.tenant(t, "Failed")
	r.exec(t, `UPDATE onboarding_status SET status = 'error', step = 'odoo_user', error = 'Odoo says no'
		WHERE tenant_id = $1`, failed)
	fresh := r.tenant(t, "Fresh")
	r.exec(t, `DELETE FROM onboarding_status WHERE tenant_id = $1`, fresh)
	r.exec(t, `DELETE FROM odoo_connections WHERE tenant_id = $1`, fresh)
	as := func(id tenantid.ID) string { return r.token("tenant_id", id, "roles", []string{"ops"}) }

	t.Run("health", func(t *testing.T) {
		requireShape(t, r.get(t, "/health", ""), 200, `{"ok":"bool"}`)
	})
	t.Run("info", func(t *testing.T) {
		a := r.get(t, "/info", as(ready))
		requireShape(t, a, 200,
			`{"ok":"bool","checkpoint_enabled":"bool","auth":{"dev_bypass":"bool","issuer":"text","audience":"text"}}`)
		require.Equal(t, map[string]any{"dev_bypass": false, "issuer": r.URL, "audience": audience},
			a.object(t)["auth"])
	})
	t.Run("whoami", func(t *testing.T) {
		a := r.get(t, "/whoami", as(ready))
		requireShape(t, a, 200, `{"sub":"text","email":"text","tenant_id":"number","roles":["text"]}`)
		require.JSONEq(t, fmt.Sprintf(`{"sub":"user-1","email":"ann@acme.example","tenant_id":%d,"roles":["ops"]}`,
			ready), a.body)
	})
	t.Run("odoo_info", func(t *testing.T) {
		const whole = `{"email":"text","tenant_id":"number","odoo":{"db_name":"text","base_url":"text","ready":"bool",
			"error":"null","login_url":"text"}}`
		a := r.get(t, "/session/odoo_info", as(ready))
		requireShape(t, a, 200, whole)
		require.Equal(t, map[string]any{"db_name": fmt.Sprint("leadctl_", ready), "base_url": "https://odoo.example", "ready": true, "error": nil,
			"login_url": fmt.Sprint("https://odoo.example/web/login?db=leadctl_", ready)}, a.object(t)["odoo"])
		require.NotContains(t, a.body, "CANARY-SECRET")
		for _, id := range []tenantid.ID{working, fresh} {
			a = r.get(t, "/session/odoo_info", as(id))
			requireShape(t, a, 200, whole)
			require.Equal(t, map[string]any{"db_name": "", "base_url": "", "ready": false, "error": nil,
				"login_url": ""}, a.object(t)["odoo"])
		}
		a = r.get(t, "/session/odoo_info", as(failed))
		requireShape(t, a, 200, strings.Replace(whole, `"null"`, `"text"`, 1))
		require.Equal(t, false, a.object(t)["odoo"].(map[string]any)["ready"],
			"the connection is active, the onboarding is not")
	})
	t.Run("onboarding status", func(t *testing.T) {
		requireShape(t, r.get(t, "/onboarding/status", as(working)), 200,
			`{"tenant_id":"number","status":"text","step":"text","error":"null"}`)
		requireShape(t, r.get(t, "/tenants/"+working.String(), as(working)), 200,
			`{"tenant_id":"number","status":"text","step":"text","error":"null"}`)
		a := r.get(t, "/onboarding/status", as(failed))
		require.JSONEq(t, fmt.Sprintf(`{"tenant_id":%d,"status":"error","step":"odoo_user","error":"Odoo says no"}`,
			failed), a.body)
		requireProblem(t, r.get(t, "/onboarding/status", as(fresh)), http.StatusNotFound, "not_found")
		requireProblem(t, r.get(t, "/tenants/"+ready.String(), as(working)), http.StatusNotFound, "not_found")
	})
	t.Run("verify_odoo", func(t *testing.T) {
		for id, want := range map[tenantid.ID]string{
			ready:   `{"tenant_id":%d,"exists":true,"smoke":true,"ready":true,"error":null}`,
			working: `{"tenant_id":%d,"exists":false,"smoke":false,"ready":false,"error":null}`,
			fresh:   `{"tenant_id":%d,"exists":false,"smoke":false,"ready":false,"error":null}`,
			failed:  `{"tenant_id":%d,"exists":true,"smoke":true,"ready":false,"error":"Odoo says no"}`,
		} {
			a := r.get(t, "/onboarding/verify_odoo", as(id))
			require.Equal(t, 200, a.status, a.body)
			require.JSONEq(t, fmt.Sprintf(want, id), a.body)
		}
	})
	t.Run("exports", func(t *testing.T) {
		const lead = `{"company_id":"number","name":"text","website_domain":"text","industry_norm":"text",
			"employees_est":"number","score":"number","bucket":"text",
			"rationale":"text","primary_email":"text","contact_name":"null","contact_title":"null",
			"contact_linkedin":"null","contact_phone":"null"}`
		exported := strings.TrimSuffix(lead, "}") + `,"crm_outcome":"null","crm_lost_reason":"null"}`
		requireShape(t, r.get(t, "/export/latest_scores.json?limit=5", as(ready)), 200, "["+exported+"]")
		require.JSONEq(t, `[]`, r.get(t, "/export/latest_scores.json", as(working)).body)
		requireShape(t, r.get(t, "/scores/latest", as(ready)), 200, `{"items":[`+lead+`],"nextCursor":"null"}`)
		require.JSONEq(t, `{"items":[],"nextCursor":null}`, r.get(t, "/scores/latest", as(working)).body)
		table := rows(t, r.get(t, "/export/latest_scores.csv", as(ready)))
		require.Equal(t, []string{"CNR-READY", "acme.example", "software", "12", "0.75", "high", "CNR-READY",
			"CNR-READY@x.example"}, table[1][1:9])
		r.lead(t, ready, "CNR-SECOND", 0.5)
		requireShape(t, r.get(t, "/scores/latest?limit=1", as(ready)), 200,
			`{"items":[`+lead+`],"nextCursor":{"afterScore":"number","afterId":"number"}}`)
	})
	t.Run("candidates", func(t *testing.T) {
		a := r.get(t, "/candidates/latest?limit=1", as(ready))
		requireShape(t, a, 200, `{"items":[{"company_id":"number","name":"text","industry_norm":"text",
			"website_domain":"text","last_seen":"null"}],
			"nextCursor":{"afterUpdatedAt":"text","afterId":"number"}}`)
		require.JSONEq(t, `{"items":[],"nextCursor":null}`,
			r.get(t, "/candidates/latest?industry=software", as(working)).body)
	})
	t.Run("shortlist", func(t *testing.T) {
		requireShape(t, r.get(t, "/shortlist/status", as(working)), 200, `{"tenant_id":"number","total_scored":"number",
			"last_refreshed_at":"null","last_run_id":"null",
			"last_run_status":"null","last_run_started_at":"null","last_run_ended_at":"null"}`)
		r.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, status, started_at, ended_at)
			VALUES ($1, 1, 'done', now(), now())`, ready)
		requireShape(t, r.get(t, "/shortlist/status", as(ready)), 200, `{"tenant_id":"number","total_scored":"number",
			"last_refreshed_at":"text","last_run_id":"number",
			"last_run_status":"text","last_run_started_at":"text","last_run_ended_at":"text"}`)
	})
	t.Run("rules", func(t *testing.T) {
		require.JSONEq(t, `[]`, r.get(t, "/icp/rules", as(working)).body)
		require.JSONEq(t, `{"ok":true}`, r.post(t, "/icp/rules", as(ready),
			`{"name":"First","payload":{"industries":["software"]}}`).body)
		require.JSONEq(t, `{"ok":true}`, r.post(t, "/icp/rules", as(ready),
			`{"payload":{"exact":9007199254740993}}`).body)
		a := r.get(t, "/icp/rules", as(ready))
		requireShape(t, a, 200, `[{"rule_id":"number","tenant_id":"number","name":"text","payload":{"exact":"number"},
			"created_at":"text"},
			{"rule_id":"number","tenant_id":"number","name":"text","payload":{"industries":["text"]},
			"created_at":"text"}]`)
		require.Contains(t, a.body, "9007199254740993", "numbers keep their digits")
		requireProblem(t, r.post(t, "/icp/rules", r.token("tenant_id", ready), `{"payload":{}}`), http.StatusForbidden,
			"INSUFFICIENT_ROLE")
		for _, payload := range []string{`[]`, `"x"`, `null`, `1`} {
			requireProblem(t, r.post(t, "/icp/rules", as(ready), `{"payload":`+payload+`}`), http.StatusBadRequest,
				"invalid")
		}
	})
}

// Clients send the first sign-in without a body, with an empty text/plain body, or with a malformed one.
func TestFirstLoginTakesWhateverBody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, q := range []request{
		{}, {header: header("Content-Type", "text/plain")},
		{header: header("Content-Type", "text/plain;charset=UTF-8"), body: "x"},
		{header: header("Content-Type", "application/json"), body: "{}"},
		{header: header("Content-Type", "application/json"), body: "{"}, {header: header("X-Tenant-ID", "1")},
	} {
		q.method, q.path, q.token = http.MethodPost, "/onboarding/first_login",
			r.token("sub", fmt.Sprint("first-", i), "email", fmt.Sprintf("first-%d@acme.example", i))
		a := r.do(t, q)
		requireShape(t, a, http.StatusAccepted, `{"status":"text","tenant_id":"number","error":"null"}`)
		require.Equal(t, "provisioning", a.object(t)["status"])
		again := r.do(t, q)
		require.Equal(t, a.object(t), again.object(t), "the running job is joined")
	}
	require.Equal(t, 6, r.count(t, `SELECT count(*) FROM tenants`))
	require.Equal(t, 6, r.count(t, `SELECT count(*) FROM river.river_job`))
	id := r.tenant(t, "Ready")
	ready := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		token: r.token("tenant_id", id, "sub", "first-ready")})
	require.Equal(t, http.StatusOK, ready.status)
	require.Equal(t, "ready", ready.object(t)["status"])
	requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		token: r.token("sub", "x", "email_verified", false)}), http.StatusForbidden, "EMAIL_NOT_VERIFIED")
	requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login"}),
		http.StatusUnauthorized, "unauthenticated")
}

// The way of the chat UI: cross-origin with the cookie, a tenant from its local storage, and through its own proxy.
func TestABrowserWithACookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.tenant(t, "Browser")
	token := r.token("tenant_id", id)
	direct := r.do(t, request{path: "/session/odoo_info",
		header: header("Cookie", cookie+"="+token, "Origin", uiOrigin, "X-Tenant-ID", "999", "Accept-Encoding",
			"gzip, br")})
	require.Equal(t, http.StatusOK, direct.status, direct.body)
	require.Equal(t, uiOrigin, direct.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", direct.header.Get("Access-Control-Allow-Credentials"))
	require.Empty(t, direct.header.Get("Content-Encoding"), "its proxy breaks gzip")
	require.InDelta(t, int(id), direct.object(t)["tenant_id"], 0)
	proxied := r.do(t, request{path: "/session/odoo_info",
		header: header("Cookie", cookie+"="+token, "X-Tenant-ID", "999", "Content-Type", "application/json")})
	require.Equal(t, direct.body, proxied.body)
	for _, path := range []string{"/onboarding/status", "/session/odoo_info", "/whoami"} {
		for range 100 {
			require.Equal(t, http.StatusOK, r.do(t,
				request{path: path, header: header("Cookie", cookie+"="+token)}).status, "polling is never refused")
		}
	}
}

// Whatever goes wrong, existing clients show detail, so it is a text.
func TestEveryDetailIsAText(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.editor(t, "Details")
	for _, a := range []answer{
		r.get(t, "/nowhere", ""), r.get(t, "/whoami", ""), r.get(t, "/whoami", "bad"), r.get(t, "/whoami", r.token()),
		r.get(t, "/tenants/999", token),
		r.get(t, "/scores/latest?limit=x&limit=y&afterId=%00", token),
		r.post(t, "/icp/rules", token, `{"name":[],"payload":3,"x":{}}`), r.post(t, "/icp/rules", token, `[`),
		r.do(t, request{method: http.MethodPost, path: "/icp/rules", token: token}),
		r.do(t, request{method: http.MethodPut, path: "/whoami"}),
		r.post(t, "/icp/rules", r.token("tenant_id", id), `{}`), r.get(t, "/"+strings.Repeat("a", 9000), ""),
	} {
		require.GreaterOrEqual(t, a.status, 400)
		requireProblem(t, a, a.status, a.object(t)["code"].(string))
	}
}

func TestDeletingARule(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, token := r.editor(t, "Deleting")
	for _, name := range []string{"Keep", "Go / away?", "Ärger"} {
		require.Equal(t, http.StatusOK, r.post(t, "/icp/rules", token,
			`{"name":"`+name+`","payload":{"keywords":["x"]}}`).status)
	}
	remove := func(path, token string) answer {
		return r.do(t, request{method: http.MethodDelete, path: "/icp/rules/" + path, token: token})
	}
	requireProblem(t, remove("Keep", r.token("tenant_id", id)), http.StatusForbidden, "INSUFFICIENT_ROLE")
	_, stranger := r.editor(t, "Stranger")
	theirs, none := remove("Keep", stranger), remove("Nothing", stranger)
	requireProblem(t, theirs, http.StatusNotFound, "not_found")
	requireProblem(t, none, http.StatusNotFound, "not_found")
	for _, name := range []string{"Go%20%2F%20away%3F", "%C3%84rger"} {
		a := remove(name, token)
		require.Equal(t, http.StatusNoContent, a.status, a.body)
		require.Empty(t, a.body)
	}
	requireProblem(t, remove("%C3%84rger", token), http.StatusNotFound, "not_found")
	problem := requireProblem(t, remove("Keep", token), http.StatusConflict, "LAST_RULE")
	require.NotEmpty(t, problem["hint"])
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM icp_rules WHERE tenant_id = $1 AND name = 'Keep'`, id))
	require.Equal(t, 2, r.count(t,
		`SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND action = 'icp.delete' AND request_id <> ''`, id))
}
