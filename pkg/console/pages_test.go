package console_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/sso"
)

func stringOf(n int) string { return strconv.Itoa(n) }

func table() []console.Route { return console.New(console.Config{}, console.Deps{}).Routes() }

// request takes a pattern apart and fills it in.
func request(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{id}", "1", "{$}", "").Replace(path)
}

var requestIDs = regexp.MustCompile(`[A-Z2-7]{26}`)

// same is a body without what differs from request to request.
func same(body string) string { return requestIDs.ReplaceAllString(body, "ID") }

func TestCases(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bob := s.browser(t).settle("bob")

	t.Run("every page without a session", func(t *testing.T) {
		stranger := s.browser(t)
		for _, route := range table() {
			method, path := request(route.Pattern)
			a := stranger.ask(method, path, nil)
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
		nothing, program := bob.get("/nowhere"), bob.get("/nowhere", "Accept", "*/*")
		require.Equal(t, http.StatusNotFound, nothing.status)
		for _, route := range table() {
			method, path := request(route.Pattern)
			switch {
			case route.Guard == console.Operator:
				a := bob.ask(method, path, nil)
				require.Equal(t, http.StatusNotFound, a.status, route.Pattern)
				require.Equal(t, same(nothing.body), same(a.body), route.Pattern)
				a = bob.ask(method, path, nil, "Accept", "*/*")
				require.Equal(t, same(program.body), same(a.body), route.Pattern)
				require.Equal(t, names(program.header), names(a.header), route.Pattern)
			case route.Guard == console.Member && route.Role == sso.Ops:
				a := bob.ask(method, path, nil)
				require.Equal(t, http.StatusForbidden, a.status, route.Pattern)
				require.Contains(t, a.body, "INSUFFICIENT_ROLE", route.Pattern)
			case method == http.MethodGet && path != "/signin":
				require.Less(t, bob.follow(bob.get(path+"?format=csv")).status, 400, route.Pattern)
			}
		}
		require.NotContains(t, bob.get("/leads").body, "/ops")
	})
	t.Run("C-022", func(t *testing.T) {
		stranger := s.browser(t)
		a := stranger.get("/leads", "Authorization", "Bearer "+bob.cookie("nx_access"))
		require.Equal(t, http.StatusSeeOther, a.status, "a bearer token opens no page")
	})
	t.Run("C-025", func(t *testing.T) {
		good := bob.cookie("nx_access")
		for name, bad := range map[string]string{"bit flip": good[:len(good)-9] + "A" + good[len(good)-8:], "truncated": good[:len(good)/2], "garbage": strings.Repeat("a", 8<<10), "empty parts": ".."} {
			stranger := s.browser(t)
			stranger.setCookie("nx_access", bad)
			require.Equal(t, http.StatusSeeOther, stranger.get("/leads").status, name)
			stranger.setCookie("nx_refresh", bad)
			require.Equal(t, http.StatusSeeOther, stranger.get("/leads").status, name)
		}
	})
	t.Run("C-030", func(t *testing.T) { headers(t, s, bob) })
	t.Run("C-032", func(t *testing.T) {
		for _, h := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			for _, route := range table() {
				if method, path := request(route.Pattern); method == http.MethodPost {
					require.Equal(t, http.StatusForbidden, bob.ask(method, path, nil, h...).status, "%s %v", route.Pattern, h)
				}
			}
		}
		require.Equal(t, http.StatusOK, bob.get("/leads").status, "a foreign page signed bob out")
	})
	t.Run("C-033", func(t *testing.T) {
		csv := bob.follow(bob.get("/leads/download?format=csv"))
		require.Equal(t, "text/csv; charset=utf-8", csv.header.Get("Content-Type"))
		require.Equal(t, "nosniff", csv.header.Get("X-Content-Type-Options"))
		a := s.browser(t).get("/whoami", "Accept", "*/*")
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "a program gets no page")
		require.Equal(t, http.StatusUnauthorized, a.status)
	})
	t.Run("C-055", func(t *testing.T) {
		require.Empty(t, bob.get("/leads", "Accept-Encoding", "gzip, br").header.Get("Content-Encoding"))
	})
}

