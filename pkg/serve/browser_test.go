package serve_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/serve"
)

// site is the daemon as a browser meets it: a provider beside it, a jar of cookies, redirects followed between the two.
type site struct {
	base   string
	client *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	base := "http://" + ln.Addr().String()

	idp := httptest.NewUnstartedServer(nil)
	issuer := "http://" + idp.Listener.Addr().String()
	provider, err := devidp.New(devidp.Config{Issuer: issuer,
		Users: []devidp.User{{ID: "alice", Name: "Alice", Email: "alice@acme.example", EmailVerified: true,
			Roles: []string{"ops"}}},
		Clients: []devidp.Client{{ID: "console", Secret: "s3cret", RedirectURIs: []string{base + "/auth/callback"},
			PostLogoutRedirectURIs: []string{base + "/"}}}})
	require.NoError(t, err)
	idp.Config.Handler = provider
	idp.Start()
	t.Cleanup(idp.Close)

	cfg, err := config.Load(config.Source{})
	require.NoError(t, err)
	keyset, err := secret.Generate()
	require.NoError(t, err)
	cfg.Env, cfg.Database.DSN, cfg.Secrets.Keyset = "development", pgtest.New(t).LoginDSN, string(keyset)
	cfg.SSO.Issuer, cfg.SSO.ClientID, cfg.SSO.ClientSecret = issuer, "console", "s3cret"
	cfg.API.CookieSecure, cfg.API.MetricsListen = false, "127.0.0.1:0"

	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- serve.Run(ctx, cfg, serve.Options{Version: "test",
			Listen: func() (net.Listener, error) { return ln, nil }, Started: func(net.Addr) { close(started) }})
	}()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
	select {
	case <-started:
	case err := <-ended:
		t.Fatalf("not started: %v", err)
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &site{base, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/leads") {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

func (s *site) do(t *testing.T, method, address string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	require.NoError(t, err)
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := s.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

func (s *site) cookies(t *testing.T) map[string]string {
	t.Helper()
	u, err := url.Parse(s.base)
	require.NoError(t, err)
	found := map[string]string{}
	for _, c := range s.client.Jar.Cookies(u) {
		found[c.Name] = c.Value
	}
	return found
}

var requestField = regexp.MustCompile(`name="request" value="([^"]+)"`)

func (s *site) signIn(t *testing.T) *http.Response {
	t.Helper()
	res, page := s.do(t, http.MethodGet, s.base+"/auth/login?return_to=/leads", nil, nil)
	found := requestField.FindStringSubmatch(page)
	require.Len(t, found, 2, page)
	picked := *res.Request.URL
	form := strings.NewReader(url.Values{"request": {found[1]}, "user": {"alice"}}.Encode())
	res, _ = s.do(t, http.MethodPost, picked.Scheme+"://"+picked.Host+"/login", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form)
	return res
}

// A browser signs in, works with cookies alone, refreshes, signs out, and then has nothing that opens anything.
func TestABrowserFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	res := s.signIn(t)
	require.Equal(t, http.StatusFound, res.StatusCode)
	require.Equal(t, "/leads", res.Header.Get("Location"))
	for _, c := range res.Cookies() {
		require.True(t, c.HttpOnly, c.Name)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite, c.Name)
		require.Equal(t, "/", c.Path, c.Name)
		require.Empty(t, c.Domain, c.Name)
	}
	have := s.cookies(t)
	require.NotEmpty(t, have["nx_access"])
	require.NotEmpty(t, have["nx_refresh"])
	require.Empty(t, have["leadctl_login"])

	res, body := s.do(t, http.MethodPost, s.base+"/onboarding/first_login", http.Header{"Content-Type": {"text/plain"}},
		nil)
	require.Equal(t, http.StatusAccepted, res.StatusCode, body)
	res, body = s.do(t, http.MethodGet, s.base+"/whoami", nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.Contains(t, body, `"email":"alice@acme.example"`)

	res, body = s.do(t, http.MethodPost, s.base+"/auth/refresh", nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.JSONEq(t, `{"ok":true}`, body)

	res, body = s.do(t, http.MethodPost, s.base+"/auth/logout", nil, nil)
	require.Equal(t, http.StatusNoContent, res.StatusCode, body)
	require.NotEmpty(t, res.Header.Get("X-End-Session-Url"))
	require.Empty(t, s.cookies(t))
	res, _ = s.do(t, http.MethodGet, s.base+"/whoami", nil, nil)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	for name, cookie := range map[string]string{"/whoami": "nx_access=" + have["nx_access"],
		"/auth/refresh": "nx_refresh=" + have["nx_refresh"]} {
		method := http.MethodGet
		if name == "/auth/refresh" {
			method = http.MethodPost
		}
		res, _ = s.do(t, method, s.base+name, http.Header{"Cookie": {cookie}}, nil)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, "a kept cookie still works on %s", name)
	}
}

// A page of another site can make a browser send nothing that changes data; a browser without cookies is not signed in.
func TestForeignPagesAndStrangers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn(t)
	for _, h := range []http.Header{
		{"Origin": {"https://evil.example"}}, {"Origin": {"null"}}, {"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}},
	} {
		for _, path := range []string{"/auth/refresh", "/auth/logout", "/onboarding/first_login"} {
			res, body := s.do(t, http.MethodPost, s.base+path, h, nil)
			require.Equal(t, http.StatusForbidden, res.StatusCode, "%s %v: %s", path, h, body)
		}
	}
	require.NotEmpty(t, s.cookies(t)["nx_refresh"], "a foreign page signed the browser out")

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.client.Jar = jar
	for _, c := range []struct{ method, path string }{{http.MethodPost, "/auth/refresh"}, {http.MethodGet, "/whoami"}} {
		res, body := s.do(t, c.method, s.base+c.path, nil, nil)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, body)
	}
	res, _ := s.do(t, http.MethodGet, s.base+"/auth/callback?state=x&code=y", nil, nil)
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	res, _ = s.do(t, http.MethodPost, s.base+"/auth/logout", nil, nil)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	for name, garbage := range map[string]string{"long": strings.Repeat("a", 8<<10), "jwt-like": "eyJ.a.b"} {
		res, _ = s.do(t, http.MethodGet, s.base+"/whoami", http.Header{"Cookie": {"nx_access=" + garbage}}, nil)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, name)
	}
}
