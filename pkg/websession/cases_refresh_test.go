package websession_test

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/websession"
)

// reclaim makes the token endpoint return ID tokens with changed claims.
func (r *rig) reclaim(t *testing.T, change func(claims map[string]any)) {
	t.Helper()
	r.forge = func(a map[string]any) { a["id_token"] = r.reissue(t, a["id_token"].(string), change) }
}

// drop removes claims.
func drop(names ...string) func(map[string]any) {
	return func(c map[string]any) {
		maps.DeleteFunc(c, func(name string, _ any) bool { return contains(names, name) })
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// refreshesOfOtherProviders: the answers to a refresh as providers document them. The session goes on after each.
func refreshesOfOtherProviders(t *testing.T) {
	t.Parallel()
	noNonce := drop("nonce", "at_hash", "typ", "auth_time")
	for name, change := range map[string]func(t *testing.T, r *rig, a map[string]any){
		"Okta": func(t *testing.T, r *rig, a map[string]any) { // rotates; its ID token has at_hash and no nonce
			a["id_token"] = r.reissue(t, a["id_token"].(string), func(c map[string]any) {
				drop("nonce")(c)
				maps.Copy(c, map[string]any{"ver": 1, "amr": []string{"pwd"}, "idp": "00o1"})
			})
		},
		"Auth0": func(t *testing.T, r *rig, a map[string]any) { // no rotation unless switched on: no refresh token
			a["id_token"] = r.reissue(t, a["id_token"].(string), func(c map[string]any) {
				noNonce(c)
				maps.Copy(c, map[string]any{"nickname": "alice", "updated_at": "2026-11-01T00:00:00Z"})
			})
			a["scope"] = "openid profile email offline_access"
			delete(a, "refresh_token")
		},
		"Entra ID": func(t *testing.T, r *rig, a map[string]any) { // the access token is opaque to clients
			a["id_token"] = r.reissue(t, a["id_token"].(string), func(c map[string]any) {
				noNonce(c)
				maps.Copy(c, map[string]any{"ver": "2.0", "tid": "72f988bf", "oid": "00000", "aio": "AXQ", "rh": "0.A"})
			})
			a["access_token"], a["ext_expires_in"] = "EwBwA", 3599
		},
		"Google": func(t *testing.T, r *rig, a map[string]any) { // no refresh token
			a["id_token"] = r.reissue(t, a["id_token"].(string), noNonce)
			a["access_token"] = "ya29.a0Af"
			delete(a, "refresh_token")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tokens := r.signIn(t)
			for range 2 { // the second one with what the first one stored
				r.age(t, time.Minute)
				r.forge = func(a map[string]any) { change(t, r, a) }
				if name != "Okta" { // devidp accepts each refresh token once, these providers do not
					r.forge = func(a map[string]any) {
						keep := a["refresh_token"]
						change(t, r, a)
						a["refresh_token"] = keep
					}
				}
				renewed, err := r.Refresh(t.Context(), tokens.Handle)
				require.NoError(t, err)
				require.NotEqual(t, tokens.ID, renewed.ID)
				require.Equal(t, "alice", renewed.Identity.Subject)
				require.False(t, r.revoked(t, renewed.ID))
			}
		})
	}
	t.Run("old refresh token kept", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		tokens := r.signIn(t)
		before := r.sealedRefresh(t)
		r.age(t, time.Minute)
		r.forge = func(a map[string]any) { delete(a, "refresh_token") }
		_, err := r.Refresh(t.Context(), tokens.Handle)
		require.NoError(t, err)
		require.NotEmpty(t, before)
		require.NotEmpty(t, r.sealedRefresh(t))
	})
	t.Run("no ID token", noIDTokenAtRefresh)
}

func (r *rig) sealedRefresh(t *testing.T) (sealed string) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(),
		`SELECT coalesce(refresh_token, '') FROM sessions`).Scan(&sealed))
	return sealed
}

