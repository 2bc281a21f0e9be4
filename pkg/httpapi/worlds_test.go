package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

// ask is one request of tenant 1. {own} stands for its number, {other} for another tenant's.
type ask struct {
	path   string
	body   string
	header http.Header
}

// everyRoute holds the requests for each route. A new route without an entry fails the test, because no answer may
// depend on other tenants.
func everyRoute() map[string][]ask {
	exports := []ask{{path: ""}, {path: "?limit=2"}, {path: "?limit=all"}, {path: "?bucket=high"},
		{path: "?industry=software&limit=all"}, {path: "?year=2010-2020"},
		{path: "?limit=0"}, {path: "?limit=10001"}, {path: "?bucket=best"},
		{path: "", header: header("If-None-Match", `"x"`)}, {path: "", header: header("If-None-Match", "*")},
		{path: "?limit=all", header: header("If-Modified-Since", "Thu, 01 Jan 2026 10:00:00 GMT")},
		{path: "", header: header("Accept-Encoding", "br")}}
	under := func(path string, list []ask) (out []ask) {
		for _, a := range list {
			a.path = path + a.path
			out = append(out, a)
		}
		return out
	}
	get := func(paths ...string) (out []ask) {
		for _, p := range paths {
			out = append(out, ask{path: p})
		}
		return out
	}
	return map[string][]ask{
		"GET /health": get("/health"), "GET /livez": get("/livez"), "GET /readyz": get("/readyz"),
		"GET /auth/login":                     get("/auth/login", "/auth/login?return_to=/x"),
		"GET /auth/callback":                  get("/auth/callback", "/auth/callback?code=x&state=y"),
		"POST /auth/refresh":                  get("/auth/refresh"),
		"POST /auth/exchange":                 {{path: "/auth/exchange", body: `{"id_token":"x"}`}},
		"POST /auth/logout":                   get("/auth/logout"),
		"POST /auth/login":                    {{path: "/auth/login", body: `{"email":"a","password":"b"}`}},
		"GET /odoo/userinfo":                  get("/odoo/userinfo"),
		"GET /protocol/openid-connect/logout": get("/protocol/openid-connect/logout"),
		"GET /info":                           get("/info"),
		"POST /onboarding/first_login":        get("/onboarding/first_login"),
		"GET /whoami":                         get("/whoami"),
		"GET /onboarding/status":              get("/onboarding/status"),
		"GET /onboarding/events":              get("/onboarding/events"),
		"GET /onboarding/verify_odoo":         get("/onboarding/verify_odoo"),
		"GET /session/odoo_info":              get("/session/odoo_info"),
		"GET /tenants/{id}": get("/tenants/{own}", "/tenants/{other}", "/tenants/3",
			"/tenants/999999"),
		"POST /tenants/{id}/odoo/api-key/rotate": get("/tenants/{other}/odoo/api-key/rotate",
			"/tenants/999999/odoo/api-key/rotate"),
		"POST /icp/rules": {{path: "/icp/rules", body: `{"name":"Same","payload":{"industries":["software"]}}`},
			{path: "/icp/rules", body: `{"name":"Theirs","payload":{}}`},
			{path: "/icp/rules", body: `{"payload":{"ssic_codes":["x"]}}`},
			{path: "/icp/rules", body: `{"tenant_id":2,"payload":{}}`}},
		"GET /icp/rules": get("/icp/rules"), "DELETE /icp/rules/{name}": get("/icp/rules/Theirs", "/icp/rules/Unknown",
			"/icp/rules/Theirs", "/icp/rules/1"),
		"POST /runs":     get("/runs"),
		"GET /runs/{id}": get("/runs/1", "/runs/2", "/runs/50", "/runs/x"),
		"GET /scores/latest": get("/scores/latest", "/scores/latest?limit=1",
			"/scores/latest?limit=1&afterScore=0.8&afterId=1", "/scores/latest?afterId=2",
			"/scores/latest?bucket=low", "/scores/latest?industry=Theirs", "/scores/latest?year=2015",
			"/scores/latest?limit=x"),
		"GET /candidates/latest": get("/candidates/latest", "/candidates/latest?limit=1",
			"/candidates/latest?industry=software",
			"/candidates/latest?afterUpdatedAt=2026-06-01T00:00:00Z&afterId=1", "/candidates/latest?afterId=x"),
		"GET /shortlist/status":            get("/shortlist/status"),
		"GET /export/latest_scores.json":   under("/export/latest_scores.json", exports),
		"GET /export/latest_scores.csv":    under("/export/latest_scores.csv", exports),
		"GET /export/latest_scores.ndjson": under("/export/latest_scores.ndjson", exports),
	}
}

