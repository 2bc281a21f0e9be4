package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/websession"
)

// TestCasesOfSessions runs the acceptance cases with signed-in browsers, by their ids.
func TestCasesOfSessions(t *testing.T) {
	t.Parallel()
	for id, run := range map[string]func(*testing.T){
		"A-140": otherSignatureAtEveryDoor, "A-143": tokensBeforeARefresh, "A-151": bypassHelpsNoBadCookie,
		"C-062": signInUnderAnotherName, "C-063": readableHeaders, "C-065": loopsCostNothing, "C-066": lastWaits,
		"C-068": plantedCookies, "C-069": onlyPagesToReturnTo,
		"A-134": nothingSecretStays, "A-135": pagesSeeNoToken, "C-022": whichCredentialOpensWhat,
		"C-023": cookieAttributes,
		"C-025": damagedCookies, "C-026": signedOutEverywhere,
		"B-081": signedOutStream, "C-029": addressesAreConfigured, "CSRF": foreignPages,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			run(t)
		})
	}
}

// ownCookie is the cookie that only the API's own host can set.
const ownCookie = "__Host-leadctl_session"

// browser holds the cookies of a signed-in browser.
type browser struct{ login, access, refresh, own *http.Cookie }

func (b browser) cookies() http.Header { return cookieHeader(b.access, b.refresh, b.own) }

// signIn signs alice in at the provider and passes every answer to seen.
func signIn(t *testing.T, r *rig, issuer string, seen func(answer)) browser {
	t.Helper()
	begin := r.get(t, "/auth/login", "")
	var b browser
	for _, c := range cookiesOf(begin) {
		b.login = c
	}
	done := r.do(t, request{path: pick(t, issuer, begin.header.Get("Location")), header: cookieHeader(b.login)})
	require.Equal(t, http.StatusFound, done.status, done.body)
	b.access, b.refresh = cookiesOf(done)[cookie], cookiesOf(done)["nx_refresh"]
	b.own = cookiesOf(done)[ownCookie]
	seen(begin)
	seen(done)
	return b
}

func ignoreAnswer(answer) {}

// nothingSecretStays searches answers, log, metrics and database for secrets of the browser and the provider.
func nothingSecretStays(t *testing.T) {
	registry := prometheus.NewRegistry()
	r, provider, issuer := signInRig(t, func(s *setup) { s.asks.Metrics = registry })
	var said strings.Builder
	var secrets []string
	note := func(a answer) {
		said.WriteString(a.body)
		for name, values := range a.header {
			if name != "Set-Cookie" && name != "Location" {
				said.WriteString(strings.Join(values, " "))
			}
		}
		if to, err := url.Parse(a.header.Get("Location")); err == nil && to.Query().Get("state") != "" {
			secrets = append(secrets, to.Query().Get("state"))
		}
	}
	b := signIn(t, r, issuer, note)
	secrets = append(secrets, b.login.Value, b.access.Value, b.refresh.Value, "s3cret")
	bearer, err := provider.IssueToken(t.Context(), "alice", "console")
	require.NoError(t, err)
	for _, row := range httpapi.Routes() {
		if row.Path == "/onboarding/events" || row.Path == "/auth/logout" {
			continue
		}
		q := call(row, 1, "")
		q.header = b.cookies()
		q.header.Set("Content-Type", "application/json")
		note(r.do(t, q))
		q.header = header("Content-Type", "application/json")
		q.token = bearer
		note(r.do(t, q))
		note(r.do(t, request{path: "/auth/callback?code=" + b.refresh.Value + "&state=" + b.access.Value,
			header: b.cookies()}))
	}
	note(r.do(t, request{method: http.MethodPost, path: "/auth/exchange",
		body: `{"id_token":"` + b.access.Value + `x"}`, header: header("Content-Type", "application/json")}))
	ended := r.do(t, request{method: http.MethodPost, path: "/auth/logout", header: b.cookies()})
	require.Contains(t, ended.header.Get("X-End-Session-Url"), "id_token_hint="+b.access.Value,
		"the only place with a token: it is signed out, and the provider requires it")
	said.WriteString(ended.body)

	places := map[string]string{"answers": said.String(), "log": r.log.String(), "metrics": gathered(t, registry),
		"database": r.dump(t)}
	for place, text := range places {
		require.NotEmpty(t, text, place)
		require.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, text, place)
		for _, s := range secrets {
			if s != "" {
				require.NotContains(t, text, s, place)
			}
		}
	}
}