func names(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

// headers holds pages, redirects, parts and error pages against what each must carry.
func headers(t *testing.T, s *site, bob *browser) {
	for name, a := range map[string]answer{
		"sign in": s.browser(t).get("/signin"), "redirect": s.browser(t).get("/leads"), "page": bob.get("/leads"), "part": bob.get("/leads/rows", "HX-Request", "true"),
		"refused": bob.post("/leads/score"), "hidden": bob.get("/ops"), "unknown": bob.get("/nowhere"), "wrong method": bob.post("/leads"),
		"bad query": bob.get("/leads?least=x"), "failed sign-in": s.browser(t).get("/auth/callback?state=x&code=y"), "API by hand": s.browser(t).get("/whoami"),
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
		for header, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store"} {
			require.Equal(t, []string{want}, a.header.Values(header), "%s: %s", name, header)
		}
		require.NotEmpty(t, a.header.Get("X-Request-Id"), name)
		require.NotRegexp(t, `(?i)<style|style=|<script>|javascript:|\son[a-z]+=`, a.body, name)
		if a.status >= 400 {
			require.Contains(t, a.body, a.header.Get("X-Request-Id"), "%s: the page names its request", name)
		}
	}
}

func TestFirstSignInToLeadsToSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).settle("alice"), s.browser(t).settle("bob")
	require.Contains(t, alice.follow(alice.get("/")).body, "No leads yet")
	s.companies(t, 1, 60)
	s.companies(t, 2, 3)

	page := alice.get("/leads")
	require.Contains(t, page.body, "60 companies scored")
	require.Equal(t, 25, strings.Count(page.body, "TENANT 1 COMPANY"))
	require.NotContains(t, page.body, "TENANT 2")
	require.Contains(t, page.body, `aria-label="50 of 50 points"`)
	seen := map[string]bool{}
	next := regexp.MustCompile(`hx-get="([^"]+)"`)
	for pages := 1; ; pages++ {
		for _, name := range regexp.MustCompile(`COMPANY \d+`).FindAllString(page.body, -1) {
			require.False(t, seen[name], "%s twice", name)
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
	require.Contains(t, alice.get("/leads?q=nobody").body, "No company passes these filters")
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
	require.Equal(t, http.StatusSeeOther, alice.get("/leads").status, "kept cookies still open the page")
	require.Equal(t, http.StatusOK, bob.get("/leads").status)
}

func TestATokenThatRanOutIsRenewedOnTheWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bob := s.browser(t).settle("bob")
	bob.setCookie("nx_access", "")
	a := bob.get("/leads")
	require.Equal(t, http.StatusOK, a.status)
	require.NotEmpty(t, bob.cookie("nx_access"))
	bob.setCookie("nx_access", "")
	require.Equal(t, http.StatusOK, bob.follow(bob.get("/leads/download?format=csv")).status, "a download renews it first")
}

func TestAFailedSignInSaysWhy(t *testing.T) {
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

func TestOperatorsSeeTheInstallation(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.Console.OperatorTenant, c.Console.OperatorRole = 1, "platform-operator" })
	alice, olga, bob := s.browser(t).settle("alice"), s.browser(t), s.browser(t).settle("bob")
	require.Contains(t, olga.signIn("olga").body, "Looking at everything", "an operator of no tenant comes here")
	require.Contains(t, olga.get("/ops/health", "HX-Request", "true").body, "1 check failed")
	require.Contains(t, olga.get("/ops").body, "1 check failed", "fresh answers are shown at once")
	s.exec(t, `INSERT INTO acra_runs (source, state, started_at, updated_at, finished_at, checkpoint, rows_read, inserted, rejected, detail)
		VALUES ('a file', 'done', now() - interval '10 s', now(), now(), '{"batch": 1, "at": {"part": "a.csv", "line": 7}}', 1234, 1200, 34, '{"reasons": {"column uen: empty": 34}}')`)
	for who, b := range map[string]*browser{"by tenant": alice, "by role": olga} {
		for path, words := range map[string]string{"/ops/health": "far off", "/ops/tenants": "bob@borealis.example", "/ops/ingestion": "column uen: empty", "/ops/jobs": "onboarding", "/ops/jobs?state=completed": "onboarding", "/ops/audit": "tenant.create",
			"/ops/tenants/2/latency": " ms"} {
			a := b.get(path)
			require.Equal(t, http.StatusOK, a.status, "%s %s", who, path)
			require.Contains(t, a.body, words, "%s %s", who, path)
		}
		require.Equal(t, http.StatusBadRequest, b.get("/ops/jobs?state=odd").status)
		require.Contains(t, b.follow(b.get("/leads")).body, `href="/ops"`)
	}
	require.Equal(t, http.StatusNotFound, bob.get("/ops").status)
	welcome := olga.get("/setup").body
	require.Contains(t, welcome, "You operate this installation")
	require.NotContains(t, welcome, "data-submit", "an operator gets no workspace unasked")
}

func TestWhoHasNoRoleIsToldSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nora := s.browser(t)
	nora.signIn("nora")
	s.exec(t, `INSERT INTO tenants (name) VALUES ('Acme')`)
	nora.post("/setup")
	s.exec(t, `UPDATE tenant_users SET roles = '{}'`)
	for _, path := range []string{"/leads", "/setup", "/setup/timeline"} {
		a := nora.follow(nora.get(path))
		require.Equal(t, http.StatusForbidden, a.status, path)
		require.Contains(t, a.body, "Your role does not reach this far", path)
		require.Contains(t, a.body, "Sign out", path)
	}
}

func TestProfilesAreTriedAndSaved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).settle("alice"), s.browser(t).settle("bob")
	s.companies(t, 1, 4)
	require.Contains(t, bob.get("/profiles").body, "Changing profiles needs the role ops")
	require.NotContains(t, bob.get("/profiles").body, "<textarea")
	try := func(pairs ...string) string { return alice.post("/profiles/try", pairs...).body }
	require.Regexp(t, `<strong>4</strong> of 4 live companies`, try("industries", "software"))
	require.Regexp(t, `<strong>0</strong> of 4 live companies`, try("industries", "software", "not_keywords", "tenant\r\n"))
	require.Contains(t, try("ssic_codes", "x"), "payload.ssic_codes[0]", "what is wrong is told while somebody types")
	require.Contains(t, try("year_min", "soon"), "not a number")

	a := alice.post("/profiles", "name", "Builders", "industries", "construction\r\nF\r\n", "year_min", "1990", "not_uens", "201500001A")
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	page := alice.follow(a)
	require.Contains(t, page.body, "Saved.")
	require.Contains(t, page.body, "construction\nF</textarea>")
	var payload string
	require.NoError(t, s.db.Owner.QueryRow(t.Context(), `SELECT payload::text FROM icp_rules WHERE name = 'Builders'`).Scan(&payload))
	require.JSONEq(t, `{"industries": ["construction", "F"], "incorporation_year": {"min": 1990}, "exclusions": {"uens": ["201500001A"]}}`, payload)
	require.Equal(t, http.StatusBadRequest, alice.post("/profiles", "name", "Bad", "ssic_codes", "x").status)
}

func TestDevelopmentSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.Dev.AllowBypass = true })
	s.browser(t).settle("alice")
	s.browser(t).settle("bob")
	s.companies(t, 2, 3)
	dev := s.browser(t)
	require.Contains(t, dev.get("/signin").body, "Development sign-in")
	page := dev.follow(dev.post("/dev/tenant", "tenant", "2"))
	require.Contains(t, page.body, "TENANT 2 COMPANY 1")
	require.Contains(t, page.body, "developer@localhost")
	require.Contains(t, page.body, `<option value="2" selected>`)
	require.Equal(t, 4, strings.Count(dev.follow(dev.get("/leads/download?format=csv")).body, "\r\n"), "the download is of the same tenant")
	require.Equal(t, http.StatusNotFound, s.browser(t).ask(http.MethodPost, "/dev/tenant", map[string][]string{"tenant": {"1"}}, "X-Forwarded-For", "1.2.3.4").status)
	dev.post("/signout")
	require.Equal(t, http.StatusSeeOther, dev.get("/leads").status)

	plain := newSite(t)
	require.NotContains(t, plain.browser(t).get("/signin").body, "Development")
	require.Equal(t, http.StatusNotFound, plain.browser(t).post("/dev/tenant", "tenant", "1").status)
}