// ours creates the rows of tenant 1, the same in both worlds, before those of the other tenants.
func (r *rig) ours(t *testing.T) tenantid.ID {
	t.Helper()
	id := r.tenant(t, "Ours")
	for i := range 3 {
		company := r.lead(t, id, fmt.Sprint("CNR-A-", i), 0.9-float64(i)/10)
		r.exec(t, `UPDATE companies SET industry_code = '62011', incorporation_year = $2 WHERE company_id = $1`,
			company, 2010+5*i)
	}
	r.exec(t, `INSERT INTO tenant_contacts (tenant_id, company_id, name, updated_at) 
		VALUES ($1, 1, 'Ada', '2026-01-01')`, id)
	r.exec(t, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload, created_at)
		VALUES ($1, 1, 'First', '{}', '2026-01-01')`, id)
	r.exec(t, `UPDATE lead_features SET updated_at = '2026-01-01' WHERE tenant_id = $1`, id)
	r.exec(t, `UPDATE onboarding_status SET created_at = '2026-01-01', updated_at = '2026-01-01' WHERE tenant_id = $1`,
		id)
	r.age(t, id)
	return id
}

// theirs creates the other tenants: almost empty, or if busy, with many rows and running work, one of them suspended.
func (r *rig) theirs(t *testing.T, busy bool) {
	t.Helper()
	other := r.tenant(t, "Theirs")
	require.Equal(t, tenantid.ID(2), other)
	if !busy {
		return
	}
	third := r.tenant(t, "CNR-B third")
	r.exec(t, `INSERT INTO companies (uen, name) SELECT 'B' || i, 'CNR-B company ' || i FROM generate_series(1, 500) i`)
	for _, id := range []tenantid.ID{other, third} {
		r.exec(t, `INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale)
			SELECT $1, company_id, 0.95, 'high', 'CNR-B' FROM companies`, id)
		r.exec(t, `INSERT INTO lead_features (tenant_id, company_id, features)
			SELECT $1, company_id, '{"rule_id": 1, "note": "CNR-B"}' FROM companies`, id)
		r.exec(t, `INSERT INTO tenant_contacts (tenant_id, company_id, name, phone)
			SELECT $1, company_id, 'CNR-B', 'CNR-B'
			FROM companies`, id)
		r.exec(t, `INSERT INTO tenant_emails (tenant_id, company_id, email, is_primary)
			SELECT $1, company_id, 'CNR-B@x.example', true FROM companies`, id)
		r.exec(t, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload)
			SELECT $1, i, CASE i WHEN 1 THEN 'Same' WHEN 2 THEN 'Theirs' ELSE 'CNR-B' || i END, '{}'
			FROM generate_series(1, 60) i`, id)
		r.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, status, error) SELECT $1::int, i, 'running', 'CNR-B'
			FROM generate_series(1, 60) i`, id)
		r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			VALUES ($1::int, 'ann@acme.example', $2, 'user-' || $1::int, '{admin}')`, id, r.URL)
		r.exec(t, `INSERT INTO audit_log (tenant_id, actor, action) VALUES ($1, 'CNR-B', 'CNR-B')`, id)
		r.exec(t, `UPDATE onboarding_status SET status = 'error', error = 'CNR-B' WHERE tenant_id = $1`, id)
		for range 3 {
			r.do(t, request{method: http.MethodPost, path: "/runs",
				token: r.token("tenant_id", id, "sub", "busy", "roles", []string{"ops"})})
		}
	}
	r.exec(t, `UPDATE tenants SET status = 'suspended', name = 'CNR-B' WHERE tenant_id = $1`, other)
	r.holdLocks(t, other)
	r.keepBusy(t, third)
}

