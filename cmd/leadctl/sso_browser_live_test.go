//go:build live

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLiveSSOInChromium is what people do: they sign in to `leadctl serve` with a real browser at a real Keycloak, use
// what is theirs, and sign out. `scripts/live keycloak chromium` runs it (LEADCTL_LIVE_CHROMIUM).
func TestLiveSSOInChromium(t *testing.T) {
	r := newRealm(t)
	s := &site{realm: r, api: "http://" + freeAddress(t)}
	r.more = []string{"--api-url", s.api}
	r.setUp(t)
	s.startServe(t)
	s.chromium = newChromium(t)

	t.Run("alice signs in", func(t *testing.T) {
		s.signIn(t, alice)
		s.requireOwnData(t, alice, 1, "ops", "CNR-ACME", "CNR-BOREALIS")
	})
	t.Run("nothing for scripts to steal", func(t *testing.T) { s.requireNoTokenInPage(t) })
	t.Run("return_to", func(t *testing.T) { s.requireLocalReturn(t) })
	t.Run("keys rotate under load", func(t *testing.T) { s.keysRotateUnderLoad(t) })
	t.Run("alice signs out", func(t *testing.T) { s.signOut(t) })
	t.Run("bob signs in", func(t *testing.T) {
		mustRun(t, "sso", "keycloak", "assign", bob, "--tenant", "2", "--role", "viewer")
		s.signIn(t, bob)
		s.requireOwnData(t, bob, 2, "viewer", "CNR-BOREALIS", "CNR-ACME")
	})
	t.Run("bob is disabled at the provider", func(t *testing.T) { s.disableUser(t, bob) })
}

// site is leadctl as it is deployed, and somebody's browser.
type site struct {
	*realm
	*chromium
	api string
}

// startServe runs the daemon until the test ends.
func (s *site) startServe(t *testing.T) {
	mustRun(t, "secrets", "init", "keyset.json")
	for name, value := range map[string]string{"LEADCTL_KEYSET_FILE": "keyset.json", "COOKIE_SECURE": "false", "DISABLE_SCHEDULER": "1"} {
		t.Setenv(name, value)
	}
	for id, canary := range []string{"CNR-ACME", "CNR-BOREALIS"} {
		_, err := s.db.Owner.Exec(t.Context(), `WITH c AS (INSERT INTO companies (uen, name) VALUES ($2, $2) RETURNING company_id)
			INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale) SELECT $1, company_id, 0.5, 'high', $2 FROM c`, id+1, canary)
		require.NoError(t, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	log := &loginTerminal{visit: func(string) {}}
	go func() {
		ended <- run(ctx, []string{"serve", "--listen", strings.TrimPrefix(s.api, "http://"), "--metrics-listen", freeAddress(t)}, strings.NewReader(""), log, log)
	}()
	t.Cleanup(func() {
		stop()
		assert.Zero(t, <-ended, "serve ends in order")
		if t.Failed() {
			t.Log(log.text.String())
		}
		assert.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, log.text.String(), "no token in the log")
	})
	require.Eventually(t, func() bool { return s.getStatus(t, "/readyz", nil) == http.StatusOK }, time.Minute, 100*time.Millisecond, "%s", log.text.String())
}

// getStatus asks the API without the browser.
func (s *site) getStatus(t *testing.T, path string, header http.Header) int {
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, s.api+path, nil)
	if !assert.NoError(t, err) {
		return 0
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (s *site) signIn(t *testing.T, email string) {
	s.open(t, s.api+"/auth/login?return_to=/health")
	s.waitForAddress(t, s.base+"/realms/"+s.name)
	require.Contains(t, s.currentAddress(t), "code_challenge_method=S256")
	s.fill(t, "#username", email)
	s.fill(t, "#password", livePassword)
	s.click(t, "#kc-login")
	s.waitForAddress(t, s.api+"/health")
}

// fetchInPage fetches within the page, as the page's own scripts do.
func (s *site) fetchInPage(t *testing.T, method, path string) (status int, body, end string) {
	t.Helper()
	var answer struct {
		Status    int
		Body, End string
	}
	s.evalScript(t, `fetch('`+path+`', {method: '`+method+`'}).then(async r => ({status: r.status, body: await r.text(), end: r.headers.get('X-End-Session-Url') || ''}))`, &answer)
	return answer.Status, answer.Body, answer.End
}

func (s *site) requireOwnData(t *testing.T, email string, tenant int, role, hers, others string) {
	status, body, _ := s.fetchInPage(t, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusOK, status, body)
	var who struct {
		Email    string
		TenantID int `json:"tenant_id"`
		Roles    []string
	}
	require.NoError(t, json.Unmarshal([]byte(body), &who))
	require.Equal(t, email, who.Email)
	require.Equal(t, tenant, who.TenantID)
	require.Equal(t, []string{role}, who.Roles)
	for _, path := range []string{"/export/latest_scores.json", "/export/latest_scores.csv"} {
		status, body, _ = s.fetchInPage(t, http.MethodGet, path)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, hers)
		require.NotContains(t, body, others)
	}
	before := s.cookies(t)["nx_access"].Value
	_, err := s.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	require.NoError(t, err)
	status, body, _ = s.fetchInPage(t, http.MethodPost, "/auth/refresh")
	require.Equal(t, http.StatusOK, status, body)
	token := s.cookies(t)["nx_access"].Value
	require.NotEqual(t, before, token)
	require.NoError(t, os.WriteFile("cookie.token", []byte(token), 0o600))
	for name, c := range explainChecks(t, 0, "--token-file", "cookie.token") {
		if name != "clock" { // Keycloak sends no Date
			require.Equal(t, "passed", c.State, "%s: %s", name, c.Detail)
		}
	}
}

// requireNoTokenInPage looks at all that a script in the page can reach.
func (s *site) requireNoTokenInPage(t *testing.T) {
	cookies := s.cookies(t)
	for _, name := range []string{"nx_access", "nx_refresh"} {
		c := cookies[name]
		require.NotEmpty(t, c.Value, name)
		require.True(t, c.HTTPOnly, name)
		require.Equal(t, "Lax", c.SameSite, name)
		require.Equal(t, "/", c.Path, name)
	}
	for _, page := range []string{"/docs", "/", "/health"} {
		s.open(t, s.api+page)
		var reach string
		s.evalScript(t, `document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.documentElement.outerHTML + location.href`, &reach)
		require.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, reach, page)
		for _, c := range cookies {
			require.NotContains(t, reach, c.Value, "%s: %s", page, c.Name)
		}
	}
}

