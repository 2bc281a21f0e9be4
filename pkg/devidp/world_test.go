package devidp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/sso"
)

const (
	cli       = "leadctl-cli"
	console   = "console"
	secret    = "a secret with & and ü"
	clientURL = "http://127.0.0.1:1/callback"
)

// world is a running provider, a verifier that trusts it, and a
// browser that follows redirects until they reach the client.
type world struct {
	*devidp.Provider
	issuer  string
	v       *sso.Verifier
	browser *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	p, err := devidp.New(devidp.Config{
		Issuer: issuer,
		Users: []devidp.User{
			{ID: "u-ann", Name: "Ann <Lead>", Email: "ann@acme.example", EmailVerified: true},
			{
				ID: "u-bob", Name: "Bob", Email: "bob@beta.example", EmailVerified: true,
				TenantID: "beta", Roles: []string{"viewer", "ops"},
			},
		},
		Clients: []devidp.Client{
			{
				ID: cli, RedirectURIs: []string{"http://127.0.0.1/callback"},
				PostLogoutRedirectURIs: []string{"http://127.0.0.1/bye"},
			},
			{ID: console, Secret: secret, RedirectURIs: []string{clientURL}},
		},
	})
	require.NoError(t, err)
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	w := &world{Provider: p, issuer: issuer, v: newVerifier(t, issuer)}
	w.browser = &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != strings.TrimPrefix(issuer, "http://") {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	t.Cleanup(w.browser.CloseIdleConnections)
	return w
}

func newVerifier(t *testing.T, issuer string) *sso.Verifier {
	t.Helper()
	v, err := sso.NewVerifier(sso.Config{Issuer: issuer, ClientIDs: []string{cli, console}, AllowInsecure: true})
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

func (w *world) oauth(clientID, clientSecret string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: clientURL,
		Scopes: []string{"openid", "profile", "email"},
		Endpoint: oauth2.Endpoint{
			AuthURL: w.issuer + "/authorize", TokenURL: w.issuer + "/oauth/token",
			DeviceAuthURL: w.issuer + "/device_authorization",
		},
	}
}

// ctx returns a context that makes oauth2 use the browser's connections, which are closed after the test.
func (w *world) ctx(t *testing.T) context.Context {
	return context.WithValue(t.Context(), oauth2.HTTPClient, w.browser)
}

func (w *world) get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	resp, err := w.browser.Get(address)
	require.NoError(t, err)
	return readResponse(t, resp)
}

func (w *world) post(t *testing.T, path string, form url.Values) (*http.Response, string) {
	t.Helper()
	resp, err := w.browser.PostForm(w.issuer+path, form)
	require.NoError(t, err)
	return readResponse(t, resp)
}

func readResponse(t *testing.T, resp *http.Response) (*http.Response, string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, string(body)
}

// requestIn returns the id of the sign-in request in a page.
func requestIn(t *testing.T, body string) string {
	t.Helper()
	m := regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(body)
	require.Len(t, m, 2, body)
	return m[1]
}

// signIn opens the authorization address, selects user and returns the query of the redirect to the client.
func (w *world) signIn(t *testing.T, address, user string) url.Values {
	t.Helper()
	resp, body := w.get(t, address)
	require.Equal(t, 200, resp.StatusCode, body)
	resp, body = w.post(t, "/login", url.Values{"request": {requestIn(t, body)}, "user": {user}})
	require.Equal(t, 302, resp.StatusCode, body)
	at, err := url.Parse(resp.Header.Get("Location"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(at.String(), clientURL+"?"), at)
	return at.Query()
}
