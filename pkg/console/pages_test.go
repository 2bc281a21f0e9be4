package console_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/sso"
)

func formatInt(n int) string { return strconv.Itoa(n) }

func allRoutes() []console.Route { return console.New(console.Config{}, console.Deps{}).Routes() }

// requestFor returns the method and the path of a route, with its parameters filled in.
func requestFor(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{id}", "1", "{$}", "").Replace(path)
}

var requestIDs = regexp.MustCompile(`[A-Z2-7]{26}`)

// withoutRequestIDs replaces the request ids in a body, so that two responses can be compared.
func withoutRequestIDs(body string) string { return requestIDs.ReplaceAllString(body, "ID") }

func TestCases(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bob := s.browser(t).signInAndWait("bob")

	t.Run("every page without a session", func(t *testing.T) {
		anonymous := s.browser(t)
		for _, route := range allRoutes() {
			method, path := requestFor(route.Pattern)
			a := anonymous.send(method, path, nil)
			switch route.Guard {
			case console.Open:
				require.Less(t, a.status, 400, route.Pattern)
			case console.Developer:
				require.Equal(t, http.StatusNotFound, a.status, route.Pattern)
			default:
				require.Equal(t, http.StatusSeeOther, a.status, route.Pattern)
				require.Regexp(t, `^/signin(\?return_to=|$)`, a.header.Get("Location"), route.Pattern)
				require.Empty(t, a.body, route.Pattern)
			}
		}
	})
	t.Run("a viewer cannot reach, see or guess an operations page", func(t *testing.T) {
		notFound, program := bob.get("/nowhere"), bob.get("/nowhere", "Accept", "*/*")
		require.Equal(t, http.StatusNotFound, notFound.status)
		for _, route := range allRoutes() {
			method, path := requestFor(route.Pattern)
			switch {
			case route.Guard == console.Operator:
				a := bob.send(method, path, nil)
				require.Equal(t, http.StatusNotFound, a.status, route.Pattern)
				require.Equal(t, withoutRequestIDs(notFound.body), withoutRequestIDs(a.body), route.Pattern)
				a = bob.send(method, path, nil, "Accept", "*/*")
				require.Equal(t, withoutRequestIDs(program.body), withoutRequestIDs(a.body), route.Pattern)
				require.Equal(t, headerNames(program.header), headerNames(a.header), route.Pattern)
				a = bob.send(http.MethodPut, path, nil, "Accept", "*/*")
				require.Equal(t, withoutRequestIDs(program.body), withoutRequestIDs(a.body), "another method: %s",
					route.Pattern)
				require.Equal(t, headerNames(program.header), headerNames(a.header), route.Pattern)
			case route.Guard == console.Member && route.Role != sso.Viewer:
				a := bob.send(method, path, nil)
				require.Equal(t, http.StatusForbidden, a.status, route.Pattern)
				require.Contains(t, a.body, "INSUFFICIENT_ROLE", route.Pattern)
			case method == http.MethodGet && path != "/signin":
				require.Less(t, bob.follow(bob.get(path+"?format=csv")).status, 400, route.Pattern)
			}
		}
		require.NotContains(t, bob.get("/leads").body, "/ops")
	})
	t.Run("C-022", func(t *testing.T) {
		anonymous := s.browser(t)
		a := anonymous.get("/leads", "Authorization", "Bearer "+bob.cookie("nx_access"))
		require.Equal(t, http.StatusSeeOther, a.status, "pages do not accept bearer tokens")
	})
	t.Run("C-025", func(t *testing.T) {
		good := bob.cookie("nx_access")
		flipped := []byte(good)
		if flipped[len(good)-9]++; flipped[len(good)-9] > 'y' {
			flipped[len(good)-9] = 'A'
		}
		for name, bad := range map[string]string{"bit flip": string(flipped), "truncated": good[:len(good)/2],
			"garbage": strings.Repeat("a", 8<<10), "empty parts": ".."} {
			anonymous := s.browser(t)
			anonymous.setCookie("nx_access", bad)
			require.Equal(t, http.StatusSeeOther, anonymous.get("/leads").status, name)
			anonymous.setCookie("nx_refresh", bad)
			require.Equal(t, http.StatusSeeOther, anonymous.get("/leads").status, name)
		}
	})
	t.Run("C-030", func(t *testing.T) { checkSecurityHeaders(t, s, bob) })
	t.Run("C-031", func(t *testing.T) { checkFraming(t, s, bob) })
	t.Run("C-052", func(t *testing.T) {
		for _, path := range []string{"/dev", "/dev/tenant", "/login", "/authorize", "/keys",
			"/.well-known/openid-configuration"} {
			require.Equal(t, http.StatusNotFound, bob.get(path).status, path)
			require.Equal(t, http.StatusNotFound, bob.post(path, "tenant", "1").status, path)
		}
		require.NotContains(t, s.browser(t).get("/signin").body, "/dev/tenant")
	})
	t.Run("C-049", func(t *testing.T) {
		for _, name := range []string{"..%2fsignin.html", "%2e%2e/console.go", "../signin.html", "layout.html",
			"LICENSE.htmx", "app.css%00", "..%5capp.css", "%2fetc%2fpasswd", "", "."} {
			require.Equal(t, http.StatusNotFound, s.browser(t).get("/console/"+name).status, name)
		}
	})
	t.Run("C-032", func(t *testing.T) {
		for _, h := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"},
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			for _, route := range allRoutes() {
				if method, path := requestFor(route.Pattern); method == http.MethodPost {
					require.Equal(t, http.StatusForbidden, bob.send(method, path, nil, h...).status, "%s %v",
						route.Pattern, h)
				}
			}
		}
		require.Equal(t, http.StatusOK, bob.get("/leads").status, "a page of another site signed bob out")
	})
	t.Run("C-033", func(t *testing.T) {
		csv := bob.follow(bob.get("/leads/download?format=csv"))
		require.Equal(t, "text/csv; charset=utf-8", csv.header.Get("Content-Type"))
		require.Equal(t, "nosniff", csv.header.Get("X-Content-Type-Options"))
		a := s.browser(t).get("/whoami", "Accept", "*/*")
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"),
			"a program gets no page")
		require.Equal(t, http.StatusUnauthorized, a.status)
	})
	t.Run("C-055", func(t *testing.T) {
		require.Empty(t, bob.get("/leads", "Accept-Encoding", "gzip, br").header.Get("Content-Encoding"))
	})
}

func headerNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

// checkSecurityHeaders requires the security headers on pages, redirects, parts and error pages.
func checkSecurityHeaders(t *testing.T, s *site, bob *browser) {
	for name, a := range map[string]answer{
		"sign in": s.browser(t).get("/signin"), "redirect": s.browser(t).get("/leads"), "page": bob.get("/leads"),
		"part":    bob.get("/leads/rows", "HX-Request", "true"),
		"refused": bob.post("/leads/score"), "hidden": bob.get("/ops"), "unknown": bob.get("/nowhere"),
		"wrong method": bob.post("/leads"),
		"bad query":    bob.get("/leads?least=x"), "failed sign-in": s.browser(t).get("/auth/callback?state=x&code=y"),
		"API in a browser": s.browser(t).get("/whoami"),
	} {
		policy := map[string]string{}
		for directive := range strings.SplitSeq(a.header.Get("Content-Security-Policy"), ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
			policy[key] = value
		}
		require.Equal(t, "'none'", policy["default-src"], name)
		require.Equal(t, "'self'", policy["script-src"], name)
		require.Equal(t, "'self'", policy["style-src"], name)
		require.Equal(t, "'none'", policy["frame-ancestors"], name)
		require.Equal(t, "'none'", policy["base-uri"], name)
		require.Regexp(t, `^'self' http://127\.0\.0\.1:\d+$`, policy["form-action"], name)
		for header, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy":            "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store"} {
			require.Equal(t, []string{want}, a.header.Values(header), "%s: %s", name, header)
		}
		require.NotEmpty(t, a.header.Get("X-Request-Id"), name)
		require.NotRegexp(t, `(?i)<style|style=|<script>|javascript:|\son[a-z]+=`, a.body, name)
		if a.status >= 400 {
			require.Contains(t, a.body, a.header.Get("X-Request-Id"), "%s: the page shows the request id", name)
		}
	}
}

