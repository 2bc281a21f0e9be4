package httpapi_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/web"
)

func exactTypes(t *testing.T, r *rig) {
	id := r.tenant(t, "C-033")
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	for _, row := range httpapi.Routes() {
		if isSignIn(row.Path) {
			continue // redirects and cookies: see TestBrowserSignIn
		}
		a := r.do(t, call(row, id, token))
		want := "application/json"
		if strings.Contains(row.Path, "odoo/") && a.status >= http.StatusBadRequest {
			want = "application/problem+json" // this rig has no Odoo
		}
		if row.Method == http.MethodDelete {
			want = "application/problem+json" // the only rule stays
		}
		if strings.HasSuffix(row.Path, ".csv") {
			want = "text/csv; charset=utf-8"
		}
		if strings.HasSuffix(row.Path, ".ndjson") {
			want = "application/x-ndjson"
		}
		if row.Path == eventsPath {
			want = "text/event-stream"
		}
		require.Equal(t, []string{want}, a.header.Values("Content-Type"), "%s %s", row.Method, row.Path)
		require.Equal(t, []string{"nosniff"}, a.header.Values("X-Content-Type-Options"))
		for _, accept := range []string{"text/html", "application/xml", "application/cbor", "*/*;q=garbage", "\xff"} {
			q := call(row, id, token)
			q.header = q.header.Clone()
			if q.header == nil {
				q.header = http.Header{}
			}
			q.header.Set("Accept", accept)
			require.Equal(t, []string{want}, r.do(t, q).header.Values("Content-Type"), "%s %s for %q", row.Method,
				row.Path, accept)
		}
	}
	for path, want := range map[string]string{"/docs": "text/html; charset=utf-8",
		"/docs/init.js": "text/javascript; charset=utf-8", "/docs/swagger-ui.css": "text/css; charset=utf-8",
		"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8", "/openapi.json": "application/json"} {
		a := r.get(t, path, "")
		require.Equal(t, want, a.header.Get("Content-Type"))
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	}
	page := r.get(t, "/docs", "")
	require.NotContains(t, page.body, "http://")
	require.NotContains(t, page.body, "https://")
	require.Contains(t, page.header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.NotContains(t, page.header.Get("Content-Security-Policy"), "script-src 'self' 'unsafe")
}

// rows reads a CSV export.
func rows(t *testing.T, a answer) [][]string {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	out, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	require.NoError(t, err)
	return out
}

func formulas(t *testing.T, r *rig) {
	id := r.tenant(t, "C-034")
	token := r.token("tenant_id", id)
	for i, start := range []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "|x", "%x", "＝x", "＋x", "－x", "＠x",
		"  =x", `"=x`, "\ufeff=x"} {
		company := r.lead(t, id, fmt.Sprint("CNR-034-", i), float64(100-i)/1000)
		r.exec(t, `UPDATE lead_scores SET rationale = $1 WHERE company_id = $2`, start, company)
	}
	negative := r.lead(t, id, "CNR-034-NEGATIVE", -5)
	r.exec(t, `UPDATE lead_scores SET rationale = 'plain' WHERE company_id = $1`, negative)
	table := rows(t, r.get(t, "/export/latest_scores.csv", token))
	require.Len(t, table, 18)
	for _, row := range table[1:17] {
		require.True(t, strings.HasPrefix(row[7], "'"), "%q", row[7])
	}
	require.Equal(t, "-5", table[17][5], "a number stays a number")
	require.Equal(t, "plain", table[17][7])
}

