package clilogin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/clilogin"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/sso"
)

// world is a running identity provider, a client of it, and a person's browser.
type world struct {
	issuer  string
	client  *clilogin.Client
	browser *http.Client

	mu         sync.Mutex
	tokenCalls int // requests to the token endpoint
	// override answers a request in place of the provider when it returns true.
	override func(http.ResponseWriter, *http.Request) bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{browser: &http.Client{Transport: &http.Transport{}}}
	server := httptest.NewUnstartedServer(nil)
	w.issuer = "http://" + server.Listener.Addr().String()
	idp, err := devidp.New(devidp.Config{
		Issuer:  w.issuer,
		Users:   []devidp.User{{ID: "u-ann", Name: "Ann", Email: "ann@acme.example", EmailVerified: true}},
		Clients: []devidp.Client{{ID: cli, RedirectURIs: []string{"http://127.0.0.1/callback"}}},
	})
	require.NoError(t, err)
	server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		if r.URL.Path == "/oauth/token" {
			w.tokenCalls++
		}
		override := w.override
		w.mu.Unlock()
		if override == nil || !override(rw, r) {
			idp.ServeHTTP(rw, r)
		}
	})
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(w.browser.CloseIdleConnections)
	w.client, err = clilogin.Open(t.Context(), clilogin.Config{ClientID: cli, SSO: w.sso()})
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	return w
}

func (w *world) sso() sso.Config { return sso.Config{Issuer: w.issuer, AllowInsecure: true} }

func (w *world) intercept(override func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.override = override
}

func (w *world) countTokenCalls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tokenCalls
}

func (w *world) get(t *testing.T, address string) (int, string) {
	t.Helper()
	resp, err := w.browser.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// selectAnn signs Ann in at the provider's page and follows all redirects.
func (w *world) selectAnn(t *testing.T, address string) (int, string) {
	t.Helper()
	_, page := w.get(t, address)
	m := regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(page)
	require.Len(t, m, 2, page)
	resp, err := w.browser.PostForm(w.issuer+"/login", url.Values{"request": {m[1]}, "user": {"u-ann"}})
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// signIn runs SignInWithBrowser and meanwhile calls do, which acts as the browser. It cancels the sign-in if do fails.
func (w *world) signIn(t *testing.T, do func(address string)) (clilogin.Session, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var browsing sync.WaitGroup
	defer browsing.Wait()
	return w.client.SignInWithBrowser(ctx, 0, func(address string) {
		browsing.Go(func() {
			done := false
			defer func() {
				if !done {
					cancel()
				}
			}()
			do(address)
			done = true
		})
	})
}

func (w *world) isAnn(t *testing.T, s clilogin.Session) {
	t.Helper()
	v, err := sso.NewVerifier(sso.Config{Issuer: w.issuer, ClientIDs: []string{cli}, AllowInsecure: true})
	require.NoError(t, err)
	defer v.Close()
	id, err := v.Verify(t.Context(), s.AccessToken)
	require.NoError(t, err)
	require.Equal(t, "u-ann", id.Subject)
	require.Equal(t, w.issuer, s.Issuer)
	require.Equal(t, cli, s.ClientID)
	require.NotEmpty(t, s.RefreshToken)
	require.WithinDuration(t, id.Expiry, s.Expires, 5*time.Second)
}
