//go:build live

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// TestLiveConsoleInChromium tests the console with two users in a real browser: they sign in at a real Keycloak, wait
// for their workspaces, read their leads and sign out. Each page is checked in several widths and two colour schemes.
// It needs LEADCTL_LIVE_KEYCLOAK_URL and LEADCTL_LIVE_CHROMIUM. Screenshots go to LEADCTL_LIVE_SHOTS.
func TestLiveConsoleInChromium(t *testing.T) {
	r := newRealm(t)
	s := &site{realm: r, api: "http://" + freeAddress(t)}
	r.more = []string{"--api-url", s.api}
	r.setUp(t)
	stand := startStandIn(t)
	t.Setenv("LEADCTL_CONSOLE_OPERATOR_TENANT", "1")
	s.startServe(t)
	s.chromium = newChromium(t)
	l := newPageChecker(t, s)

	t.Run("signed out", func(t *testing.T) {
		for name, path := range map[string]string{
			"signin": "/signin", "signin-failed": "/auth/callback?state=x&code=y", "no-such-page": "/nowhere",
		} {
			s.open(t, s.api+path)
			l.checkPage(t, name)
		}
	})
	t.Run("alice's first sign-in", func(t *testing.T) {
		stand.Inject(odootest.Fault{Op: "db.duplicate_database", Do: odootest.Slow, Delay: 8 * time.Second, Times: 1})
		l.signIn(t, alice)
		s.waitForAddress(t, s.api+"/setup")
		s.element(t, ".step-running")
		l.checkPage(t, "setting-up")
		s.element(t, ".celebrate") // the page updates itself
		l.checkPage(t, "ready")
	})
	t.Run("alice's leads", func(t *testing.T) { l.checkLeads(t) })
	t.Run("alice operates", func(t *testing.T) {
		for _, tab := range []string{"", "/tenants", "/ingestion", "/jobs", "/audit"} {
			s.open(t, s.api+"/ops"+tab)
			s.element(t, ".cards, .scroll, .empty:not([hx-get])") // the page loads the health checks itself
			l.checkPage(t, "ops"+strings.ReplaceAll(tab, "/", "-"))
		}
	})
	t.Run("alice signs out", func(t *testing.T) { l.signOut(t) })
	t.Run("bob, a viewer of another company", func(t *testing.T) { l.checkViewer(t) })
	l.requireCleanLog(t)
}

// startStandIn starts an Odoo stand-in with a template and names it in the environment.
func startStandIn(t *testing.T) *odootest.Server {
	stand := odootest.New(odootest.Options{Master: "master"})
	web := httptest.NewServer(stand)
	t.Cleanup(web.Close)
	password := odoo.NewSecret()
	server, err := odoo.New(odoo.Options{BaseURL: web.URL})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(
		t.Context(),
		server,
		provision.Template{Name: "template", Master: "master", Secret: password},
	)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"ODOO_SERVER_URL": web.URL, "ODOO_TEMPLATE_DB": "template", "ODOO_MASTER_PASSWORD": "master",
		"LEADCTL_ODOO_TEMPLATE_PASSWORD": string(password),
	} {
		t.Setenv(name, value)
	}
	return stand
}

// signIn signs in with the button of the console and Keycloak's page.
func (l *pageChecker) signIn(t *testing.T, email string) {
	l.open(t, l.api+"/")
	l.waitForAddress(t, l.api+"/signin")
	l.click(t, "a.primary")
	l.waitForAddress(t, l.base+"/realms/"+l.name)
	l.fill(t, "#username", email)
	l.fill(t, "#password", livePassword)
	l.click(t, "#kc-login")
	l.waitForAddress(t, l.api+"/")
}