func csvIsExact(t *testing.T, r *rig) {
	id := r.tenant(t, "C-035")
	token := r.token("tenant_id", id)
	columns := []string{"company_id", "name", "website_domain", "industry_norm", "employees_est", "score", "bucket",
		"rationale", "primary_email",
		"contact_name", "contact_title", "contact_linkedin", "contact_phone",
		"crm_outcome", "crm_lost_reason"}
	empty := r.get(t, "/export/latest_scores.csv", token)
	require.Equal(t, strings.Join(columns, ",")+"\r\n", empty.body, "an empty export has the header row")
	require.Equal(t, "0", empty.trailer.Get("X-Row-Count"))

	texts := []string{`say "hi", he`, "a\r\nb", "a\nb", "x,y;z\t|", "日本語 Ünïcödé 👩‍👩‍👧", `\`, ``}
	for i, text := range texts {
		company := r.lead(t, id, fmt.Sprint("CNR-035-", i), float64(100-i)/1000)
		r.exec(t, `UPDATE lead_scores SET rationale = $1 WHERE company_id = $2`, text, company)
	}
	a := r.get(t, "/export/latest_scores.csv", token)
	require.Equal(t, fmt.Sprint(len(texts)), a.trailer.Get("X-Row-Count"))
	table := rows(t, a)
	require.Equal(t, columns, table[0])
	for i, text := range texts {
		require.Equal(t, strings.ReplaceAll(text, "\r\n", "\n"), table[i+1][7]) // encoding/csv reads a line break as \n
		require.Empty(t, table[i+1][9], "unknown is empty")
	}
	require.Contains(t, a.body, "a\r\nb", "the field keeps its line break")
}

func safeFileName(t *testing.T, r *rig) {
	id := r.tenant(t, "x\"; filename=evil.html ü")
	a := r.get(t, "/export/latest_scores.csv", r.token("tenant_id", id))
	require.Equal(t, []string{`attachment; filename="latest_scores.csv"`}, a.header.Values("Content-Disposition"))
	require.Empty(t, a.header.Values("Set-Cookie"))
	a = r.get(t, "/export/latest_scores.json", r.token("tenant_id", id))
	require.Equal(t, []string{`attachment; filename="latest_scores.json"`}, a.header.Values("Content-Disposition"))
}

func equalExports(t *testing.T, r *rig) {
	id := r.tenant(t, "C-038")
	token := r.token("tenant_id", id)
	r.exec(t, `WITH c AS (INSERT INTO companies (uen, name) SELECT 'CNR-038-' || i, 'Company ' || i
		FROM generate_series(1, 10000) i RETURNING company_id)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, source) SELECT $1, company_id,
		CASE company_id % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN NULL
			ELSE (company_id % 97) / 97.0 END, 'low', 'other' FROM c`, id)
	a := r.get(t, "/export/latest_scores.json?limit=all", token)
	var leads []struct {
		CompanyID int      `json:"company_id"`
		Score     *float64 `json:"score"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &leads))
	table := rows(t, r.get(t, "/export/latest_scores.csv?limit=all", token))[1:]
	require.Len(t, leads, 10_000)
	require.Len(t, table, 10_000)
	for i, lead := range leads {
		require.Equal(t, fmt.Sprint(lead.CompanyID), table[i][0])
		if lead.Score == nil {
			require.Empty(t, table[i][5], "a score that is not a number is unknown")
		} else {
			require.NotEmpty(t, table[i][5])
		}
		if i > 0 && lead.Score != nil {
			require.NotNil(t, leads[i-1].Score)
			require.LessOrEqual(t, *lead.Score, *leads[i-1].Score, "best first, unknown last")
		}
	}
	seen := map[int]bool{}
	cursor := ""
	for cursor != "end" {
		var page struct {
			Items []struct {
				CompanyID int `json:"company_id"`
			} `json:"items"`
			NextCursor *struct {
				AfterScore *json.Number `json:"afterScore"`
				AfterID    int          `json:"afterId"`
			} `json:"nextCursor"`
		}
		require.NoError(t, json.Unmarshal([]byte(r.get(t, "/scores/latest?limit=3000"+cursor, token).body), &page))
		for _, item := range page.Items {
			require.False(t, seen[item.CompanyID])
			seen[item.CompanyID] = true
		}
		cursor = "end"
		if next := page.NextCursor; next != nil {
			cursor = fmt.Sprint("&afterId=", next.AfterID)
			if next.AfterScore != nil {
				cursor += "&afterScore=" + next.AfterScore.String()
			}
		}
	}
	require.Len(t, seen, 10_000, "paging gives the same set")
}

func healthSaysLittle(t *testing.T, _ *rig) {
	r := newRig(t, func(s *setup) {
		s.deps.DB = dead(t)
		s.deps.Health = func(context.Context) error { return errors.New("postgres://u:CANARY@db/x is down") }
	})
	for _, path := range []string{"/health", "/livez"} {
		a := r.get(t, path, "")
		require.Equal(t, http.StatusOK, a.status, "alive without a database")
		require.JSONEq(t, `{"ok":true}`, a.body)
	}
	a := r.get(t, "/readyz", "")
	p := requireProblem(t, a, http.StatusServiceUnavailable, "unavailable")
	require.Equal(t, "not ready", p["detail"])
	require.NotContains(t, a.body+fmt.Sprint(a.header), "CANARY")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.NotContains(t, a.body+fmt.Sprint(a.header), "test", "no version")
}

func logInjection(t *testing.T, _ *rig) {
	r := newRig(t)
	evil := "x\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\x1b[31m"
	token := r.token("tenant_id", r.tenant(t, "C-045"), "sub", "sub\u2028{\"msg\":\"forged\"}", "email", "a@b.c")
	r.get(t, "/"+url.PathEscape(evil)+strings.Repeat("a", 7000), token)
	r.get(t, "/whoami?"+url.QueryEscape(evil), token)
	for _, h := range []http.Header{
		header("User-Agent", strings.Repeat("u", 20_000)), header("Referer", `"}{"msg":"forged"`),
		header("X-Request-Id", strings.Repeat("a", 65)),
		header("X-Request-Id", `a","msg":"forged`), header("X-Request-Id", "a b"),
		header("Authorization", "Bearer \x1b[31mforged"),
	} {
		a := r.do(t, request{path: "/whoami", token: token, header: h})
		require.Regexp(t, `^[A-Z2-7]{26}$`, a.header.Get("X-Request-Id"), "must not be the caller's")
	}
	good := r.do(t, request{path: "/whoami", token: token, header: header("X-Request-Id", "Abc-123")})
	require.Equal(t, "Abc-123", good.header.Get("X-Request-Id"))
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	require.Greater(t, len(lines), 8)
	for _, line := range lines {
		var entry map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
		require.NotEqual(t, "forged", entry["msg"])
		require.Less(t, len(line), 4096)
		require.NotContains(t, line, "\x1b")
	}
}