func TestAnOnboardingThatFailedIsTriedAgainByOpsOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).settle("alice"), s.browser(t).settle("bob")
	for unfinished := 1; unfinished > 0; { // the queue books the end of a job a moment after the page shows it
		require.NoError(t, s.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job WHERE finalized_at IS NULL`).Scan(&unfinished))
	}
	s.exec(t, `UPDATE onboarding_status SET status = 'error', error = 'Odoo said no', step = 'odoo_fields'`)
	s.exec(t, `UPDATE onboarding_steps SET state = 'failed', error = 'Odoo said no', hint = 'call somebody' WHERE step = 'odoo_fields'`)
	for who, b := range map[string]*browser{"alice": alice, "bob": bob} {
		page := b.follow(b.get("/"))
		require.Contains(t, page.body, "Odoo said no", who)
		require.Contains(t, page.body, "call somebody", who)
		require.Equal(t, who == "alice", strings.Contains(page.body, "Try again"), who)
	}
	require.Equal(t, http.StatusForbidden, bob.post("/setup").status)
	require.Equal(t, http.StatusSeeOther, alice.post("/setup").status)
	require.NotContains(t, alice.get("/setup").body, "Odoo said no")
}

func TestAssetsAreKeptForGoodUnderTheirDigestOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.browser(t).get("/signin").body
	found := regexp.MustCompile(`(?:href|src)="(/console/[^"]+)"`).FindAllStringSubmatch(page, -1)
	require.Len(t, found, 4)
	for _, m := range found {
		a := s.browser(t).get(m[1])
		require.Equal(t, http.StatusOK, a.status, m[1])
		require.Contains(t, a.header.Get("Cache-Control"), "immutable", m[1])
		bare, _, _ := strings.Cut(m[1], "?")
		require.Equal(t, "no-cache", s.browser(t).get(bare+"?v=other").header.Get("Cache-Control"), fmt.Sprint(bare))
	}
}

func TestScoringOnRequestAndAfterAChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice := s.browser(t).settle("alice")
	s.exec(t, `INSERT INTO companies (uen, name, industry_code, industry_norm, entity_type, entity_status, live) SELECT 'U' || i, 'BUILDER ' || i, '41001', 'construction', 'Local Company', 'Live Company', true FROM generate_series(1, 7) i`)
	wait := func(words string) string {
		t.Helper()
		for range 600 {
			page := alice.get("/leads")
			require.Equal(t, http.StatusOK, page.status)
			if strings.Contains(page.body, words) && !strings.Contains(page.body, "Scoring is under way") {
				return page.body
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("never shown: %s", words)
		return ""
	}
	require.Equal(t, "/leads", alice.post("/leads/score").header.Get("Location"))
	wait("No leads yet")
	alice.post("/profiles", "name", "Builders", "industries", "construction")
	require.Contains(t, wait("7 companies scored"), "BUILDER 7")
	part := alice.get("/leads/run", "HX-Request", "true")
	require.Equal(t, "true", part.header.Get("HX-Refresh"), "nothing is under way: the page is shown anew")

	s.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, status, source, error) VALUES (1, 99, 'running', 'leadctl', NULL)`)
	require.Contains(t, alice.get("/leads").body, "Scoring is under way")
	require.Empty(t, alice.get("/leads/run", "HX-Request", "true").header.Get("HX-Refresh"))
	s.exec(t, `UPDATE enrichment_runs SET status = 'failed', error = 'the weights give no score' WHERE run_id = 99`)
	require.Contains(t, alice.get("/leads").body, "the weights give no score")
}
