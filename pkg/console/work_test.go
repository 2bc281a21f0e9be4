package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
)

func TestOperatorPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) {
		c.Console.OperatorTenant, c.Console.OperatorRole = 1,
			"platform-operator"
	})
	alice, olga, bob := s.browser(t).signInAndWait("alice"), s.browser(t), s.browser(t).signInAndWait("bob")
	require.Contains(t, olga.signIn("olga").body, "Running the checks", "an operator without a tenant starts here")
	require.Contains(t, olga.get("/ops/health", "HX-Request", "true").body, "1 check failed")
	require.Contains(t, olga.get("/ops").body, "1 check failed", "a fresh report is shown at once")
	s.waitForJobs(t, "onboarding")
	s.exec(t, `INSERT INTO acra_runs (source, state, started_at, updated_at, finished_at, checkpoint, rows_read,
			inserted, rejected, detail)
		VALUES ('a file', 'done', now() - interval '10 s', now(), now(),
			'{"batch": 1, "at": {"part": "a.csv", "line": 7}}', 1234, 1200, 34,
			'{"reasons": {"column uen: empty": 34}}')`)
	for name, b := range map[string]*browser{"by tenant": alice, "by role": olga} {
		for path, words := range map[string]string{"/ops/health": "far off", "/ops/tenants": "bob@borealis.example",
			"/ops/ingestion": "column uen: empty", "/ops/jobs": "onboarding", "/ops/jobs?state=completed": "onboarding",
			"/ops/audit":             "tenant.create",
			"/ops/tenants/2/latency": " ms"} {
			a := b.get(path)
			require.Equal(t, http.StatusOK, a.status, "%s %s", name, path)
			require.Contains(t, a.body, words, "%s %s", name, path)
		}
		require.Equal(t, http.StatusBadRequest, b.get("/ops/jobs?state=odd").status)
		require.Contains(t, b.follow(b.get("/leads")).body, `href="/ops"`)
	}
	require.Equal(t, http.StatusNotFound, bob.get("/ops").status)
	vera := s.browser(t).signInAndWait("vera")
	require.Contains(t, vera.get("/setup").body,
		`title="alice@acme.example">alice@acme.example</span> · <span class="role">viewer</span>`)
	require.Equal(t, http.StatusNotFound, vera.get("/ops").status,
		"a viewer of the operator's tenant is not an operator")
	welcome := olga.get("/setup").body
	require.Contains(t, welcome, "You operate this installation")
	require.NotContains(t, welcome, "data-submit", "an operator gets no workspace without a request")
}

func TestMemberWithoutRole(t *testing.T) {
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
		require.Contains(t, a.body, "Your role is too low for this page", path)
		require.Contains(t, a.body, "Sign out", path)
	}
}

func TestTryAndSaveProfile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).signInAndWait("alice"), s.browser(t).signInAndWait("bob")
	s.addLeads(t, 1, 4)
	require.Contains(t, bob.get("/profiles").body, "Changing profiles needs the role ops")
	require.NotContains(t, bob.get("/profiles").body, "<textarea")
	try := func(pairs ...string) string { return alice.post("/profiles/try", pairs...).body }
	require.Regexp(t, `<strong>4</strong> of 4 live companies`, try("industries", "software"))
	require.Regexp(t, `<strong>0</strong> of 4 live companies`,
		try("industries", "software", "not_keywords", "tenant\r\n"))
	require.Contains(t, try("ssic_codes", "x"), "payload.ssic_codes[0]", "the error is shown while the user types")
	require.Contains(t, try("year_min", "soon"), "must be a whole number")

	a := alice.post("/profiles", "name", "Builders", "industries", "construction\r\nF\r\n", "year_min", "1990",
		"not_uens", "201500001A")
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	page := alice.follow(a)
	require.Contains(t, page.body, "Profile saved.")
	require.Contains(t, page.body, "construction\nF</textarea>")
	var payload string
	require.NoError(t, s.db.Owner.QueryRow(t.Context(),
		`SELECT payload::text FROM icp_rules WHERE name = 'Builders'`).Scan(&payload))
	require.JSONEq(t, `{"industries": ["construction", "F"], "incorporation_year": {"min": 1990},
		"exclusions": {"uens": ["201500001A"]}}`, payload)
	require.Equal(t, http.StatusBadRequest, alice.post("/profiles", "name", "Bad", "ssic_codes", "x").status)
}

func TestDevelopmentSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *config.Config) { c.Dev.AllowBypass = true })
	s.browser(t).signInAndWait("alice")
	s.browser(t).signInAndWait("bob")
	s.addLeads(t, 2, 3)
	dev := s.browser(t)
	require.Contains(t, dev.get("/signin").body, "Development sign-in")
	page := dev.follow(dev.post("/dev/tenant", "tenant", "2"))
	require.Contains(t, page.body, "TENANT 2 COMPANY 1")
	require.Contains(t, page.body, "developer@localhost")
	require.Contains(t, page.body, `<option value="2" selected>`)
	require.Equal(t, 4, strings.Count(dev.follow(dev.get("/leads/download?format=csv")).body, "\r\n"),
		"the download is for the same tenant")
	require.Equal(t, http.StatusNotFound, s.browser(t).send(http.MethodPost, "/dev/tenant",
		map[string][]string{"tenant": {"1"}}, "X-Forwarded-For", "1.2.3.4").status)
	dev.post("/signout")
	require.Equal(t, http.StatusSeeOther, dev.get("/leads").status)

	plain := newSite(t)
	require.NotContains(t, plain.browser(t).get("/signin").body, "Development")
	require.Equal(t, http.StatusNotFound, plain.browser(t).post("/dev/tenant", "tenant", "1").status)
}

func TestOnlyOpsRetryFailedOnboarding(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).signInAndWait("alice"), s.browser(t).signInAndWait("bob")
	for unfinished := 1; unfinished > 0; { // the queue records the end of a job shortly after the page shows it
		require.NoError(t, s.db.Owner.QueryRow(t.Context(),
			`SELECT count(*) FROM river.river_job WHERE finalized_at IS NULL`).Scan(&unfinished))
	}
	s.exec(t, `UPDATE onboarding_status SET status = 'error', error = 'Odoo said no', step = 'odoo_fields'`)
	s.exec(t, `UPDATE onboarding_steps SET state = 'failed', error = 'Odoo said no', hint = 'call an operator'
		WHERE step = 'odoo_fields'`)
	for name, b := range map[string]*browser{"alice": alice, "bob": bob} {
		page := b.follow(b.get("/"))
		require.Contains(t, page.body, "Odoo said no", name)
		require.Contains(t, page.body, "call an operator", name)
		require.Equal(t, name == "alice", strings.Contains(page.body, "Try again"), name)
	}
	require.Equal(t, http.StatusForbidden, bob.post("/setup").status)
	require.Equal(t, http.StatusSeeOther, alice.post("/setup").status)
	require.NotContains(t, alice.get("/setup").body, "Odoo said no")
}

