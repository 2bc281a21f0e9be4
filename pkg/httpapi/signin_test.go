package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/websession"
)

const callback = "https://leads.example/auth/callback" // as registered; tests send its requests to the rig

// signInRig returns a rig with browser sign-in, whose provider is devidp.
func signInRig(t *testing.T, changes ...func(*setup)) (*rig, *devidp.Provider, string) {
	t.Helper()
	return signInRigAt(t, "https://leads.example/", changes...)
}

// signInRigAt is signInRig with the public address home.
func signInRigAt(t *testing.T, home string, changes ...func(*setup)) (*rig, *devidp.Provider, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	provider, err := devidp.New(devidp.Config{Issuer: issuer,
		Users: []devidp.User{{ID: "alice", Name: "Alice", Email: "alice@acme.example", EmailVerified: true,
			Roles: []string{"ops"}}},
		Clients: []devidp.Client{{ID: "console", Secret: "s3cret", RedirectURIs: []string{callback}}}})
	require.NoError(t, err)
	server.Config.Handler = provider
	server.Start()
	t.Cleanup(server.Close)
	cfg := sso.Config{Issuer: issuer, ClientIDs: []string{"console"}, AllowInsecure: true}
	verifier, err := sso.NewVerifier(cfg)
	require.NoError(t, err)
	t.Cleanup(verifier.Close)
	text, err := secret.Generate()
	require.NoError(t, err)
	keys, err := secret.Parse(text)
	require.NoError(t, err)
	r := newRig(t, append([]func(*setup){func(s *setup) {
		s.door.Cookies = web.Cookies{Access: cookie, Refresh: "nx_refresh", Secure: true}
		s.asks.Verifier = verifier
		s.deps.Sessions = websession.New(websession.Config{ClientID: "console", ClientSecret: "s3cret",
			CallbackURL: callback, HomeURL: home, Origins: []string{uiOrigin}},
			s.deps.DB, keys, verifier, func(ctx context.Context) (sso.Discovery,
				error) {
				return sso.Discover(ctx, cfg)
			})
		page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		s.pages = map[string]http.Handler{"GET /leads": page, "POST /signout": page}
	}}, changes...)...)
	return r, provider, issuer
}

// cookiesOf returns the cookies that an answer sets, by name.
func cookiesOf(a answer) map[string]*http.Cookie {
	out := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		out[c.Name] = c
	}
	return out
}

func cookieHeader(cookies ...*http.Cookie) http.Header {
	var parts []string
	for _, c := range cookies {
		parts = append(parts, c.Name+"="+c.Value)
	}
	return header("Cookie", strings.Join(parts, "; "))
}