func nothingReflected(t *testing.T, r *rig) {
	id := r.tenant(t, "C-046")
	token := r.token("tenant_id", id, "roles", []string{"admin"}, "sub", "CNRREFLECT", "email", "cnrreflect@x.example")
	h := header("X-Anything", "CNRREFLECT", "Origin", "https://cnrreflect.example", "Accept-Language", "CNRREFLECT", "Referer", "https://cnrreflect.example/",
		"X-Forwarded-Host", "cnrreflect.example", "Host", "cnrreflect.example", "Range", "bytes=CNRREFLECT",
		"If-None-Match", "CNRREFLECT", "Content-Language", "CNRREFLECT")
	for _, row := range httpapi.Routes() {
		q := call(row, id, token)
		q.path += "?CNRREFLECT=CNRREFLECT"
		q.header = h.Clone()
		q.header.Set("Content-Type", "application/json")
		if row.Method == http.MethodPost {
			q.header.Del("Origin")
		}
		a := r.do(t, q)
		require.NotContains(t, strings.ToUpper(fmt.Sprint(a.header)), "CNRREFLECT", "%s %s", row.Method, row.Path)
	}
	for _, path := range []string{"/CNRREFLECT", "//CNRREFLECT/../health", "/health/../CNRREFLECT",
		"/CNRREFLECT%0d%0aX-Evil:%201", "/whoami/"} {
		a := r.do(t, request{path: path, header: h})
		require.NotContains(t, strings.ToUpper(fmt.Sprint(a.header)+a.body), "CNRREFLECT", path)
		require.Empty(t, a.header.Get("Location"))
	}
}

// openRoutes is the reviewed list of routes without authentication, each with the reason.
func openRoutes(t *testing.T, _ *rig) {
	var open []string
	for _, row := range guarded(web.Open) {
		open = append(open, row.Method+" "+row.Path)
	}
	require.ElementsMatch(t, []string{
		"GET /health", // reports only that the process answers
		"GET /livez",  // the same, under the name that orchestrators use
		"GET /readyz", // reports yes or no without a reason

		"GET /auth/login",     // begins a sign-in: the caller has no token yet
		"GET /auth/callback",  // requires the state and the cookie of the browser that began the sign-in
		"POST /auth/refresh",  // requires the refresh cookie
		"POST /auth/exchange", // requires an ID token in the body
		"POST /auth/logout",   // ends only the session of the cookies

		"POST /auth/login",                    // says where to sign in
		"GET /protocol/openid-connect/logout", // ends only the session of the cookies

		"GET /odoo/userinfo", // requires the token that Odoo's server asks about
	}, open)
	r := newRig(t, func(s *setup) { s.deps.DB = dead(t) })
	for _, path := range []string{"/openapi.json", "/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js",
		"/docs/init.js"} {
		require.Equal(t, http.StatusOK, r.get(t, path, "").status, path) // no tenant's data
	}
}

func conditionalHeaders(t *testing.T, r *rig) {
	id, token := r.editor(t, "C-054")
	r.lead(t, id, "CNR-054", 0.5)
	want := r.get(t, "/export/latest_scores.json", token)
	for _, h := range []http.Header{header("Range", "bytes=0-1"), header("Range", "bytes=9-1,x"),
		header("If-None-Match", `"x"`), header("If-Match", `"x"`),
		header("If-Modified-Since", "Mon, 01 Jan 2999 00:00:00 GMT"), header("Accept", "garbage"),
		header("Accept", strings.Repeat("a/b,", 1000)), header("TE", "trailers")} {
		a := r.do(t, request{path: "/export/latest_scores.json", token: token, header: h})
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, want.body, a.body)
	}
	require.Equal(t, http.StatusNotModified, r.do(t,
		request{path: "/export/latest_scores.json", token: token, header: header("If-None-Match", "*")}).status)
	for _, row := range guarded(web.Identity, web.Member) {
		if row.Method != http.MethodPost {
			continue
		}
		conn := r.dial(t) // the body is never sent: an answer proves that the server did not wait for it
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+
			"99999999999\r\nExpect: 100-continue\r\n\r\n", row.Path)
		requireClosed(t, conn, http.StatusUnauthorized)
	}
	conn := r.dial(t)
	fmt.Fprintf(conn, "POST /icp/rules HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: something\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusExpectationFailed, resp.StatusCode)
}