// noIDTokenAtRefresh: the last ID token counts as long as the new access token, until the session ends.
func noIDTokenAtRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reclaim(t, func(c map[string]any) {
		c["iat"], c["exp"] = time.Now().Unix()-60, time.Now().Unix()-30
	}) // inside the leeway
	tokens := r.signIn(t)
	r.age(t, time.Minute)
	r.forge = func(a map[string]any) { delete(a, "id_token"); a["expires_in"] = 1200 }
	renewed, err := r.Refresh(t.Context(), tokens.Handle)
	require.NoError(t, err)
	require.Equal(t, tokens.ID, renewed.ID)
	require.WithinDuration(t, time.Now().Add(20*time.Minute), renewed.Expires, time.Minute)
	again, err := r.Refresh(t.Context(), tokens.Handle)
	require.NoError(t, err, "the replay")
	require.Equal(t, renewed.Expires.Unix(), again.Expires.Unix())

	refusal := fault.New(fault.Unauthenticated, "expired")
	who, err := r.VerifyExtended(t.Context(), tokens.ID, refusal)
	require.NoError(t, err)
	require.Equal(t, "alice", who.Subject)
	require.Equal(t, renewed.Expires.Unix(), who.Expiry.Unix())
	_, err = r.VerifyExtended(t.Context(), r.reissue(t, tokens.ID, with("jti", "x")), refusal)
	require.ErrorIs(t, err, refusal, "a token that the session never had")

	_, err = r.End(t.Context(), tokens.Handle, "")
	require.NoError(t, err)
	_, err = r.VerifyExtended(t.Context(), tokens.ID, refusal)
	require.ErrorIs(t, err, refusal)
	r.over(t, tokens)
}

// failuresThatPass: only invalid_grant, another subject and another issuer end a session.
func failuresThatPass(t *testing.T) {
	t.Parallel()
	says := func(status int, media, body string) func(*testing.T, *rig) {
		return func(_ *testing.T, r *rig) {
			r.other = &http.Response{StatusCode: status, Status: body, Header: http.Header{"Content-Type": {media}}}
		}
	}
	claims := func(change func(map[string]any)) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) { r.reclaim(t, change) }
	}
	const page, js = "<html>CANARY</html>", "application/json"
	for name, c := range map[string]struct {
		happens func(*testing.T, *rig)
		ends    bool
	}{
		"403 page":                {says(403, "text/html", page), false},
		"404 page":                {says(404, "text/html", page), false},
		"200 page":                {says(200, "text/html", page), false},
		"502 page":                {says(502, "text/html", page), false},
		"temporarily_unavailable": {says(400, js, `{"error":"temporarily_unavailable"}`), false},
		"server_error with 200":   {says(200, js, `{"error":"server_error"}`), false},
		"too many requests":       {says(429, js, `{"error":"too_many_requests"}`), false},
		"clock 90 s ahead":        {claims(func(c map[string]any) { c["iat"] = time.Now().Unix() + 90 }), false},
		"unknown key": {func(t *testing.T, r *rig) {
			_, err := r.verifier.Verify(t.Context(), unknownKey(r.reissue(t, r.signIn(t).ID, with("jti", "stranger"))))
			require.Error(t, err)
			r.forge = func(a map[string]any) { a["id_token"] = unknownKey(a["id_token"].(string)) }
		}, false},
		"Auth0's invalid_grant": {says(403, js,
			`{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`), true},
		"Entra's invalid_grant": {says(400, js,
			`{"error":"invalid_grant","error_codes":[700082],"suberror":"bad_token"}`), true},
		"another subject": {claims(with("sub", "mallory")), true},
		"another issuer":  {claims(with("iss", "https://evil.example")), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tokens := r.signIn(t)
			r.age(t, time.Minute)
			c.happens(t, r)
			_, err := r.Refresh(t.Context(), tokens.Handle)
			require.Error(t, err)
			require.NotContains(t, fault.Text(err)+fault.Hint(err), "CANARY")
			r.forge, r.other = nil, nil
			if c.ends {
				require.Equal(t, 401, fault.HTTPStatus(err), "%v", err)
				r.over(t, tokens)
				require.True(t, r.revoked(t, tokens.ID) || r.sessions(t) == 0)
				return
			}
			require.Equal(t, 503, fault.HTTPStatus(err), "%v", err)
			_, err = r.Refresh(t.Context(), tokens.Handle)
			require.NoError(t, err, "the next refresh, with a refresh token that was used once")
		})
	}
}

// unknownKey returns the token with a kid that no key has.
func unknownKey(token string) string {
	header := `{"alg":"RS256","kid":"rotated"}`
	return encode(header) + token[indexDot(token):]
}

