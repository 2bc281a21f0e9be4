package devidp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/fault"
)

func TestPickerPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conf := w.oauth(cli, "")
	resp, body := w.get(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	require.Contains(t, body, "Ann &lt;Lead&gt;")
	require.Contains(t, body, "bob@beta.example")
	require.NotContains(t, body, "<script")
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	id := requestIn(t, body)
	resp, _ = w.post(t, "/login", url.Values{"request": {id}, "user": {"u-unknown"}})
	require.Equal(t, 404, resp.StatusCode)
	resp, _ = w.post(t, "/login", url.Values{"request": {"guess"}, "user": {"u-ann"}})
	require.Equal(t, 404, resp.StatusCode)
	resp, _ = w.get(t, w.issuer+"/login?request=guess")
	require.Equal(t, 404, resp.StatusCode)
	resp, _ = w.get(t, w.issuer+"/authorize/callback?id="+id)
	require.Contains(t, resp.Header.Get("Location"), "error=interaction_required", "no code before a user is selected")
	for _, u := range []string{"http://evil.example/callback", "http://127.0.0.1/other"} {
		conf.RedirectURL = u
		resp, _ = w.get(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
		require.Equal(t, 400, resp.StatusCode, "must not redirect to an unregistered address")
	}
}

func TestRejectsOtherHostsAndOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(change func(*http.Request)) int {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader("request=x&user=u-ann"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr, r.Host = "127.0.0.1:9999", strings.TrimPrefix(w.issuer, "http://")
		change(r)
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		return rec.Code
	}
	require.Equal(t, 404, ask(func(*http.Request) {}), "allowed, but there is no such sign-in request")
	require.Equal(t, 403, ask(func(r *http.Request) { r.RemoteAddr = "192.0.2.1:9999" }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.Host = "rebound.evil.example" }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }))
	require.Equal(t, 403, ask(func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }))
}

func TestConfigIsForLoopback(t *testing.T) {
	t.Parallel()
	users, clients := []devidp.User{{ID: "u"}}, []devidp.Client{{ID: "c"}}
	for _, issuer := range []string{
		"", "http://192.0.2.1:8080", "http://sso.example:8080", "https://127.0.0.1:8080", "http://127.0.0.1:8080/",
		"http://127.0.0.1:8080/realms/x", "http://127.0.0.1", "http://localhost.evil.example:80",
		"http://u@127.0.0.1:80",
	} {
		_, err := devidp.New(devidp.Config{Issuer: issuer, Users: users, Clients: clients})
		require.Equal(t, fault.Operator, fault.KindOf(err), issuer)
	}
	for _, cfg := range []devidp.Config{
		{Clients: clients}, {Users: users},
		{Users: append(users, users...), Clients: clients}, {Users: users, Clients: []devidp.Client{{}}},
	} {
		cfg.Issuer = "http://localhost:8080"
		_, err := devidp.New(cfg)
		require.Equal(t, fault.Operator, fault.KindOf(err))
	}
}