// holdLocks opens a transaction that holds the tenant's rows and advisory locks until the test ends.
func (r *rig) holdLocks(t *testing.T, id tenantid.ID) {
	t.Helper()
	tx, err := r.db.Owner.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(t.Context()) })
	_, err = tx.Exec(t.Context(),
		`SELECT pg_advisory_xact_lock(class, $1) FROM generate_series(x'1ead01'::int, x'1ead03'::int) class`, int32(id))
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE lead_scores SET score = 0.1 WHERE tenant_id = $1`, int32(id))
	require.NoError(t, err)
}

// keepBusy requests exports for the tenant until the test ends.
func (r *rig) keepBusy(t *testing.T, id tenantid.ID) {
	t.Helper()
	token, stop := r.token("tenant_id", id, "sub", "busy"), make(chan struct{})
	var wait sync.WaitGroup
	t.Cleanup(func() {
		close(stop)
		wait.Wait()
	})
	wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				req, _ := http.NewRequest(http.MethodGet, r.web.URL+"/export/latest_scores.csv?limit=all", nil)
				req.Header.Set("Authorization", "Bearer "+token)
				if resp, err := r.web.Client().Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}
		}
	})
}

var (
	aTime   = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)
	aRandom = regexp.MustCompile(`(state|nonce|code_challenge)=[^&"]*`)
	anEvent = regexp.MustCompile(`(?m)^id: [0-9a-f]{24}$`) // a digest of a state with its time
)

// normal returns the text of an answer without the parts that differ in every request: request ids, times, secrets of a
// sign-in, addresses.
func (r *rig) normal(a answer) string {
	var out strings.Builder
	fmt.Fprintln(&out, a.status)
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		switch name {
		case "Date", "X-Request-Id", "Content-Length":
		case "Set-Cookie":
			for _, c := range a.header.Values(name) {
				fmt.Fprintln(&out, name, regexp.MustCompile(`=[^;]*`).ReplaceAllString(c, "="))
			}
		default:
			fmt.Fprintln(&out, name, a.header.Values(name))
		}
	}
	fmt.Fprintln(&out, a.trailer, a.body)
	text := aRandom.ReplaceAllString(aTime.ReplaceAllString(anonymous(out.String()), `"TIME"`), "$1=")
	text = anEvent.ReplaceAllString(text, "id: EVENT")
	return strings.NewReplacer(r.URL, "ISSUER", r.web.URL, "API").Replace(text)
}

// Two worlds are the same for tenant 1 and differ for the other tenants: each answer to tenant 1 is the same in both,
// byte for byte.
func TestTwoWorlds(t *testing.T) {
	t.Parallel()
	asked := everyRoute()
	worlds := []map[string]string{{}, {}}
	for i, busy := range []bool{false, true} {
		r := newRig(t)
		own := r.ours(t)
		require.Equal(t, tenantid.ID(1), own)
		r.theirs(t, busy)
		token := r.token("tenant_id", own, "sub", "user-1", "roles", []string{"admin"})
		for _, row := range httpapi.Routes() {
			name := row.Method + " " + row.Path
			require.NotEmpty(t, asked[name], "%s: add its requests to everyRoute", name)
			for n, a := range asked[name] {
				q := request{method: row.Method, path: strings.NewReplacer("{own}", "1", "{other}",
					"2").Replace(a.path), token: token, body: a.body, header: a.header}
				if a.body != "" {
					q.header = header("Content-Type", "application/json")
				}
				if row.Guard == web.Open {
					q.token = ""
				}
				got := r.normal(r.do(t, q))
				require.NotContains(t, got, "CNR-B", "%s %s", name, a.path)
				worlds[i][fmt.Sprintf("%s #%d %s %v", name, n, a.path, a.header)] = got
			}
		}
	}
	require.Equal(t, len(httpapi.Routes()), len(asked), "an entry without a route")
	for name, quiet := range worlds[0] {
		require.Equal(t, quiet, worlds[1][name], name)
	}
}