// pick signs in as alice on the provider's page and returns the address of its redirect back.
func pick(t *testing.T, issuer, location string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if "http://"+req.URL.Host != issuer {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	t.Cleanup(browser.CloseIdleConnections)
	resp, err := browser.Get(location)
	require.NoError(t, err)
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	found := regexp.MustCompile(`name="request" value="([^"]+)"`).FindSubmatch(page)
	require.Len(t, found, 2, "%s", page)
	resp, err = browser.PostForm(issuer+"/login", url.Values{"request": {string(found[1])}, "user": {"alice"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	back := resp.Header.Get("Location")
	require.True(t, strings.HasPrefix(back, callback+"?"), back)
	return strings.TrimPrefix(back, "https://leads.example")
}

// isSignIn reports whether a route is for signing in and out.
func isSignIn(path string) bool {
	return strings.HasPrefix(path, "/auth/") || strings.HasPrefix(path, "/protocol/")
}

// signInUnderAnotherName: a sign-in that begins at 127.0.0.1 is led to the public address localhost, and the reverse,
// before a cookie is set. It is led there once, because a proxy may change the name.
func signInUnderAnotherName(t *testing.T) {
	for asked, public := range map[string]string{"127.0.0.1:2024": "http://localhost:2024", "[::1]:2024": "http://localhost:2024",
		"localhost:2024": "http://127.0.0.1:2024"} {
		r, _, _ := signInRigAt(t, public+"/")
		a := r.do(t, request{path: "/auth/login?return_to=/leads", header: header("Host", asked)})
		require.Equal(t, http.StatusFound, a.status)
		require.Equal(t, public+"/auth/login?moved=true&return_to=%2Fleads", a.header.Get("Location"))
		require.Empty(t, cookiesOf(a))
		a = r.do(t, request{path: "/auth/login?return_to=/leads&moved=true", header: header("Host", asked)})
		require.NotEmpty(t, cookiesOf(a))
		a = r.do(t, request{path: "/auth/login", header: header("Host", "leads.example")})
		require.NotEmpty(t, cookiesOf(a), "only names of this machine count")
	}
}

// readableHeaders: a page of an allowed origin can read the headers that tell it what to do next.
func readableHeaders(t *testing.T) {
	r, _, _ := signInRig(t)
	a := r.do(t, request{path: "/health", header: header("Origin", uiOrigin)})
	for _, name := range []string{"X-End-Session-Url", "Retry-After", "ETag", "X-Row-Count", "X-Request-Id"} {
		require.Contains(t, strings.Split(a.header.Get("Access-Control-Expose-Headers"), ", "), name)
	}
}

// TestClientsOfTheOlderBackend: a password gets the address that signs in, and the sign-out page that those clients
// open ends the session here and goes on to the provider's.
func TestClientsOfTheOlderBackend(t *testing.T) {
	t.Parallel()
	r, _, issuer := signInRig(t)
	a := r.post(t, "/auth/login", "", `{"email":"a@b.example","password":"CANARY"}`)
	p := requireProblem(t, a, http.StatusMethodNotAllowed, "method_not_allowed")
	require.Equal(t, "passwords are not accepted here: open https://leads.example/auth/login in a browser", p["detail"])
	require.Contains(t, a.header.Get("Allow"), "GET")

	b := signIn(t, r, issuer, ignoreAnswer)
	out := r.do(t, request{path: "/protocol/openid-connect/logout?post_logout_redirect_uri=https://evil.example",
		header: b.cookies()})
	require.Equal(t, http.StatusFound, out.status, out.body)
	require.True(t, strings.HasPrefix(out.header.Get("Location"), issuer), out.header.Get("Location"))
	require.NotContains(t, out.header.Get("Location"), "evil")
	for _, name := range []string{cookie, "nx_refresh", ownCookie} {
		require.Negative(t, cookiesOf(out)[name].MaxAge, name)
	}
	requireProblem(t, r.do(t, request{path: "/whoami", header: b.cookies()}), http.StatusUnauthorized,
		"unauthenticated")
	require.Zero(t, r.count(t, `SELECT count(*) FROM sessions`))
	require.Equal(t, http.StatusFound, r.get(t, "/protocol/openid-connect/logout", "").status, "without a session too")
}

func TestBrowserSignIn(t *testing.T) {
	t.Parallel()
	r, _, issuer := signInRig(t)

	begin := r.do(t, request{path: "/auth/login?return_to=/leads",
		header: header("Host", "evil.example", "X-Forwarded-Host", "evil.example")})
	require.Equal(t, http.StatusFound, begin.status, begin.body)
	require.Equal(t, "no-store", begin.header.Get("Cache-Control"))
	to, err := url.Parse(begin.header.Get("Location"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(to.String(), issuer))
	require.Equal(t, callback, to.Query().Get("redirect_uri"), "configured, never taken from the request")
	require.Equal(t, "S256", to.Query().Get("code_challenge_method"))
	login := cookiesOf(begin)["__Host-leadctl_login"]
	requireSafe(t, login)

	back := pick(t, issuer, to.String())
	requireProblem(t, r.get(t, back, ""), http.StatusBadRequest, "SIGN_IN_STATE") // another browser
	done := r.do(t, request{path: back, header: cookieHeader(login)})
	require.Equal(t, http.StatusFound, done.status, done.body)
	require.Equal(t, "/leads", done.header.Get("Location"))
	require.Equal(t, "no-store", done.header.Get("Cache-Control"))
	set := cookiesOf(done)
	access, refresh, own := set[cookie], set["nx_refresh"], set[ownCookie]
	requireSafe(t, own)
	requireSafe(t, access)
	requireSafe(t, refresh)
	require.InDelta(t, (30 * 24 * time.Hour).Seconds(), refresh.MaxAge, 60)
	require.Positive(t, access.MaxAge)
	require.Negative(t, set["__Host-leadctl_login"].MaxAge, "the sign-in's own cookie is gone")
	// used
	requireProblem(t, r.do(t, request{path: back, header: cookieHeader(login)}), http.StatusBadRequest, "SIGN_IN_STATE")

	first := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		header: cookieHeader(access, own)})
	require.Equal(t, http.StatusAccepted, first.status, first.body)
	mine := r.do(t, request{path: "/whoami", header: cookieHeader(access, refresh, own)})
	require.Equal(t, http.StatusOK, mine.status, mine.body)
	require.Equal(t, "alice@acme.example", mine.object(t)["email"])
	require.Equal(t, http.StatusOK, r.do(t, request{path: "/info", header: cookieHeader(access, own)}).status)

	renewed := r.do(t, request{method: http.MethodPost, path: "/auth/refresh", header: cookieHeader(refresh, own)})
	require.Equal(t, http.StatusOK, renewed.status, renewed.body)
	require.JSONEq(t, `{"ok":true}`, renewed.body)
	access = cookiesOf(renewed)[cookie]
	requireSafe(t, access)

	exchanged := r.post(t, "/auth/exchange", "", `{"id_token":"`+access.Value+`"}`)
	require.Equal(t, http.StatusOK, exchanged.status, exchanged.body)
	require.JSONEq(t, `{"ok":true}`, exchanged.body)
	requireSafe(t, cookiesOf(exchanged)[cookie])
	requireSafe(t, cookiesOf(exchanged)["nx_refresh"])
	require.NotEqual(t, refresh.Value, cookiesOf(exchanged)["nx_refresh"].Value, "a new session")

	ended := r.do(t, request{method: http.MethodPost, path: "/auth/logout", header: cookieHeader(access, refresh, own)})
	require.Equal(t, http.StatusNoContent, ended.status, ended.body)
	require.Empty(t, ended.body)
	for _, name := range []string{cookie, "nx_refresh", ownCookie} {
		require.Negative(t, cookiesOf(ended)[name].MaxAge)
		require.Empty(t, cookiesOf(ended)[name].Value)
	}
	for _, path := range []string{"/whoami", "/info", "/onboarding/status"} {
		requireProblem(t, r.do(t, request{path: path, header: cookieHeader(access, own)}), http.StatusUnauthorized,
			"unauthenticated")
	}
	requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh",
		header: cookieHeader(refresh, own)}),
		http.StatusUnauthorized, "unauthenticated")
	again := r.do(t, request{method: http.MethodPost, path: "/auth/logout", header: cookieHeader(access, refresh, own)})
	require.Equal(t, http.StatusNoContent, again.status, "ending what has ended is fine")
	for _, secret := range []string{access.Value, refresh.Value, own.Value, login.Value} {
		require.NotContains(t, r.log.String(), secret)
	}
}