func TestAssetCaching(t *testing.T) {
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

func TestScoringOnRequestAndAfterChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice := s.browser(t).signInAndWait("alice")
	s.exec(t, `INSERT INTO companies (uen, name, industry_code, industry_norm, entity_type, entity_status, live)
		SELECT 'U' || i, 'BUILDER ' || i, '41001', 'construction', 'Local Company', 'Live Company', true
		FROM generate_series(1, 7) i`)
	wait := func(words string) string {
		t.Helper()
		for range 600 {
			page := alice.get("/leads")
			require.Equal(t, http.StatusOK, page.status)
			if strings.Contains(page.body, words) && !strings.Contains(page.body, "Scoring is running") {
				return page.body
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("not shown: %s", words)
		return ""
	}
	require.Equal(t, "/leads", alice.post("/leads/score").header.Get("Location"))
	wait("No leads yet")
	alice.post("/profiles", "name", "Builders", "industries", "construction")
	require.Contains(t, wait("7 companies scored"), "BUILDER 7")
	require.Contains(t, wait("It has "), "The CRM gets ")
	part := alice.get("/leads/run", "HX-Request", "true")
	require.Equal(t, "true", part.header.Get("HX-Refresh"), "no run is waiting or running: the page reloads")

	s.exec(t, `INSERT INTO enrichment_runs (tenant_id, run_id, status, source, error)
		VALUES (1, 99, 'running', 'leadctl', NULL)`)
	require.Contains(t, alice.get("/leads").body, "Scoring is running")
	require.Empty(t, alice.get("/leads/run", "HX-Request", "true").header.Get("HX-Refresh"))
	s.exec(t, `UPDATE enrichment_runs SET status = 'failed', error = 'the weights give no score' WHERE run_id = 99`)
	require.Contains(t, alice.get("/leads").body, "the weights give no score")
}

// A deletion needs a second click to confirm it. It works without JavaScript.
func TestDeleteProfile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice := s.browser(t).signInAndWait("alice")
	require.Equal(t, http.StatusSeeOther, alice.post("/profiles", "name", "Cafés & <Bars>", "keywords", "cafe").status)
	page := alice.get("/profiles?name=" + url.QueryEscape("Cafés & <Bars>"))
	link := regexp.MustCompile(`href="([^"]+delete)"`).FindStringSubmatch(page.body)
	require.Len(t, link, 2, page.body)
	asked := alice.get(html.UnescapeString(link[1]))
	require.Contains(t, asked.body, `action="/profiles/delete"`)
	require.Contains(t, asked.body, "Delete “Cafés &amp; &lt;Bars&gt;”")
	require.Contains(t, alice.get("/profiles").body, "Cafés", "the first click deletes nothing")

	deleted := alice.follow(alice.post("/profiles/delete", "name", "Cafés & <Bars>"))
	require.Contains(t, deleted.body, "“Cafés &amp; &lt;Bars&gt;” is deleted.")
	require.NotContains(t, alice.get("/profiles").body, "Cafés")
	require.Equal(t, http.StatusNotFound, alice.post("/profiles/delete", "name", "Cafés & <Bars>").status)
	last := alice.post("/profiles/delete", "name", "Default")
	require.Equal(t, http.StatusConflict, last.status)
	require.Contains(t, last.body, "create another rule first")
	require.Contains(t, alice.get("/profiles").body, "Default")

	vera := s.browser(t)
	vera.signIn("vera")
	require.NotContains(t, vera.get("/profiles?name=Default&delete").body, "/profiles/delete")
	require.Equal(t, http.StatusForbidden, vera.post("/profiles/delete", "name", "Default").status)
}

// TestRefusedPage: whom Odoo refuses reads why on a page of the console.
func TestRefusedPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.browser(t).signInAndWait("alice"), s.browser(t).signInAndWait("bob")
	stranger := s.browser(t)
	page := stranger.follow(stranger.get("/odoo/refused"))
	require.Contains(t, page.body, `href="/auth/login?return_to=%2Fodoo%2Frefused"`)
	page = alice.get("/odoo/refused")
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "Odoo refused your sign-in")
	require.Regexp(t, `href="http://[^"]+/web/login\?db=[a-z0-9_]+&amp;leadctl=open&amp;redirect=%2Fweb%23action`, page.body)
	olga := s.browser(t)
	olga.signIn("olga")
	require.Contains(t, olga.get("/odoo/refused").body, "You are not a user of a company here")

	s.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = 2`)
	page = bob.get("/odoo/refused")
	require.Equal(t, http.StatusForbidden, page.status)
	require.Contains(t, page.body, "This workspace is suspended")
	s.exec(t, `INSERT INTO removed_members (tenant_id, user_id, issuer, subject)
		SELECT tenant_id, user_id, issuer, subject FROM tenant_users WHERE tenant_id = 1`)
	s.exec(t, `DELETE FROM tenant_users WHERE tenant_id = 1`)
	page = alice.get("/odoo/refused")
	require.Contains(t, page.body, "You are no longer a user of this company")
	require.Contains(t, page.body, "ask an admin of your company")
}