func gathered(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	var out bytes.Buffer
	for _, f := range families {
		require.NoError(t, json.NewEncoder(&out).Encode(f))
	}
	return out.String()
}

// dump returns every row of every table.
func (r *rig) dump(t *testing.T) string {
	t.Helper()
	rows, err := r.db.Owner.Query(t.Context(), `SELECT format('%I.%I', table_schema, table_name)
		FROM information_schema.tables
		WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.Contains(t, tables, "public.sessions")
	var all strings.Builder
	for _, name := range tables {
		var part *string
		require.NoError(t, r.db.Owner.QueryRow(t.Context(),
			`SELECT string_agg(x::text, ' ') FROM `+name+` x`).Scan(&part))
		if part != nil {
			all.WriteString(*part)
		}
	}
	return all.String()
}

// pagesSeeNoToken: a script in a page can read documents, answers, and cookies that are not HttpOnly. The live test
// checks the storage of a real browser.
func pagesSeeNoToken(t *testing.T) {
	r, _, issuer := signInRig(t)
	b := signIn(t, r, issuer, func(a answer) {
		for _, c := range cookiesOf(a) {
			require.True(t, c.HttpOnly, c.Name)
		}
	})
	r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login", header: b.cookies()})
	paths := []string{"/docs", "/openapi.json", "/"}
	for _, row := range httpapi.Routes() {
		if row.Method == http.MethodGet && row.Path != "/onboarding/events" && !isSignIn(row.Path) {
			paths = append(paths, call(row, 1, "").path)
		}
	}
	for _, path := range paths {
		a := r.do(t, request{path: path, header: b.cookies()})
		require.NotContains(t, a.body, b.access.Value, path)
		require.NotContains(t, a.body, b.refresh.Value, path)
		require.NotContains(t, a.body, "CANARY-SECRET", path)
		require.Empty(t, cookiesOf(a), path)
	}
}

// whichCredentialOpensWhat: the API accepts a token in the header or in its cookie, but not two different tokens. The
// session routes accept cookies only. No credential replaces another kind.
func whichCredentialOpensWhat(t *testing.T) {
	r, provider, issuer := signInRig(t)
	b := signIn(t, r, issuer, ignoreAnswer)
	require.Equal(t, http.StatusAccepted, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		header: b.cookies()}).status)
	other, err := provider.IssueToken(t.Context(), "alice", "console")
	require.NoError(t, err)
	for _, row := range guarded(web.Identity, web.Member) {
		if row.Path == "/onboarding/events" {
			continue // an answer without end
		}
		ask := func(token string, cookies ...*http.Cookie) int {
			q := call(row, 1, token)
			if q.header == nil {
				q.header = http.Header{}
			}
			if len(cookies) > 0 {
				q.header.Set("Cookie", cookieHeader(cookies...).Get("Cookie"))
			}
			return r.do(t, q).status
		}
		handle := *b.refresh
		handle.Name = cookie
		require.NotEqual(t, http.StatusUnauthorized, ask("", b.access, b.own), row.Path)
		require.Equal(t, http.StatusUnauthorized, ask("", b.access), row.Path)
		require.Equal(t, http.StatusUnauthorized, ask("", b.own), row.Path)
		require.NotEqual(t, http.StatusUnauthorized, ask(b.access.Value), row.Path)
		require.NotContains(t, []int{400, 401}, ask(b.access.Value, b.access), "%s: the same token twice", row.Path)
		require.Equal(t, http.StatusBadRequest, ask(other, b.access), "%s: two different tokens", row.Path)
		require.Equal(t, http.StatusUnauthorized, ask("", b.refresh, b.own), row.Path)
		require.Equal(t, http.StatusUnauthorized, ask(b.refresh.Value), row.Path)
		require.Equal(t, http.StatusUnauthorized, ask("", &handle, b.own), row.Path)
	}
	for _, token := range []string{b.access.Value, b.refresh.Value, other} {
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh", token: token}),
			http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh",
			header: header("Cookie", "nx_refresh="+token+"x")}), http.StatusUnauthorized, "unauthenticated")
		require.Equal(t, http.StatusNoContent, r.do(t,
			request{method: http.MethodPost, path: "/auth/logout", token: token}).status)
	}
	require.Equal(t, http.StatusOK, r.do(t, request{path: "/whoami", header: b.cookies()}).status,
		"a bearer token does not sign a browser out")
}

func cookieAttributes(t *testing.T) {
	r, _, issuer := signInRig(t)
	set := 0
	b := signIn(t, r, issuer, func(a answer) {
		for _, c := range cookiesOf(a) {
			requireSafe(t, c)
			set++
		}
	})
	require.Equal(t, 5, set, "login, access, refresh, own, and login removed")
	require.True(t, strings.HasPrefix(b.own.Name, "__Host-"))
	require.True(t, strings.HasPrefix(b.login.Name, "__Host-"), "no other host can set this name")
	require.LessOrEqual(t, b.login.MaxAge, int(websession.LoginWithin.Seconds()))
	require.LessOrEqual(t, b.refresh.MaxAge, int(websession.Lifetime.Seconds()))
	require.Less(t, b.access.MaxAge, 24*60*60)

	// A sibling host can set a cookie with the same name if the name has no prefix. Then both cookies are ignored.
	for _, c := range []*http.Cookie{b.access, b.refresh, b.login, b.own} {
		twin := *c
		twin.Value = "planted"
		for _, pair := range [][]*http.Cookie{{c, &twin}, {&twin, c}} {
			h := cookieHeader(pair...)
			whoami := r.do(t, request{path: "/whoami", header: h}).status
			require.Contains(t, []int{400, 401}, whoami, c.Name)
			requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh", header: h}),
				http.StatusUnauthorized, "unauthenticated")
			requireProblem(t, r.do(t, request{path: "/auth/callback?state=x&code=y", header: h}), http.StatusBadRequest,
				"SIGN_IN_STATE")
		}
	}

	// An installation can configure names with the prefix for all cookies.
	names := web.Cookies{Access: "__Host-nx_access", Refresh: "__Host-nx_refresh", Secure: true}
	r, _, issuer = signInRig(t, func(s *setup) { s.door.Cookies = names })
	begin := r.get(t, "/auth/login", "")
	done := r.do(t, request{path: pick(t, issuer, begin.header.Get("Location")),
		header: cookieHeader(cookiesOf(begin)["__Host-leadctl_login"])})
	access := cookiesOf(done)[names.Access]
	requireSafe(t, access)
	requireSafe(t, cookiesOf(done)[names.Refresh])
	require.Equal(t, http.StatusOK, r.do(t, request{path: "/info",
		header: cookieHeader(access, cookiesOf(done)[ownCookie])}).status)
}

// damagedCookies: a cookie with a flipped bit or a missing end is rejected.
func damagedCookies(t *testing.T) {
	r, _, issuer := signInRig(t)
	b := signIn(t, r, issuer, ignoreAnswer)
	damaged := func(c *http.Cookie) (out []string) {
		for _, n := range []int{1, len(c.Value) / 2, len(c.Value) - 1} {
			flipped := []byte(c.Value)
			flipped[n-1] ^= 1
			out = append(out, c.Value[:n], string(flipped))
		}
		return out
	}
	own := "; " + ownCookie + "=" + b.own.Value
	for _, v := range damaged(b.access) {
		requireProblem(t, r.do(t, request{path: "/info", header: header("Cookie", cookie+"="+v+own)}),
			http.StatusUnauthorized, "unauthenticated")
	}
	for _, v := range damaged(b.refresh) {
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh",
			header: header("Cookie", "nx_refresh="+v+own)}), http.StatusUnauthorized, "unauthenticated")
	}
	for _, v := range damaged(b.own) {
		h := header("Cookie", cookie+"="+b.access.Value+"; "+ownCookie+"="+v)
		requireProblem(t, r.do(t, request{path: "/info", header: h}), http.StatusUnauthorized, "unauthenticated")
	}
	require.Equal(t, http.StatusOK, r.do(t, request{path: "/info", header: b.cookies()}).status,
		"the undamaged cookies work")
}

func signedOutEverywhere(t *testing.T) {
	r, _, issuer := signInRig(t)
	desk, phone := signIn(t, r, issuer, ignoreAnswer), signIn(t, r, issuer, ignoreAnswer)
	leave := request{method: http.MethodPost, path: "/auth/logout?everywhere=true", header: phone.cookies()}
	for query, status := range map[string]int{"?everywhere=maybe": http.StatusBadRequest,
		"?everywhere=true&everywhere=false": http.StatusBadRequest} {
		q := leave
		q.path = "/auth/logout" + query
		require.Equal(t, status, r.do(t, q).status, query)
	}
	requireProblem(t, r.do(t, request{method: http.MethodPost, path: leave.path}), http.StatusUnauthorized,
		"unauthenticated")
	ended := r.do(t, leave)
	require.Equal(t, http.StatusNoContent, ended.status, ended.body)
	for _, name := range []string{cookie, "nx_refresh"} {
		require.Negative(t, cookiesOf(ended)[name].MaxAge)
	}
	for _, b := range []browser{desk, phone} {
		for _, row := range guarded(web.Identity, web.Member) {
			q := call(row, 1, "")
			q.header = b.cookies()
			q.header.Set("Content-Type", "application/json")
			requireProblem(t, r.do(t, q), http.StatusUnauthorized, "unauthenticated")
		}
		// the cookie's token, in the header
		requireProblem(t, r.get(t, "/info", b.access.Value), http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.get(t, "/whoami", b.access.Value), http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh", header: b.cookies()}),
			http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.post(t, "/auth/exchange", "", `{"id_token":"`+b.access.Value+`"}`), http.StatusUnauthorized,
			"unauthenticated")
	}
}

func addressesAreConfigured(t *testing.T) {
	r, _, issuer := signInRig(t)
	lies := header("Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http",
		"X-Forwarded-Prefix", "/evil",
		"Forwarded", "host=evil.example", "X-Original-URL", "//evil.example/", "Referer", "https://evil.example/", "Origin", "")
	begin := r.do(t, request{path: "/auth/login?return_to=" + url.QueryEscape("https://evil.example/"), header: lies})
	to, err := url.Parse(begin.header.Get("Location"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(to.String(), issuer+"/"))
	require.Equal(t, callback, to.Query().Get("redirect_uri"))
	require.NotContains(t, to.String(), "evil")
	lies.Set("Cookie", cookieHeader(cookiesOf(begin)["__Host-leadctl_login"]).Get("Cookie"))
	done := r.do(t, request{path: pick(t, issuer, to.String()), header: lies})
	require.Equal(t, "/", done.header.Get("Location"))
	lies.Set("Cookie", cookieHeader(cookiesOf(done)[cookie]).Get("Cookie"))
	lies.Del("Origin")
	ended := r.do(t, request{method: http.MethodPost, path: "/auth/logout", header: lies})
	end, err := url.Parse(ended.header.Get("X-End-Session-Url"))
	require.NoError(t, err)
	require.Equal(t, "https://leads.example/", end.Query().Get("post_logout_redirect_uri"))
	require.NotContains(t, end.String(), "evil")
}

// foreignPages: a browser adds its cookies to the requests of foreign pages. Those requests change nothing.
func foreignPages(t *testing.T) {
	r, _, issuer := signInRig(t)
	b := signIn(t, r, issuer, ignoreAnswer)
	mutating := slices.DeleteFunc(httpapi.Routes(),
		func(row httpapi.Route) bool { return row.Method == http.MethodGet })
	require.Greater(t, len(mutating), 4)
	before := r.state(t)
	for _, row := range mutating {
		for _, h := range []http.Header{
			header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Site", "same-site"), header("Origin", "https://evil.example"), header("Origin", "null"),
			header("Origin", "https://leads.example.evil.example"), header("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
			header("Sec-Fetch-Site", "cross-site", "Origin", "https://leads.example"),
		} {
			q := call(row, 1, "")
			q.header = h
			q.header.Set("Cookie", b.cookies().Get("Cookie"))
			for _, media := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded"} {
				q.header.Set("Content-Type", media)
				requireProblem(t, r.do(t, q), http.StatusForbidden, "CROSS_ORIGIN")
			}
		}
	}
	require.Equal(t, before, r.state(t))
	require.Equal(t, 1, r.count(t, `SELECT count(*) FROM sessions`))
	ours := header("Origin", uiOrigin, "Sec-Fetch-Site", "cross-site", "Cookie", b.cookies().Get("Cookie"))
	require.Equal(t, http.StatusOK, r.do(t, request{method: http.MethodPost, path: "/auth/refresh",
		header: ours}).status, "the UI's origin is allowed")
}
