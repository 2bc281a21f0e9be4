//go:build live

package provision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

const (
	herToken  = "her-access-token"
	herLogin  = "her@example.com"
	reachable = 10 * time.Second // in which access ends
)

// testDoorsLive also tries the doors as a person with a browser.
func testDoorsLive(t *testing.T, r rig) {
	testDoors(t, r)
	t.Run("as a person", func(t *testing.T) { testHerDoors(t, r) })
	t.Run("B-082", func(t *testing.T) { testHerAccessEnds(t, r) })
}

// her is a person of a workspace with a browser and an API key from before the single sign-on.
type her struct {
	*http.Client
	r        rig
	w        provision.Workspace
	provider int64
	uid      int64
	major    int
	key      odoo.Secret
}

// newHer makes a workspace with single sign-on and signs her in.
func newHer(t *testing.T, r rig) *her {
	ctx := context.Background()
	h := &her{r: r, w: r.provision(t, 122), key: odoo.NewSecret()}
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("access_token") != herToken && r.Header.Get("Authorization") != "Bearer "+herToken {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error": "invalid_token"}`))
			return
		}
		_, _ = w.Write([]byte(`{"sub": "subject-1", "user_id": "subject-1"}`))
	}))
	t.Cleanup(idp.Close)
	version, err := r.server.Version(ctx)
	require.NoError(t, err)
	h.major, h.uid = version.Major, r.ensurePerson(t, h.w, herLogin)
	settings, err := r.prov.OpenForSettings(ctx, h.w)
	require.NoError(t, err)
	// After a few refused sign-ins, which the tests of this database make on purpose, Odoo refuses all for a minute.
	require.NoError(t, settings.EnsureParameters(ctx, [][2]string{{"base.login_cooldown_after", "0"}}))
	sso := keycloak
	sso.UserInfo, sso.RefusedPage = idp.URL, "https://leadctl.example/odoo/refused"
	h.provider, err = r.prov.EnsureProvider(ctx, h.w, sso)
	require.NoError(t, err)
	require.NoError(t, r.prov.LinkUser(ctx, h.w, h.provider, h.uid, "subject-1"))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	h.Client = &http.Client{Jar: jar, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return h
}

// page returns a page of Odoo and its status.
func (h *her) page(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := h.Get(h.r.server.BaseURL() + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if to := resp.Header.Get("Location"); to != "" {
		return resp.StatusCode, to
	}
	return resp.StatusCode, string(body)
}

// signIn comes back from the provider with a token, and reports whether Odoo let her in.
func (h *her) signIn(t *testing.T) bool {
	t.Helper()
	h.page(t, "/web/login?db="+h.w.Database)
	state, err := json.Marshal(map[string]any{"d": h.w.Database, "p": h.provider})
	require.NoError(t, err)
	answer := url.Values{"access_token": {herToken}, "state": {string(state)}}
	status, to := h.page(t, "/auth_oauth/signin?"+answer.Encode())
	require.Equal(t, http.StatusSeeOther, status, to)
	return !strings.Contains(to, "oauth_error")
}

// call calls a method as the pages of Odoo do. It returns the result, and the answer of a refused call.
func (h *her) call(t *testing.T, path string, params map[string]any) (result any, refusal string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "call", "params": params})
	require.NoError(t, err)
	resp, err := h.Post(h.r.server.BaseURL()+path, "application/json", strings.NewReader(string(body)))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer struct{ Result, Error any }
	if json.Unmarshal(text, &answer) != nil || answer.Error != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Sprint(resp.StatusCode, " ", string(text))
	}
	return answer.Result, ""
}

func (h *her) callModel(t *testing.T, model, method string, args ...any) (any, string) {
	t.Helper()
	return h.call(t, "/web/dataset/call_kw/"+model+"/"+method,
		map[string]any{"model": model, "method": method, "args": args, "kwargs": map[string]any{}})
}

func (h *her) isSignedIn(t *testing.T) bool {
	t.Helper()
	info, _ := h.call(t, "/web/session/get_session_info", map[string]any{})
	fields, _ := info.(map[string]any)
	return fields["username"] == herLogin
}

// isBusy lets her browser send requests all the time until rest is called. A request between Odoo's write and its
// commit makes Odoo remember the old state of her user.
func (h *her) isBusy(t *testing.T) (rest func()) {
	var stop atomic.Bool
	var tabs sync.WaitGroup
	for range 4 {
		tabs.Go(func() {
			for !stop.Load() {
				resp, err := h.Post(h.r.server.BaseURL()+"/web/session/get_session_info", "application/json",
					strings.NewReader(`{"jsonrpc": "2.0", "method": "call", "params": {}}`))
				if assert.NoError(t, err) {
					_ = resp.Body.Close()
				}
			}
		})
	}
	return func() {
		stop.Store(true)
		tabs.Wait()
	}
}

// addKey gives her an API key in SQL, because she cannot make one.
func (h *her) addKey(t *testing.T) {
	t.Helper()
	hash, err := provision.HashKey(h.key)
	require.NoError(t, err)
	_, err = h.r.connect(t, h.w).Exec(context.Background(), `INSERT INTO res_users_apikeys (name, user_id, key, index)
		VALUES ('hers', $1, $2, $3)`, h.uid, hash, string(h.key[:8]))
	require.NoError(t, err)
}