func (l *pageChecker) checkLeads(t *testing.T) {
	_, err := l.db.Owner.Exec(
		t.Context(),
		`WITH c AS (INSERT INTO companies (uen, name, industry_code, industry_norm, live)
			SELECT 'LIVE' || i, 'LION CITY WORKS ' || i || ' PTE. LTD.', '62011', 'information and communications', true
			FROM generate_series(1, 180) i RETURNING company_id)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale)
		SELECT 1, company_id, s, CASE WHEN s >= 0.75 THEN 'high' WHEN s >= 0.5 THEN 'medium' ELSE 'low' END,
			'Fits "Default" at ' || round(s * 100) || ' of 100: computer programming (SSIC 62011) is the business ' ||
			'asked for (35 of 35); incorporated in 2012 (' || round(s * 20) || ' of 20); no website known (0 of 5).'
		FROM (SELECT company_id, round((0.2 + 0.78 * power(random(), 0.7))::numeric, 2)::float8 AS s FROM c) x`,
	)
	require.NoError(t, err)
	l.click(t, `a[href="/leads"]`)
	l.waitForAddress(t, l.api+"/leads")
	l.element(t, ".histogram")
	l.checkPage(t, "leads")
	l.click(t, ".more a")
	l.element(t, "#rows tr:nth-child(30)") // the next rows are added below the first
	status, body, _ := l.fetchInPage(t, http.MethodGet, "/leads/download?format=csv")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 182, strings.Count(body, "\r\n"), "a header, 180 companies and the canary")
	require.Contains(t, body, "CNR-ACME")
	require.NotContains(t, body, "CNR-BOREALIS")
	l.open(t, l.api+"/leads?q=unknown")
	l.checkPage(t, "leads-none-found")
	l.open(t, l.api+"/profiles?new")
	l.element(t, ".match strong") // the page loads the count itself
	l.checkPage(t, "profile-new")
	l.fill(t, "#name", "Programmers")
	l.fill(t, "#industries", "62")
	require.Eventually(t, func() bool {
		return strings.Contains(l.evaluate(t, `document.querySelector('#match').textContent`), "180 of")
	}, time.Minute, 100*time.Millisecond,
		"the count follows what is typed")
	l.click(t, "form[action='/profiles'] button.primary")
	l.element(t, ".alert-good")
	l.checkPage(t, "profile-saved")
	l.click(t, "a[href$='delete']")
	l.element(t, "form[action='/profiles/delete']")
	l.checkPage(t, "profile-delete")
	l.click(t, "form[action='/profiles/delete'] button")
	l.element(t, ".alert-good")
	require.NotContains(t, l.source(t), "name=Programmers")
}

// signOut signs out and checks that the browser's back button shows no data.
func (l *pageChecker) signOut(t *testing.T) {
	l.open(t, l.api+"/leads")
	require.Contains(t, l.source(t), alice)
	l.click(t, "form[action='/signout'] button")
	l.waitForAddress(t, l.api+"/signin")
	for range 4 {
		l.call(t, http.MethodPost, "/back", map[string]any{}, nil)
		time.Sleep(300 * time.Millisecond)
		page := l.source(t)
		require.NotContains(t, page, alice, "going back at %s", l.currentAddress(t))
		require.NotContains(t, page, "LION CITY", "going back at %s", l.currentAddress(t))
	}
	require.NotContains(t, l.cookies(t), "nx_access")
}

// checkViewer signs in as bob, who has no tenant claim. He gets a tenant of his own and sees neither Alice's leads nor
// the operators' pages.
func (l *pageChecker) checkViewer(t *testing.T) {
	l.signIn(t, bob)
	l.element(t, ".celebrate, .empty")
	l.open(t, l.api+"/leads")
	require.Eventually(
		t,
		func() bool { return !strings.Contains(l.source(t), "Scoring is running") },
		time.Minute,
		100*time.Millisecond,
		"the page follows the first scoring",
	)
	require.Contains(t, l.source(t), "No leads yet")
	require.NotContains(t, l.source(t), "LION CITY")
	l.checkPage(t, "leads-none-yet")
	for _, path := range []string{"/ops", "/ops/tenants", "/ops/audit"} {
		l.open(t, l.api+path)
		require.Contains(t, l.source(t), "There is no such page", path)
	}
	_, err := l.db.Owner.Exec(
		t.Context(),
		`UPDATE onboarding_status SET status = 'error', error = 'the Odoo server does not answer', step = 'odoo_fields'
			WHERE tenant_id > 2`,
	)
	require.NoError(t, err)
	_, err = l.db.Owner.Exec(
		t.Context(),
		`UPDATE onboarding_steps SET state = 'failed', error = 'the Odoo server does not answer',
			hint = 'start Odoo, then try again' WHERE tenant_id > 2 AND step = 'odoo_fields'`,
	)
	require.NoError(t, err)
	l.open(t, l.api+"/setup")
	require.Contains(t, l.source(t), "the Odoo server does not answer")
	l.checkPage(t, "setup-failed")
}