// requireLocalReturn has the browser itself read addresses that are made to be read in two ways. She is signed in at the
// provider, so each sign-in runs through by itself.
func (s *site) requireLocalReturn(t *testing.T) {
	for _, to := range []string{
		"//127.0.0.2", `/\127.0.0.2`, `\/127.0.0.2`, `\\127.0.0.2`, "/%5c127.0.0.2", "/%2f127.0.0.2", "/..//127.0.0.2", "/.//127.0.0.2", "/a/..//127.0.0.2", "http:127.0.0.2",
		"http:/127.0.0.2", "http://127.0.0.2", "https://127.0.0.2", "//127.0.0.2%2f..", "javascript:location='http://127.0.0.2'", "data:text/html,x", "/health?next=//127.0.0.2",
		"@127.0.0.2", ".//127.0.0.2", s.api + "@127.0.0.2", "/%2e%2e//127.0.0.2", "/health/../..//127.0.0.2", "/;//127.0.0.2", "/%252f%252f127.0.0.2",
	} {
		s.open(t, s.api+"/auth/login?return_to="+url.QueryEscape(to))
		s.waitForAddress(t, s.api+"/")
		require.NotContains(t, s.currentAddress(t), "/auth/", "the sign-in is over: %q", to)
	}
}

// keysRotateUnderLoad gives the realm a new signing key while tokens under the old one are used all the time. Nobody
// who is signed in notices, and who signs in now is in at once.
func (s *site) keysRotateUnderLoad(t *testing.T) {
	tokens := func() http.Header { return http.Header{"Cookie": {"nx_access=" + s.cookies(t)["nx_access"].Value}} }
	other := newPerson(t, alice) // on another machine, whose session the sign-in below leaves alone
	other.signInAt(t, s.api+"/auth/login?return_to=/health")
	home, err := url.Parse(s.api)
	require.NoError(t, err)
	old := http.Header{}
	for _, c := range other.Jar.Cookies(home) {
		if c.Name == "nx_access" {
			old.Set("Cookie", c.Name+"="+c.Value)
		}
	}
	require.Equal(t, http.StatusOK, s.getStatus(t, "/whoami", old))

	stop, using := make(chan struct{}), sync.WaitGroup{}
	var asked, refused atomic.Int64
	use := func(header http.Header) {
		using.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				asked.Add(1)
				if s.getStatus(t, "/whoami", header) != http.StatusOK {
					refused.Add(1)
				}
			}
		})
	}
	use(old)
	use(old)
	require.Equal(t, 201, s.callAdmin(t, http.MethodPost, "/components", map[string]any{
		"name": "rsa-next", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider", "parentId": s.id(t),
		"config": map[string][]string{"priority": {"200"}, "enabled": {"true"}, "active": {"true"}, "algorithm": {"RS256"}, "keySize": {"2048"}},
	}, nil))
	s.open(t, s.api+"/auth/login?return_to=/health")
	s.waitForAddress(t, s.api+"/health")
	renewed := tokens()
	require.NotEqual(t, headOf(t, old), headOf(t, renewed), "another key signed it")
	require.Equal(t, http.StatusOK, s.getStatus(t, "/whoami", renewed), "the new key counts at once")
	use(renewed)
	use(renewed)
	before := asked.Load()
	require.Eventually(t, func() bool { return asked.Load() > before+1000 }, time.Minute, 10*time.Millisecond, "they ask on")
	close(stop)
	using.Wait()
	t.Logf("%d requests while the keys rotated, %d refused", asked.Load(), refused.Load())
	require.Zero(t, refused.Load())
}

