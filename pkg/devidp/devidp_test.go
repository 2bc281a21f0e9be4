package devidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCodeFlowWithPKCE(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ id, secret string }{{cli, ""}, {console, secret}} {
		t.Run(c.id, func(t *testing.T) {
			conf, verifier := w.oauth(c.id, c.secret), oauth2.GenerateVerifier()
			address := conf.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier),
				oauth2.SetAuthURLParam("nonce", "nonce-1"))
			back := w.signIn(t, address, "u-bob")
			require.Equal(t, "state-1", back.Get("state"))
			tokens, err := conf.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(verifier))
			require.NoError(t, err)

			raw, ok := tokens.Extra("id_token").(string)
			require.True(t, ok)
			id, err := w.v.Verify(t.Context(), raw)
			require.NoError(t, err)
			require.Equal(t, sso.KindID, id.Kind)
			require.Equal(t, "nonce-1", id.Nonce)
			require.NoError(t, id.VerifyAccessToken(tokens.AccessToken))
			require.Error(t, id.VerifyAccessToken(tokens.AccessToken+"x"))
			w.isBob(t, id)

			access, err := w.v.Verify(t.Context(), tokens.AccessToken)
			require.NoError(t, err)
			require.Equal(t, sso.KindUnknown, access.Kind)
			require.Equal(t, []string{c.id}, access.Audience)
			w.isBob(t, access)

			_, err = conf.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(verifier))
			require.Error(t, err, "a code must be accepted once only")
		})
	}
}

func (w *world) isBob(t *testing.T, id sso.Identity) {
	t.Helper()
	require.Equal(t, w.issuer, id.Issuer)
	require.Equal(t, "u-bob", id.Subject)
	require.Equal(t, "bob@beta.example", id.Email)
	require.True(t, id.EmailVerified)
	require.Equal(t, "beta", id.Tenant.Value)
	require.Equal(t, []sso.Role{sso.Viewer, sso.Ops}, id.Roles)
	require.NoError(t, id.ClaimFault())
}

func TestPKCEIsRequiredAndChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conf := w.oauth(cli, "")
	for name, options := range map[string][]oauth2.AuthCodeOption{
		"none": nil,
		"plain": {
			oauth2.SetAuthURLParam("code_challenge", oauth2.GenerateVerifier()),
			oauth2.SetAuthURLParam("code_challenge_method", "plain"),
		},
	} {
		resp, _ := w.get(t, conf.AuthCodeURL("s", options...))
		require.Equal(t, 302, resp.StatusCode, name)
		require.Contains(t, resp.Header.Get("Location"), "error=invalid_request", name)
	}
	back := w.signIn(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), "u-ann")
	_, err := conf.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier()))
	require.Error(t, err, "a wrong verifier must be rejected")

	verifier := oauth2.GenerateVerifier()
	confidential := w.oauth(console, "wrong")
	back = w.signIn(t, confidential.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "u-ann")
	_, err = confidential.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(verifier))
	require.Error(t, err, "a wrong client secret must be rejected")
}

func TestCodeIsExchangedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conf, verifier := w.oauth(cli, ""), oauth2.GenerateVerifier()
	code := w.signIn(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "u-ann").Get("code")
	ctx := w.ctx(t)
	results := make(chan error, 4)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := conf.Exchange(ctx, code, oauth2.VerifierOption(verifier))
			results <- err
		})
	}
	wg.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
		}
	}
	require.Equal(t, 1, good)
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conf, verifier := w.oauth(cli, ""), oauth2.GenerateVerifier()
	code := w.signIn(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "u-bob").Get("code")
	first, err := conf.Exchange(w.ctx(t), code, oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	require.NotEmpty(t, first.RefreshToken, "issued without the scope offline_access")
	renew := func(token string) (*oauth2.Token, error) {
		return conf.TokenSource(w.ctx(t), &oauth2.Token{RefreshToken: token}).Token()
	}
	second, err := renew(first.RefreshToken)
	require.NoError(t, err)
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	id, err := w.v.Verify(t.Context(), second.AccessToken)
	require.NoError(t, err)
	w.isBob(t, id)
	_, err = renew(first.RefreshToken)
	require.Error(t, err, "a refresh token must be accepted once only")
	third, err := renew(second.RefreshToken)
	require.NoError(t, err)

	raw, _ := third.Extra("id_token").(string)
	query := url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {"http://127.0.0.1:5/bye"}}
	resp, _ := w.get(t, w.issuer+"/end_session?"+query.Encode())
	require.Equal(t, "http://127.0.0.1:5/bye", resp.Header.Get("Location"))
	_, err = renew(third.RefreshToken)
	require.Error(t, err, "sign-out must revoke the refresh token")
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conf := w.oauth(cli, "")
	asked, err := conf.DeviceAuth(w.ctx(t))
	require.NoError(t, err)
	resp, body := w.get(t, asked.VerificationURIComplete)
	require.Equal(t, 200, resp.StatusCode)
	require.Contains(t, body, asked.UserCode)
	resp, _ = w.post(t, "/device", url.Values{"user_code": {"XXXX-XXXX"}, "user": {"u-ann"}})
	require.Equal(t, 404, resp.StatusCode)
	resp, _ = w.post(t, "/device", url.Values{"user_code": {" " + strings.ToLower(asked.UserCode)}, "user": {"u-ann"}})
	require.Equal(t, 200, resp.StatusCode)
	tokens, err := conf.DeviceAccessToken(w.ctx(t), asked)
	require.NoError(t, err)
	id, err := w.v.Verify(t.Context(), tokens.AccessToken)
	require.NoError(t, err)
	require.Equal(t, "u-ann", id.Subject)
	require.Equal(t, sso.TenantAbsent, id.Tenant.Kind)
	require.False(t, id.RolesClaimPresent)
	require.NotEmpty(t, tokens.RefreshToken)
	_, err = conf.DeviceAccessToken(w.ctx(t), asked)
	require.Error(t, err, "a device code must be accepted once only")
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.issue(t)
	_, err := w.v.Verify(t.Context(), old)
	require.NoError(t, err)
	require.NoError(t, w.RotateKeys())
	for _, raw := range []string{w.issue(t), old} {
		_, err := w.v.Verify(t.Context(), raw)
		require.NoError(t, err, "the running verifier must accept the new key and the previous one")
	}
	require.NoError(t, w.RotateKeys())
	fresh := newVerifier(t, w.issuer)
	_, err = fresh.Verify(t.Context(), old)
	var why *sso.TokenError
	require.ErrorAs(t, err, &why)
	require.Equal(t, sso.ReasonUnknownKey, why.Reason)
}

func (w *world) issue(t *testing.T) string {
	t.Helper()
	raw, err := w.IssueToken(t.Context(), "u-bob", cli)
	require.NoError(t, err)
	return raw
}

func TestIssueToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, err := w.v.Verify(t.Context(), w.issue(t))
	require.NoError(t, err)
	w.isBob(t, id)
	_, err = w.IssueToken(t.Context(), "u-unknown", cli)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = w.IssueToken(t.Context(), "u-bob", "nothing")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

func TestUserinfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.issuer+"/userinfo", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.issue(t))
	resp, err := w.browser.Do(req)
	require.NoError(t, err)
	_, body := readResponse(t, resp)
	require.JSONEq(t, `{"sub":"u-bob","name":"Bob","email":"bob@beta.example","email_verified":true,`+
		`"preferred_username":"bob@beta.example","tenant_id":"beta","roles":["viewer","ops"]}`, body)
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, err := sso.Discover(t.Context(), sso.Config{Issuer: w.issuer, AllowInsecure: true})
	require.NoError(t, err)
	require.Equal(t, w.issuer+"/device_authorization", d.DeviceURL)
	require.Equal(t, w.issuer+"/end_session", d.EndSessionURL)
	require.Equal(t, []string{"S256"}, d.ChallengeMethods)
	require.Len(t, d.Keys, 1)
	require.Empty(t, d.Keys[0].Unusable)
}
