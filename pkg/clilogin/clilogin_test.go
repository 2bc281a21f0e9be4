package clilogin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/leadctl/leadctl/pkg/clilogin"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cli = "leadctl-cli"

func TestBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, err := w.signIn(t, func(address string) {
		q, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, "S256", q.Query().Get("code_challenge_method"))
		require.NotEmpty(t, q.Query().Get("nonce"))
		require.Regexp(t, `^http://127\.0\.0\.1:\d+/callback$`, q.Query().Get("redirect_uri"))
		status, page := w.selectAnn(t, address)
		require.Equal(t, 200, status)
		require.Contains(t, page, "Signed in")
	})
	require.NoError(t, err)
	w.isAnn(t, s)

	renewed, err := w.client.Renew(t.Context(), s)
	require.NoError(t, err)
	w.isAnn(t, renewed)
	require.NotEqual(t, s.AccessToken, renewed.AccessToken)

	require.NoError(t, w.client.Revoke(t.Context(), renewed))
	_, err = w.client.Renew(t.Context(), renewed)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
}

// TestCallbackBelongsToOneSignIn: a request without the state can neither complete nor cancel a sign-in.
func TestCallbackBelongsToOneSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, err := w.signIn(t, func(address string) {
		u, err := url.Parse(address)
		require.NoError(t, err)
		back := u.Query().Get("redirect_uri")
		state := url.QueryEscape(u.Query().Get("state"))
		for _, query := range []string{
			"", "?code=x", "?code=x&state=y", "?error=access_denied", "?error=a&state=",
			"?code=x&iss=https%3A%2F%2Fevil.example&state=" + state,
			"?code=x&iss=" + url.QueryEscape(w.issuer) + "&iss=https%3A%2F%2Fevil.example&state=" + state,
		} {
			status, page := w.get(t, back+query)
			require.Equal(t, 400, status, query)
			require.NotContains(t, page, "evil")
		}
		status, _ := w.get(t, strings.Replace(back, "127.0.0.1", "localhost", 1)+"?code=x&state="+state)
		require.Equal(t, 400, status, "another host name for this machine must be rejected")
		status, _ = w.get(t, strings.TrimSuffix(back, "/callback")+"/")
		require.Equal(t, 404, status)
		status, _ = w.selectAnn(t, address)
		require.Equal(t, 200, status)
	})
	require.NoError(t, err)
	w.isAnn(t, s)
	require.Equal(t, 1, w.countTokenCalls(), "only the code of the provider's redirect may be exchanged")
}

func TestBrowserRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.signIn(t, func(address string) {
		u, err := url.Parse(address)
		require.NoError(t, err)
		query := "?error=access_denied&error_description=%3Cscript%3E&state=" + u.Query().Get("state")
		status, page := w.get(t, u.Query().Get("redirect_uri")+query)
		require.Equal(t, 200, status)
		require.NotContains(t, page, "script")
	})
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "access_denied")
	require.Zero(t, w.countTokenCalls())

	ctx, cancel := context.WithCancel(t.Context())
	_, err = w.client.SignInWithBrowser(ctx, 0, func(string) { cancel() })
	require.Equal(t, fault.Interrupted, fault.KindOf(err))
}

// TestIDTokenOfAnotherSignIn: an ID token that is valid but was issued for another sign-in is rejected.
func TestIDTokenOfAnotherSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := make(chan []byte, 1)
	w.intercept(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/oauth/token" {
			return false
		}
		select {
		case body := <-other:
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write(body)
			return true
		default:
			return false
		}
	})
	first, err := w.signIn(t, func(address string) { w.selectAnn(t, address) })
	require.NoError(t, err)
	access, bearer := `{"access_token":"`+first.AccessToken+`"`, `,"token_type":"Bearer","expires_in":60`
	for name, body := range map[string]string{
		"another nonce":        access + bearer + `,"id_token":"` + first.IDToken + `"}`,
		"no ID token":          access + bearer + `}`,
		"access token instead": `{"access_token":"x","token_type":"Bearer","id_token":"` + first.AccessToken + `"}`,
		"garbage":              `{"access_token":"x","token_type":"Bearer","id_token":"a.b.c"}`,
	} {
		other <- []byte(body)
		_, err := w.signIn(t, func(address string) { w.selectAnn(t, address) })
		require.Error(t, err, name)
		require.Contains(t, []fault.Kind{fault.Unauthenticated, fault.Unavailable}, fault.KindOf(err), name)
		require.NotContains(t, err.Error(), first.AccessToken, name)
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, err := w.client.SignInWithDevice(t.Context(), func(p clilogin.Prompt) {
		require.Contains(t, p.Complete, p.UserCode)
		require.True(t, p.Expires.After(time.Now()))
		resp, err := w.browser.PostForm(p.Address, url.Values{"user_code": {p.UserCode}, "user": {"u-ann"}})
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode)
	})
	require.NoError(t, err)
	w.isAnn(t, s)
}

func TestDeviceRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.intercept(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/device_authorization" {
			return false
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = rw.Write([]byte(`{"error":"unauthorized_client","error_description":"Client is not allowed"}`))
		return true
	})
	_, err := w.client.SignInWithDevice(t.Context(), func(clilogin.Prompt) { t.Fatal("showed a prompt") })
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "unauthorized_client")
	require.Contains(t, fault.Hint(err), "Device Authorization Grant")
}

// TestEndpointsMustUseHTTPS: an issuer on https must not name a token endpoint on http.
func TestEndpointsMustUseHTTPS(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	keys := `{"keys":[{"kty":"EC","crv":"P-256",` +
		`"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_, _ = io.WriteString(w, keys)
			return
		}
		_, _ = io.WriteString(w, `{"issuer":"`+server.URL+`","jwks_uri":"`+server.URL+`/keys",`+
			`"authorization_endpoint":"`+server.URL+`/a","token_endpoint":"http://plain.example/t"}`)
	})
	config := sso.Config{Issuer: server.URL, HTTPClient: server.Client()}
	_, err := clilogin.Open(t.Context(), clilogin.Config{ClientID: cli, SSO: config})
	require.Equal(t, fault.Operator, fault.KindOf(err))
	require.ErrorContains(t, err, "http://plain.example/t")
}
