//go:build live

package main

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// TestLiveOdooSSOInChromium tests the single sign-on in a real browser: a user signs in to the console at a real
// Keycloak, waits for the workspace, opens it in real Odoo, clicks the sign-in button and is signed in without a
// password. It needs LEADCTL_LIVE_ODOO_URL (for version 14 LEADCTL_LIVE_ODOO14_URL), LEADCTL_LIVE_KEYCLOAK_URL and
// LEADCTL_LIVE_CHROMIUM.
func TestLiveOdooSSOInChromium(t *testing.T) {
	for _, server := range []struct{ name, variables, button, inside string }{
		{"19", "LEADCTL_LIVE_ODOO", `a[href*="openid-connect/auth"]`, "/odoo"},
		{"14", "LEADCTL_LIVE_ODOO14", `a[href*="openid-connect/auth"]`, "/web"},
	} {
		t.Run(
			server.name,
			func(t *testing.T) { testOneSignIn(t, server.name, server.variables, server.button, server.inside) },
		)
	}
}

func testOneSignIn(t *testing.T, version, variables, button, inside string) {
	live := func(suffix string) string {
		v := os.Getenv(variables + suffix)
		require.NotEmpty(t, v, "%s%s is not set; scripts/live sets it", variables, suffix)
		return v
	}
	prefix := "lctsso" + version + strings.ToLower(rand.Text()[:6])
	r := newRealm(t)
	s := &site{realm: r, api: "http://" + freeAddress(t)}
	r.more = []string{"--api-url", s.api, "--odoo-url", live("_URL")}
	r.setUp(t)
	for variable, value := range map[string]string{
		"ODOO_SERVER_URL": live("_URL"), "ODOO_POSTGRES_DSN": live("_DSN"),
		"ODOO_MASTER_PASSWORD_FILE": live("_MASTER_FILE"),
		"ODOO_TEMPLATE_DB":          "lct_template_c" + version, "LEADCTL_ODOO_DATABASE_PREFIX": prefix,
		"LEADCTL_ODOO_SSO_CLIENT_ID": "odoo", "LEADCTL_ODOO_VALIDATION_URL": s.api,
	} {
		t.Setenv(variable, value)
	}
	t.Cleanup(func() { dropDatabase(t, live("_DSN"), prefix) })
	s.startServe(t)
	mustRun(t, "odoo", "template", "prepare")
	s.chromium = newChromium(t)

	s.signIn(t, alice)
	s.open(t, s.api+"/setup") // this page starts the provisioning
	require.Eventually(t, func() (ready bool) {
		s.evalScript(t, `!!document.querySelector('.celebrate')`, &ready)
		return ready
	}, time.Minute, 200*time.Millisecond)
	verified, _ := mustRun(t, "odoo", "sso", "verify", "--tenant", "1", "-o", "csv")
	require.NotContains(t, verified, "failed")

	database := provision.DatabaseName(prefix, 1)
	s.click(t, `a.button[href^="`+live("_URL")+`"]`) // "Open Odoo"
	s.waitForAddress(t, live("_URL")+"/web/login")
	s.click(t, button)
	require.Eventually(t, func() bool {
		at := s.currentAddress(t)
		return strings.HasPrefix(at, live("_URL")+inside) && !strings.HasPrefix(at, live("_URL")+"/web/login")
	}, time.Minute, 100*time.Millisecond, "at %s", s.currentAddress(t))
	var who string
	s.evalScript(
		t,
		`fetch('/web/session/get_session_info', {method: 'POST', headers: {'Content-Type': 'application/json'},
			body: '{"jsonrpc":"2.0","method":"call","params":{}}'}).then(r => r.text())`,
		&who,
	)
	assert.Contains(t, who, `"username": "`+alice+`"`)
	assert.Contains(t, who, `"db": "`+database+`"`)
	s.seeLeads(t, version)
	s.loseAccess(t)
	s.rejectOtherUser(t, live("_URL"), database, button)
}

// loseAccess checks that the open browser of a removed user is signed out of Odoo.
func (s *site) loseAccess(t *testing.T) {
	start := time.Now()
	mustRun(t, "tenant", "user", "remove", "1", alice, "--wait")
	var who string
	s.evalScript(t, `fetch('/web/session/get_session_info', {method: 'POST',
		headers: {'Content-Type': 'application/json'},
		body: '{"jsonrpc":"2.0","method":"call","params":{}}'}).then(r => r.text())`, &who)
	t.Logf("Odoo session ended %v after the removal", time.Since(start))
	assert.NotContains(t, who, `"username": "`+alice+`"`)
	assert.Contains(t, who, "error")
}

// rejectOtherUser checks that bob, a user of the same realm and of another tenant, cannot sign in to alice's workspace.
func (s *site) rejectOtherUser(t *testing.T, odooURL, database, button string) {
	s.open(t, odooURL+"/web/session/logout")
	s.open(t, s.base+"/realms/"+s.name+"/protocol/openid-connect/logout")
	s.click(t, "#kc-logout")
	s.waitForAddress(
		t,
		s.base+"/realms/"+s.name+"/protocol/openid-connect/logout/logout-confirm",
	) // or that page would come after the next one
	s.open(t, odooURL+"/web/login?db="+url.QueryEscape(database))
	s.click(t, button)
	s.waitForAddress(t, s.base+"/realms/"+s.name)
	s.fill(t, "#username", bob)
	s.fill(t, "#password", livePassword)
	s.click(t, "#kc-login")
	s.waitForAddress(t, odooURL+"/web/login")
	require.Contains(t, s.currentAddress(t), "oauth_error")
}