// headOf is the header of the token in a cookie.
func headOf(t *testing.T, h http.Header) string {
	t.Helper()
	head, _, _ := strings.Cut(strings.TrimPrefix(h.Get("Cookie"), "nx_access="), ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(t, err)
	return string(raw)
}

// signOut ends both sessions, here and at the provider.
func (s *site) signOut(t *testing.T) {
	token := s.cookies(t)["nx_access"].Value
	require.Equal(t, http.StatusOK, s.getStatus(t, "/whoami", http.Header{"Cookie": {"nx_access=" + token}}))
	status, _, end := s.fetchInPage(t, http.MethodPost, "/auth/logout")
	require.Equal(t, http.StatusNoContent, status)
	require.Contains(t, end, s.base+"/realms/"+s.name+"/protocol/openid-connect/logout")
	require.Equal(t, http.StatusUnauthorized, s.getStatus(t, "/whoami", http.Header{"Cookie": {"nx_access=" + token}}), "a copy of the cookie")
	require.Equal(t, http.StatusUnauthorized, s.getStatus(t, "/whoami", http.Header{"Authorization": {"Bearer " + token}}))
	s.open(t, end)
	s.waitForAddress(t, s.api+"/")
	cookies := s.cookies(t)
	require.NotContains(t, cookies, "nx_access")
	require.NotContains(t, cookies, "nx_refresh")
	status, _, _ = s.fetchInPage(t, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusUnauthorized, status)
	s.open(t, s.api+"/auth/login")
	s.waitForAddress(t, s.base+"/realms/"+s.name)
	s.element(t, "#password") // the provider asks again: the single sign-on is over too
}

// disableUser takes somebody's account away at the provider. The next refresh ends the session here.
func (s *site) disableUser(t *testing.T, email string) {
	var users []map[string]any
	require.Equal(t, 200, s.callAdmin(t, http.MethodGet, "/users?exact=true&username="+url.QueryEscape(email), nil, &users))
	require.Len(t, users, 1)
	users[0]["enabled"] = false
	require.Equal(t, 204, s.callAdmin(t, http.MethodPut, "/users/"+users[0]["id"].(string), users[0], nil))
	_, err := s.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	require.NoError(t, err)
	for range 2 {
		status, body, _ := s.fetchInPage(t, http.MethodPost, "/auth/refresh")
		require.Equal(t, http.StatusUnauthorized, status, body)
	}
}
