//go:build live

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLiveSSOInChromium tests `leadctl serve` with a real browser and a real Keycloak: users sign in, read their data
// and sign out. `scripts/live keycloak chromium` runs it (LEADCTL_LIVE_CHROMIUM).
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
	t.Run("no token within reach of scripts", func(t *testing.T) { s.requireNoTokenInPage(t) })
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

// site is a running `leadctl serve` with its realm and a browser.
type site struct {
	*realm
	*chromium
	api string
}

// startServe runs the daemon until the test ends.
func (s *site) startServe(t *testing.T) {
	mustRun(t, "secrets", "init", "keyset.json")
	for name, value := range map[string]string{
		"LEADCTL_KEYSET_FILE": "keyset.json", "COOKIE_SECURE": "false", "DISABLE_SCHEDULER": "1",
	} {
		t.Setenv(name, value)
	}
	for id, canary := range []string{"CNR-ACME", "CNR-BOREALIS"} {
		_, err := s.db.Owner.Exec(
			t.Context(),
			`WITH c AS (INSERT INTO companies (uen, name) VALUES ($2, $2) RETURNING company_id)
			INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale)
			SELECT $1, company_id, 0.5, 'high', $2 FROM c`,
			id+1,
			canary,
		)
		require.NoError(t, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	log := &loginTerminal{visit: func(string) {}}
	go func() {
		args := []string{"serve", "--listen", strings.TrimPrefix(s.api, "http://"), "--metrics-listen", freeAddress(t)}
		ended <- run(ctx, args, strings.NewReader(""), log, log)
	}()
	t.Cleanup(func() {
		stop()
		assert.Zero(t, <-ended, "serve stops without an error")
		if t.Failed() {
			t.Log(log.text.String())
		}
		assert.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, log.text.String(), "no token in the log")
	})
	require.Eventually(
		t,
		func() bool { return s.getStatus(t, "/readyz", nil) == http.StatusOK },
		time.Minute,
		100*time.Millisecond,
		"%s",
		log.text.String(),
	)
}

// getStatus sends a request to the API without the browser and returns the status code.
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
	s.open(t, s.api+"/auth/login?return_to=/profiles")
	s.waitForAddress(t, s.base+"/realms/"+s.name)
	require.Contains(t, s.currentAddress(t), "code_challenge_method=S256")
	s.fill(t, "#username", email)
	s.fill(t, "#password", livePassword)
	s.click(t, "#kc-login")
	s.waitForPage(t)
}

// waitForPage waits until a sign-in ended at a page of the console, and opens one without scripts of its own.
func (s *site) waitForPage(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		at := s.currentAddress(t)
		return strings.HasPrefix(at, s.api+"/") && !strings.HasPrefix(at, s.api+"/auth/")
	}, time.Minute, 100*time.Millisecond)
	s.open(t, s.api+"/health")
}

// cookieHeader has all cookies of the browser's session.
func (s *site) cookieHeader(t *testing.T) http.Header {
	var pairs []string
	for name, c := range s.cookies(t) {
		pairs = append(pairs, name+"="+c.Value)
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

// fetchInPage sends a request from the page, as the page's scripts do. end is the URL that ends the provider's session.
func (s *site) fetchInPage(t *testing.T, method, path string) (status int, body, end string) {
	t.Helper()
	var answer struct {
		Status    int
		Body, End string
	}
	s.evalScript(
		t,
		`fetch('`+path+`', {method: '`+method+`'}).then(async r => ({status: r.status, body: await r.text(),
			end: r.headers.get('X-End-Session-Url') || ''}))`,
		&answer,
	)
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

// requireNoTokenInPage checks that a script in the page can reach no token.
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
		s.evalScript(
			t,
			`document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) +
				document.documentElement.outerHTML + location.href`,
			&reach,
		)
		require.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, reach, page)
		for _, c := range cookies {
			require.NotContains(t, reach, c.Value, "%s: %s", page, c.Name)
		}
	}
}

// requireLocalReturn checks in the browser that return_to never leads to another host, with addresses that browsers and
// servers may parse differently. Alice is signed in at the provider, so each sign-in needs no input.
func (s *site) requireLocalReturn(t *testing.T) {
	for _, to := range []string{
		"//127.0.0.2", `/\127.0.0.2`, `\/127.0.0.2`, `\\127.0.0.2`, "/%5c127.0.0.2", "/%2f127.0.0.2", "/..//127.0.0.2",
		"/.//127.0.0.2", "/a/..//127.0.0.2", "http:127.0.0.2", "http:/127.0.0.2", "http://127.0.0.2",
		"https://127.0.0.2", "//127.0.0.2%2f..", "javascript:location='http://127.0.0.2'", "data:text/html,x",
		"/health?next=//127.0.0.2", "@127.0.0.2", ".//127.0.0.2", s.api + "@127.0.0.2", "/%2e%2e//127.0.0.2",
		"/health/../..//127.0.0.2", "/;//127.0.0.2", "/%252f%252f127.0.0.2",
	} {
		s.open(t, s.api+"/auth/login?return_to="+url.QueryEscape(to))
		s.waitForAddress(t, s.api+"/")
		require.NotContains(t, s.currentAddress(t), "/auth/", "the sign-in is over: %q", to)
	}
}

// signOut ends the session at leadctl and at the provider.
func (s *site) signOut(t *testing.T) {
	token, cookies := s.cookies(t)["nx_access"].Value, s.cookieHeader(t)
	require.Equal(t, http.StatusOK, s.getStatus(t, "/whoami", cookies))
	require.Equal(t, http.StatusUnauthorized,
		s.getStatus(t, "/whoami", http.Header{"Cookie": {"nx_access=" + token}}), "without the session's own cookie")
	status, _, end := s.fetchInPage(t, http.MethodPost, "/auth/logout")
	require.Equal(t, http.StatusNoContent, status)
	require.Contains(t, end, s.base+"/realms/"+s.name+"/protocol/openid-connect/logout")
	require.Equal(
		t,
		http.StatusUnauthorized,
		s.getStatus(t, "/whoami", cookies),
		"a copy of the cookies",
	)
	require.Equal(
		t,
		http.StatusUnauthorized,
		s.getStatus(t, "/whoami", http.Header{"Authorization": {"Bearer " + token}}),
	)
	s.open(t, end)
	s.waitForAddress(t, s.api+"/")
	left := s.cookies(t)
	require.NotContains(t, left, "nx_access")
	require.NotContains(t, left, "nx_refresh")
	status, _, _ = s.fetchInPage(t, http.MethodGet, "/whoami")
	require.Equal(t, http.StatusUnauthorized, status)
	s.open(t, s.api+"/auth/login")
	s.waitForAddress(t, s.base+"/realms/"+s.name)
	s.element(t, "#password") // the provider's session has ended too
}

// disableUser disables an account at the provider and checks that the next refresh ends its session.
func (s *site) disableUser(t *testing.T, email string) {
	var users []map[string]any
	require.Equal(
		t,
		200,
		s.callAdmin(t, http.MethodGet, "/users?exact=true&username="+url.QueryEscape(email), nil, &users),
	)
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