// requireSafe requires that no script can read the cookie and that no foreign page can post with it.
func requireSafe(t *testing.T, c *http.Cookie) {
	t.Helper()
	require.NotNil(t, c)
	require.True(t, c.HttpOnly)
	require.True(t, c.Secure)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
}

func TestAnIDTokenIsExchangedForCookies(t *testing.T) {
	t.Parallel()
	r, provider, _ := signInRig(t)
	accessToken, err := provider.IssueToken(t.Context(), "alice", "console")
	require.NoError(t, err)
	for _, body := range []string{`{"id_token":"opaque"}`, `{"id_token":""}`, `{"id_token":"` + accessToken + `"}`} {
		requireProblem(t, r.post(t, "/auth/exchange", "", body), http.StatusUnauthorized, "unauthenticated")
	}
	for _, body := range []string{``, `{}`, `{"id_token":7}`, `{"id_token":"` + strings.Repeat("a", 17<<10) + `"}`,
		`{"id_token":"x","access_token":"y"}`} {
		requireProblem(t, r.post(t, "/auth/exchange", "", body), http.StatusBadRequest, "invalid")
	}
	requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/exchange",
		body: `{"id_token":"` + accessToken + `"}`, header: header("Content-Type", "text/plain")}),
		http.StatusUnsupportedMediaType, "unsupported")
	evil := header("Content-Type", "application/json", "Origin", "https://evil.example")
	for _, path := range []string{"/auth/exchange", "/auth/refresh", "/auth/logout"} {
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: path,
			body: `{"id_token":"` + accessToken + `"}`, header: evil}), http.StatusForbidden, "CROSS_ORIGIN")
	}
	require.Zero(t, r.count(t, `SELECT count(*) FROM sessions`))
}

func TestWithoutAClientThereIsNoBrowserSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, row := range guarded(web.Open) {
		if !isSignIn(row.Path) {
			continue
		}
		q := call(row, 1, "")
		q.body = `{"id_token":"x"}`
		requireProblem(t, r.do(t, q), http.StatusNotFound, "not_found")
	}
}

func garbageCookies(t *testing.T, _ *rig) {
	r, _, _ := signInRig(t)
	for _, value := range []string{"x", strings.Repeat("a", 8<<10), "eyJhbGciOiJub25lIn0.e30.", "%00", "a.b.c", "..",
		"\"quoted\""} {
		h := header("Cookie", cookie+"="+value+"; nx_refresh="+value+"; __Host-leadctl_login="+value)
		requireProblem(t, r.do(t, request{path: "/whoami", header: h}), http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/auth/refresh", header: h}),
			http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.do(t, request{path: "/auth/callback?state=x&code=y", header: h}), http.StatusBadRequest,
			"SIGN_IN_STATE")
		require.Equal(t, http.StatusNoContent, r.do(t,
			request{method: http.MethodPost, path: "/auth/logout", header: h}).status)
	}
	for _, query := range []string{"", "?state=", "?state=x", "?code=x", "?state=a&state=b&code=x", "?state=%00&code=x",
		"?error=access_denied", "?state=x&error=" + strings.Repeat("e", 7000)} {
		a := r.get(t, "/auth/callback"+query, "")
		require.Equal(t, http.StatusBadRequest, a.status, a.body)
	}
}

func refusalsAreNotReflected(t *testing.T, _ *rig) {
	r, _, _ := signInRig(t)
	begin := r.get(t, "/auth/login", "")
	to, err := url.Parse(begin.header.Get("Location"))
	require.NoError(t, err)
	q := url.Values{"state": {to.Query().Get("state")}, "error": {"access_denied"},
		"error_description": {"<script>CNR121</script>" + strings.Repeat("x", 5000)}}
	a := r.do(t, request{path: "/auth/callback?" + q.Encode(),
		header: cookieHeader(cookiesOf(begin)["__Host-leadctl_login"])})
	requireProblem(t, a, http.StatusForbidden, "SIGN_IN_REFUSED")
	require.NotContains(t, a.body, "CNR121")
	require.Empty(t, cookiesOf(a)[cookie])
}

func placesToReturnTo(t *testing.T, _ *rig) {
	r, _, issuer := signInRig(t)
	for to, want := range map[string]string{"//evil.example": "/", `/\evil.example`: "/", "https://evil.example/": "/", "javascript:alert(1)": "/", "/leads?x=1": "/leads?x=1", uiOrigin + "/chat": uiOrigin + "/chat"} {
		begin := r.get(t, "/auth/login?return_to="+url.QueryEscape(to), "")
		require.Equal(t, http.StatusFound, begin.status, begin.body)
		done := r.do(t, request{path: pick(t, issuer, begin.header.Get("Location")),
			header: cookieHeader(cookiesOf(begin)["__Host-leadctl_login"])})
		require.Equal(t, want, done.header.Get("Location"), to)
	}
}