// keyOpens reports whether Odoo accepts her key, over XML-RPC and on 19 over JSON-2.
func (h *her) keyOpens(t *testing.T) bool {
	t.Helper()
	s, _, err := h.r.server.Open(context.Background(), odoo.Account{Database: h.w.Database, Secret: h.key, UID: h.uid,
		Over: odoo.ProtocolXMLRPC})
	require.NoError(t, err)
	_, err = s.SearchCount(context.Background(), "crm.lead", odoo.Query{})
	overXML := err == nil
	if h.major >= 19 {
		_, err := sessionJSON2(t, h.r.server, h.w.Database, h.key).SearchCount(context.Background(), "crm.lead",
			odoo.Query{})
		require.Equal(t, overXML, err == nil, "%v", err)
	}
	return overXML
}

// testHerDoors tries each way in beside the provider as a person with a browser.
func testHerDoors(t *testing.T, r rig) {
	h := newHer(t, r)
	const open = "&leadctl=open&redirect=%2Fweb%23action%3Dcrm"
	h.page(t, "/web/login?db="+h.w.Database+open) // Odoo sets its cookie and leads to the same page
	_, page := h.page(t, "/web/login?db="+h.w.Database+open)
	require.Regexp(t, `http-equiv="refresh"[^>]+content="0;url=`+keycloak.AuthEndpoint+`\?`, page)
	require.Contains(t, page, "display: none", "people see no password form")
	_, page = h.page(t, "/web/login?login=admin")
	require.NotContains(t, page, "display: none", "an administrator sees it")
	_, page = h.page(t, "/web/login?oauth_error=2")
	require.Regexp(t, `http-equiv="refresh"[^>]+content="0;url=https://leadctl.example/odoo/refused"`, page)
	require.True(t, h.signIn(t))
	require.True(t, h.isSignedIn(t))
	status, to := h.page(t, "/web/login?db="+h.w.Database+open)
	require.Equal(t, http.StatusSeeOther, status)
	require.Contains(t, to, "/web#action=crm", "a signed-in person is led into the CRM at once")
	for _, path := range []string{"/web/reset_password", "/web/signup"} {
		status, _ := h.page(t, path)
		require.Equal(t, http.StatusNotFound, status, path)
	}
	wizard := map[string]any{"name": "hers"}
	if h.major >= 19 {
		wizard["duration"] = "1"
		_, refusal := h.callModel(t, "auth.passkey.key.create", "create", []any{map[string]any{"name": "hers"}})
		require.Contains(t, refusal, "AccessError")
	}
	_, refusal := h.callModel(t, "res.users.apikeys.description", "create", wizard)
	require.Contains(t, refusal, "AccessError")
	_, refusal = h.callModel(t, "res.users", "write", []int64{h.uid}, map[string]any{"password": "of-her-own"})
	require.Contains(t, refusal, "AccessError")
	_, refusal = h.callModel(t, "res.users", "action_reset_password", []int64{h.uid})
	require.Contains(t, refusal, "AccessError")

	// Odoo 14 takes the access token for a password, and offers no setting against it. The check finds the password.
	_, refusal = h.callModel(t, "res.users", "change_password", herToken, "of-her-own")
	require.Equal(t, h.major >= 19, refusal != "", refusal)
	_, opens, err := r.server.Authenticate(context.Background(), h.w.Database, herLogin, "of-her-own")
	require.NoError(t, err)
	require.Equal(t, h.major < 19, opens)
	if opens {
		require.Equal(t, "side doors", r.failedCheck(t, h.w))
	}
	h.addKey(t)
	require.True(t, h.keyOpens(t))
	require.Equal(t, "side doors", r.failedCheck(t, h.w))
	_, err = r.prov.EnsureProvider(context.Background(), h.w, keycloak)
	require.NoError(t, err)
	require.False(t, h.keyOpens(t))
	_, opens, err = r.server.Authenticate(context.Background(), h.w.Database, herLogin, "of-her-own")
	require.NoError(t, err)
	require.False(t, opens)
	require.Empty(t, r.failedCheck(t, h.w))
}

// testHerAccessEnds: B-082. Her open session, a new sign-in, password reset and her API key end with the removal of the
// person and with the suspension of the tenant, and come back as they were. The deletion of the tenant ends them, too.
func testHerAccessEnds(t *testing.T, r rig) {
	ctx := context.Background()
	h := newHer(t, r)
	h.addKey(t)
	for _, act := range []struct{ reason, login string }{
		{provision.AccessRemoved, herLogin}, {provision.AccessSuspended, ""},
	} {
		require.True(t, h.signIn(t), act.reason)
		require.True(t, h.isSignedIn(t), act.reason)
		require.True(t, h.keyOpens(t), act.reason)
		rest := h.isBusy(t)
		start := time.Now()
		_, err := r.prov.TakeAccess(ctx, h.w, act.reason, act.login)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !h.isSignedIn(t) }, reachable, 10*time.Millisecond)
		t.Logf("%s: her session ended after %v", act.reason, time.Since(start))
		rest()
		require.False(t, h.isSignedIn(t))
		require.False(t, h.keyOpens(t))
		t.Logf("%s: her API key was refused after %v", act.reason, time.Since(start))
		require.False(t, h.signIn(t))
		t.Logf("%s: a new sign-in was refused after %v", act.reason, time.Since(start))
		status, _ := h.page(t, "/web/reset_password")
		require.Equal(t, http.StatusNotFound, status)

		start = time.Now()
		require.NoError(t, r.prov.GiveAccess(ctx, h.w, act.reason, act.login))
		require.True(t, h.signIn(t))
		t.Logf("%s undone: signed in again after %v", act.reason, time.Since(start))
		require.True(t, h.keyOpens(t))
	}
	start := time.Now()
	_, err := r.prov.DropDatabase(ctx, h.w)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !h.isSignedIn(t) && !h.keyOpens(t) }, reachable, 10*time.Millisecond)
	t.Logf("deleted: her session ended and her API key was refused after %v", time.Since(start))
}
