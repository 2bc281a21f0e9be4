//go:build live

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// TestLiveOdooSSOInChromium tests the single sign-on in a real browser: a user signs in to the console at a real
// Keycloak, waits for the workspace, opens it in real Odoo and is in the CRM's pipeline, without a password or a
// further click. A suspension and a removal end that. It needs LEADCTL_LIVE_ODOO_URL (for version 14
// LEADCTL_LIVE_ODOO14_URL), LEADCTL_LIVE_KEYCLOAK_URL and LEADCTL_LIVE_CHROMIUM.
func TestLiveOdooSSOInChromium(t *testing.T) {
	for _, server := range []struct{ name, variables, inside string }{
		{"19", "LEADCTL_LIVE_ODOO", "/odoo"},
		{"14", "LEADCTL_LIVE_ODOO14", "/web"},
	} {
		t.Run(server.name, func(t *testing.T) { testOneSignIn(t, server.name, server.variables, server.inside) })
	}
}

func testOneSignIn(t *testing.T, version, variables, inside string) {
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
	s.click(t, `a.button[href^="`+live("_URL")+`"]`) // "Open Odoo" leads into the CRM without a further click
	s.waitForPipeline(t, live("_URL")+inside)
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
	o := odooSite{s, live("_URL"), database, inside}
	o.suspendAndResume(t)
	o.visit(t)
	o.loseAccess(t)
	o.rejectOtherUser(t)
}

// waitForPipeline waits until the browser shows the CRM's pipeline in Odoo.
func (s *site) waitForPipeline(t *testing.T, inside string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var shown bool
		s.evalScript(t, `!!document.querySelector('.o_kanban_view .o_kanban_group, .o_kanban_view .o_kanban_record')`,
			&shown)
		return shown && strings.HasPrefix(s.currentAddress(t), inside) &&
			!strings.Contains(s.currentAddress(t), "/web/login")
	}, time.Minute, 200*time.Millisecond, "at %s", s.currentAddress(t))
}

// odooSite is a site with a workspace.
type odooSite struct {
	*site
	odoo, database, inside string
}

// openOdoo follows the console's link "Open Odoo".
func (o odooSite) openOdoo(t *testing.T) {
	t.Helper()
	o.open(t, workspace.View{BaseURL: o.odoo, Database: o.database}.OpenURL())
}

// odooSession returns what tells whether the session that the browser has in Odoo now is still one of alice's.
func (o odooSite) odooSession(t *testing.T) (lasts func() bool) {
	t.Helper()
	id := o.cookies(t)["session_id"].Value
	require.NotEmpty(t, id)
	return func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.odoo+"/web/session/get_session_info",
			strings.NewReader(`{"jsonrpc":"2.0","method":"call","params":{}}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.AddCookie(&http.Cookie{Name: "session_id", Value: id})
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.Contains(string(text), `"username": "`+alice+`"`)
	}
}

// endsAfter runs an act and checks that alice's session in Odoo ends within ten seconds.
func (o odooSite) endsAfter(t *testing.T, act string, do func()) {
	t.Helper()
	lasts := o.odooSession(t)
	require.True(t, lasts())
	start := time.Now()
	do()
	require.Eventually(t, func() bool { return !lasts() }, 10*time.Second, 20*time.Millisecond, act)
	t.Logf("%s: Odoo session ended after %v", act, time.Since(start).Round(time.Millisecond))
}

// suspendAndResume: B-082. The suspension ends the open session, Odoo leads a new sign-in to a page of leadctl that
// says why, and the resumption lets alice in again.
func (o odooSite) suspendAndResume(t *testing.T) {
	o.endsAfter(t, "suspend", func() { mustRun(t, "tenant", "suspend", "1", "--reason", "unpaid") })
	start := time.Now()
	o.openOdoo(t)
	o.waitForAddress(t, o.api+"/odoo/refused")
	t.Logf("suspended: new sign-in refused after %v", time.Since(start).Round(time.Millisecond))
	o.waitForTexts(t, "h1", "This workspace is suspended")
	start = time.Now()
	mustRun(t, "tenant", "resume", "1")
	require.Eventually(t, func() bool { // the daemon's job gives the access back
		o.openOdoo(t)
		time.Sleep(time.Second)
		return strings.HasPrefix(o.currentAddress(t), o.odoo+o.inside)
	}, time.Minute, 100*time.Millisecond)
	o.waitForPipeline(t, o.odoo+o.inside)
	t.Logf("resumed: in the pipeline again after %v", time.Since(start).Round(time.Millisecond))
}

// visit gives an operator access and ends it. The smoke test passes meanwhile.
func (o odooSite) visit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	out, _ := mustRun(t, "odoo", "open", "--tenant", "1", "--reason", "ticket 1234", "--password-file", file,
		"-o", "json")
	var visit odooVisit
	require.NoError(t, json.Unmarshal([]byte(out), &visit))
	password, err := os.ReadFile(file)
	require.NoError(t, err)
	signIn := func() string {
		body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "call", "params": map[string]string{
			"db": o.database, "login": visit.Login, "password": string(password)}})
		require.NoError(t, err)
		resp, err := http.Post(o.odoo+"/web/session/authenticate", "application/json", bytes.NewReader(body))
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, signIn(), `"username": "`+visit.Login+`"`)
	tried, _ := mustRun(t, "odoo", "test", "--tenant", "1", "-o", "csv")
	require.Contains(t, tried, "side doors,passed")
	mustRun(t, "odoo", "open", "--tenant", "1", "--end", "--reason", "solved")
	require.NotContains(t, signIn(), `"username"`)
	acts, _ := mustRun(t, "audit", "list", "--tenant", "1", "-o", "csv")
	require.Contains(t, acts, "ticket 1234")
	require.Contains(t, acts, "odoo.open.end")
}

// loseAccess checks that the open browser of a removed user is signed out of Odoo, and learns why.
func (o odooSite) loseAccess(t *testing.T) {
	o.endsAfter(t, "remove", func() { mustRun(t, "tenant", "user", "remove", "1", alice, "--wait") })
	o.openOdoo(t)
	o.waitForAddress(t, o.api+"/signin") // her session in leadctl has ended too
	o.click(t, "a.primary")
	o.waitForAddress(t, o.api+"/odoo/refused")
	o.waitForTexts(t, "h1", "You are no longer a user of this company")
}

// rejectOtherUser checks that bob, a user of the same realm and of another tenant, cannot sign in to alice's workspace.
func (o odooSite) rejectOtherUser(t *testing.T) {
	o.open(t, o.odoo+"/web/session/logout")
	o.open(t, o.base+"/realms/"+o.name+"/protocol/openid-connect/logout")
	o.click(t, "#kc-logout")
	o.waitForAddress(
		t,
		o.base+"/realms/"+o.name+"/protocol/openid-connect/logout/logout-confirm",
	) // or that page would come after the next one
	o.openOdoo(t)
	o.waitForAddress(t, o.base+"/realms/"+o.name)
	o.fill(t, "#username", bob)
	o.fill(t, "#password", livePassword)
	o.click(t, "#kc-login")
	o.waitForAddress(t, o.api+"/") // alice's session in leadctl or none, but no page of Odoo
}