// checkFraming requires for each status that a page of another site cannot show the response in a frame.
func checkFraming(t *testing.T, s *site, bob *browser) {
	for want, a := range map[int]answer{
		http.StatusOK: bob.get("/leads"), http.StatusSeeOther: s.browser(t).get("/leads"),
		http.StatusFound: s.browser(t).get("/auth/login"), http.StatusBadRequest: bob.get("/leads?least=x"),
		http.StatusForbidden: bob.post("/leads/score"), http.StatusNotFound: bob.get("/nowhere"),
		http.StatusMethodNotAllowed: bob.post("/leads"), http.StatusUnauthorized: s.browser(t).get("/whoami"),
	} {
		require.Equal(t, want, a.status)
		require.Equal(t, []string{"DENY"}, a.header.Values("X-Frame-Options"), want)
		if a.body != "" {
			require.Contains(t, a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'", want)
		}
	}
}

func TestSignInLeadsSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).signInAndWait("alice"), s.browser(t).signInAndWait("bob")
	require.Contains(t, alice.follow(alice.get("/")).body, "No leads yet")
	s.addLeads(t, 1, 60)
	s.addLeads(t, 2, 3)

	page := alice.get("/leads")
	require.Contains(t, page.body, "60 companies scored")
	require.Equal(t, 25, strings.Count(page.body, "TENANT 1 COMPANY"))
	require.NotContains(t, page.body, "TENANT 2")
	require.Contains(t, page.body, `aria-label="50 of 50 points"`)
	seen := map[string]bool{}
	next := regexp.MustCompile(`hx-get="([^"]+)"`)
	for pages := 1; ; pages++ {
		for _, name := range regexp.MustCompile(`COMPANY \d+`).FindAllString(page.body, -1) {
			require.False(t, seen[name], "%s is listed twice", name)
			seen[name] = true
		}
		more := next.FindStringSubmatch(page.body)
		if more == nil {
			require.Equal(t, 3, pages)
			break
		}
		page = alice.get(strings.ReplaceAll(more[1], "&amp;", "&"), "HX-Request", "true")
		require.NotContains(t, page.body, "<html")
	}
	require.Len(t, seen, 60)
	require.Equal(t, 15, strings.Count(alice.get("/leads?bucket=high").body, "TENANT 1 COMPANY"))
	require.Equal(t, 1, strings.Count(alice.get("/leads?q=COMPANY+17").body, "TENANT 1 COMPANY"))
	require.Equal(t, 6, strings.Count(alice.get("/leads?least=90").body, "TENANT 1 COMPANY"))
	require.Contains(t, alice.get("/leads?q=unknown").body, "No company passes these filters")
	require.Equal(t, 61, strings.Count(alice.follow(alice.get("/leads/download?format=csv")).body, "\r\n"))
	require.Equal(t, 3, strings.Count(bob.follow(bob.get("/leads/download?format=json")).body, "TENANT 2 COMPANY"))

	access, refresh := alice.cookie("nx_access"), alice.cookie("nx_refresh")
	end := alice.post("/signout")
	require.Equal(t, http.StatusSeeOther, end.status)
	require.Contains(t, end.header.Get("Location"), "id_token_hint=")
	require.Empty(t, alice.cookie("nx_access")+alice.cookie("nx_refresh"))
	home := alice.follow(end)
	require.Contains(t, home.body, "Continue with single sign-on")
	require.NotContains(t, home.body, "alice@")
	alice.setCookie("nx_access", access)
	alice.setCookie("nx_refresh", refresh)
	require.Equal(t, http.StatusSeeOther, alice.get("/leads").status,
		"cookies from before sign-out work")
	require.Equal(t, http.StatusOK, bob.get("/leads").status)
}

func TestExpiredTokenIsRenewed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bob := s.browser(t).signInAndWait("bob")
	bob.setCookie("nx_access", "")
	a := bob.get("/leads")
	require.Equal(t, http.StatusOK, a.status)
	require.NotEmpty(t, bob.cookie("nx_access"))
	bob.setCookie("nx_access", "")
	require.Equal(t, http.StatusOK, bob.follow(bob.get("/leads/download?format=csv")).status,
		"a download first renews the token")
}

func TestFailedSignInShowsReason(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.browser(t).get("/auth/callback?state=x&code=y")
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Contains(t, a.body, "You were not signed in.")
	require.Contains(t, a.body, a.header.Get("X-Request-Id"))
	require.Contains(t, a.body, "Try again with single sign-on")
	program := s.browser(t).get("/auth/callback?state=x&code=y", "Accept", "application/json")
	var problem struct{ Code string }
	require.NoError(t, json.Unmarshal([]byte(program.body), &problem))
	require.Equal(t, "SIGN_IN_STATE", problem.Code)

	una := s.browser(t)
	una.signIn("una")
	a = una.post("/setup")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, "Your e-mail address is not verified")
}