// tokensBeforeARefresh: a sign-out revokes every token of the session, also without the claim sid.
func tokensBeforeARefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reclaim(t, drop("sid"))
	first, other := r.signIn(t), r.signIn(t)
	all := []string{first.ID}
	for i := range 3 {
		r.age(t, time.Minute)
		r.reclaim(t, func(c map[string]any) { drop("sid")(c); c["jti"] = i })
		next, err := r.Refresh(t.Context(), first.Handle)
		require.NoError(t, err)
		all = append(all, next.ID)
	}
	for _, token := range all {
		require.False(t, r.revoked(t, token))
	}
	_, err := r.End(t.Context(), first.Handle, "")
	require.NoError(t, err)
	for _, token := range all {
		require.True(t, r.revoked(t, token))
		_, err = r.Exchange(t.Context(), token)
		require.Equal(t, 401, fault.HTTPStatus(err))
	}
	require.False(t, r.revoked(t, other.ID), "another browser's session")

	_, err = r.End(t.Context(), "", other.ID) // the browser lost its handle
	require.NoError(t, err)
	r.over(t, other)
}

// tokensOfTheSameSecond: a sign-out everywhere revokes what is valid now, by the provider's clock.
func tokensOfTheSameSecond(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]func(t *testing.T, r *rig, phone websession.Tokens){
		"everywhere": func(t *testing.T, r *rig, phone websession.Tokens) {
			_, err := r.EndAll(t.Context(), phone.Handle, "", tester)
			require.NoError(t, err)
		},
		"operator": func(t *testing.T, r *rig, _ websession.Tokens) {
			require.NoError(t, r.db.App.InSystem(t.Context(), "test",
				func(ctx context.Context, tx postgres.SystemTx) error {
					_, err := websession.SignOut(ctx, tx, "alice", time.Now(), tester)
					return err
				}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			phone := r.signIn(t)
			now := time.Now().Unix()
			var held []string
			for _, ahead := range []int64{-5, 0, 1, 30, 58} {
				for _, sid := range []any{nil, "s-1"} {
					held = append(held, r.reissue(t, phone.ID, func(c map[string]any) {
						c["iat"], c["exp"], c["sid"] = now+ahead, now+ahead+600, sid
						if sid == nil {
							delete(c, "sid")
						}
					}))
				}
			}
			out(t, r, phone)
			for i, token := range append(held, phone.ID) {
				require.True(t, r.revoked(t, token), i)
				_, err := r.Exchange(t.Context(), token)
				require.Equal(t, 401, fault.HTTPStatus(err))
			}
			r.reclaim(t, func(c map[string]any) { c["iat"] = now }) // the provider's clock is behind
			renewed := r.signIn(t)
			require.False(t, r.revoked(t, renewed.ID), "signed in again")
		})
	}
}

// answersOfAnotherIssuer: RFC 9207.
func answersOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	announces := func(d *sso.Discovery) { d.ReturnsIssuer = true }
	for name, c := range map[string]struct {
		announced bool
		iss       []string
		good      bool
	}{
		"another": {false, []string{"https://evil.example"}, false}, "empty": {false, []string{""}, false},
		"slash": {false, []string{r.issuer + "/"}, false}, "two": {false, []string{r.issuer, r.issuer}, false},
		"announced, none": {true, nil, false}, "announced, another": {true, []string{"https://evil.example"}, false},
		"not announced, none": {false, nil, true}, "not announced, right": {false, []string{r.issuer}, true},
		"announced, right": {true, []string{r.issuer}, true},
	} {
		for _, failed := range []bool{false, true} {
			m := r.Manager
			if c.announced {
				m = r.manager(t, announces)
			}
			location, browser, err := m.Begin(t.Context(), "/")
			require.NoError(t, err)
			answer := r.walk(t, location)
			delete(answer, "iss")
			if c.iss != nil {
				answer["iss"] = c.iss
			}
			if failed {
				answer = url.Values{"state": answer["state"], "error": {"access_denied"}, "iss": answer["iss"]}
				if c.iss == nil {
					delete(answer, "iss")
				}
			}
			redeemed := r.redeems.Load()
			_, _, err = m.Finish(t.Context(), browser, "", answer)
			switch {
			case !c.good:
				require.Equal(t, 400, fault.HTTPStatus(err), "%s: %v", name, err)
				require.Equal(t, redeemed, r.redeems.Load(), "%s: the code is sent nowhere", name)
			case failed:
				require.Equal(t, 403, fault.HTTPStatus(err), "%s: %v", name, err)
			default:
				require.NoError(t, err, name)
			}
		}
	}
}
