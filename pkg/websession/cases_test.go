package websession_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/websession"
)

// without drops one claim, with sets one.
func without(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
func with(name string, v any) func(map[string]any) {
	return func(c map[string]any) { c[name] = v }
}

func badIDTokens(t *testing.T) {
	t.Parallel()
	forged := func(change func(map[string]any)) func(*testing.T, *rig, map[string]any) {
		return func(t *testing.T, r *rig, a map[string]any) {
			a["id_token"] = r.reissue(t, a["id_token"].(string), change)
		}
	}
	hour := time.Now().Add(-time.Hour).Unix()
	for name, forge := range map[string]func(*testing.T, *rig, map[string]any){
		"none":     func(_ *testing.T, _ *rig, a map[string]any) { delete(a, "id_token") },
		"alg none": func(_ *testing.T, _ *rig, a map[string]any) { a["id_token"] = "eyJhbGciOiJub25lIn0.e30." },
		"its signature altered": func(_ *testing.T, _ *rig, a map[string]any) {
			a["id_token"] = a["id_token"].(string)[:len(a["id_token"].(string))-6] + "AAAAAA"
		},
		"the access token": func(_ *testing.T, _ *rig, a map[string]any) { a["id_token"] = a["access_token"] },
		"for another client": func(t *testing.T, r *rig, a map[string]any) {
			token, err := r.idp.IssueToken(t.Context(), "alice", "other")
			require.NoError(t, err)
			a["id_token"] = token
		},
		"at_hash of another access token": func(_ *testing.T, _ *rig,
			a map[string]any) {
			a["access_token"] = "another"
		},
		"another issuer":   forged(with("iss", "https://evil.example")),
		"another audience": forged(with("aud", "other")),
		"expired":          forged(func(c map[string]any) { c["iat"], c["exp"] = hour-300, hour }),
		"no sub":           forged(without("sub")),
		"no iat":           forged(without("iat")),
		"no nonce":         forged(without("nonce")),
		"at_hash altered":  forged(with("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.forge = func(a map[string]any) { forge(t, r, a) }
			browser, answer := r.arrive(t, "/")
			r.others.Store(0)
			_, _, err := r.Finish(t.Context(), browser, "", answer)
			require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
			require.Zero(t, r.sessions(t))
			require.Zero(t, r.others.Load(), "nothing is called with such tokens")
		})
	}
	r := newRig(t)
	r.forge = func(a map[string]any) { a["id_token"] = r.reissue(t, a["id_token"].(string), func(map[string]any) {}) }
	r.signIn(t) // unchanged claims are accepted, so each refusal above has the reason that its name says
}

// userinfoIsNeverAsked: only the ID token says who signed in; the userinfo endpoint is never called.
func userinfoIsNeverAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	browser, answer := r.arrive(t, "/")
	r.others.Store(0)
	tokens, _, err := r.Finish(t.Context(), browser, "", answer)
	require.NoError(t, err)
	require.Equal(t, "alice", tokens.Identity.Subject)
	r.age(t, time.Minute)
	r.forge = func(a map[string]any) { a["id_token"] = r.reissue(t, a["id_token"].(string), with("sub", "mallory")) }
	_, err = r.Refresh(t.Context(), tokens.Handle)
	require.True(t, fault.Is(err, fault.Unauthenticated), "a refresh does not change the session's owner: %v", err)
	require.Zero(t, r.sessions(t))
	require.Zero(t, r.others.Load())
}

// age makes the sessions older by the duration.
func (r *rig) age(t *testing.T, by time.Duration) {
	t.Helper()
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - $1::interval,
		created_at = created_at - $1::interval, expires_at = expires_at - $1::interval`, by)
	require.NoError(t, err)
}

// handlesOfAnotherKeyring: a session that was sealed under a lost key counts as no session; it is not a failure.
func handlesOfAnotherKeyring(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	browser, answer := r.arrive(t, "/")
	other := r.manager(t)
	_, err := other.Refresh(t.Context(), tokens.Handle)
	require.Equal(t, 401, fault.HTTPStatus(err), "%v", err)
	_, _, err = other.Finish(t.Context(), browser, tokens.Handle, answer)
	require.Equal(t, 400, fault.HTTPStatus(err), "%v", err)
	for _, handle := range []string{"", tokens.Handle[:10], tokens.Handle + "A", "\x00", tokens.ID} {
		_, err = r.Refresh(t.Context(), handle)
		require.Equal(t, 401, fault.HTTPStatus(err), "%q: %v", handle, err)
	}
	_, err = other.End(t.Context(), tokens.Handle, "")
	require.NoError(t, err, "signing out works nevertheless")
	require.Zero(t, r.sessions(t))
}

func sessionsEnd(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T, *rig){
		"idle": func(t *testing.T, r *rig) {
			tokens := r.signIn(t)
			r.age(t, websession.Idle)
			r.over(t, tokens)
		},
		"absolute": func(t *testing.T, r *rig) {
			tokens := r.signIn(t)
			for range websession.Lifetime / (6 * 24 * time.Hour) {
				_, err := r.Refresh(t.Context(), tokens.Handle)
				require.NoError(t, err, "never idle")
				r.age(t, 6*24*time.Hour)
			}
			r.over(t, tokens)
		},
		"disabled at the provider": func(t *testing.T, r *rig) {
			tokens := r.signIn(t)
			r.age(t, time.Minute)
			r.refuse = "invalid_grant"
			r.over(t, tokens)
			require.Zero(t, r.sessions(t))
		},
		"the provider is busy or misconfigured": func(t *testing.T, r *rig) {
			tokens := r.signIn(t)
			r.age(t, time.Minute)
			for code, kind := range map[string]fault.Kind{"invalid_client": fault.Operator,
				"unauthorized_client": fault.Operator} {
				r.refuse = code
				_, err := r.Refresh(t.Context(), tokens.Handle)
				require.Equal(t, kind, fault.KindOf(err), "%v", err)
				require.NotContains(t, fault.Text(err)+fault.Hint(err), "CANARY")
			}
			r.refuse = ""
			_, err := r.Refresh(t.Context(), tokens.Handle)
			require.NoError(t, err, "such a failure ends no session")
		},
		"role revoked": func(t *testing.T, r *rig) {
			tokens := r.signIn(t)
			require.NotEmpty(t, tokens.Identity.Roles)
			r.age(t, time.Minute)
			r.forge = func(a map[string]any) {
				a["id_token"] = r.reissue(t, a["id_token"].(string), with("roles", []string{}))
			}
			renewed, err := r.Refresh(t.Context(), tokens.Handle)
			require.NoError(t, err)
			require.Empty(t, renewed.Identity.Roles)
			require.True(t, renewed.Identity.RolesClaimPresent, "stored roles do not replace them")
		},
		"everywhere": signOutEverywhere,
		"older tokens of the session": func(t *testing.T, r *rig) {
			r.forge = func(a map[string]any) {
				a["id_token"] = r.reissue(t, a["id_token"].(string), func(c map[string]any) {
					c["sid"], c["iat"] = "s-1", time.Now().Unix()-30
				})
			}
			first := r.signIn(t)
			r.age(t, time.Minute)
			r.forge = func(a map[string]any) {
				a["id_token"] = r.reissue(t, a["id_token"].(string),
					with("sid", "s-1"))
			}
			second, err := r.Refresh(t.Context(), first.Handle)
			require.NoError(t, err)
			other := r.reissue(t, first.ID, with("sid", "s-2"))
			_, err = r.End(t.Context(), first.Handle, "")
			require.NoError(t, err)
			require.True(t, r.revoked(t, second.ID))
			require.True(t, r.revoked(t, first.ID), "replaced by a refresh, but not yet expired")
			require.False(t, r.revoked(t, other), "another session of the same person")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newRig(t))
		})
	}
}

// over requires that the session cannot be refreshed.
func (r *rig) over(t *testing.T, tokens websession.Tokens) {
	t.Helper()
	for range 2 {
		_, err := r.Refresh(context.WithoutCancel(t.Context()), tokens.Handle)
		require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
	}
}

func signOutEverywhere(t *testing.T, r *rig) {
	desk, phone := r.signIn(t), r.signIn(t)
	stolen := r.reissue(t, desk.ID, with("iat", time.Now().Unix()-20))
	mallory := r.reissue(t, desk.ID, func(c map[string]any) {
		maps.Copy(c,
			map[string]any{"sub": "mallory", "iat": time.Now().Unix() - 20})
	})
	bystander, err := r.Exchange(t.Context(), mallory)
	require.NoError(t, err)

	_, err = r.EndAll(t.Context(), "", "", tester)
	require.True(t, fault.Is(err, fault.Unauthenticated), "no person identified")
	end, err := r.EndAll(t.Context(), phone.Handle, "", tester)
	require.NoError(t, err)
	var lines int
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM audit_log
		WHERE action = 'session.end_all' AND actor = object AND detail->>'sessions' = '2'`).Scan(&lines))
	require.Equal(t, 1, lines, "one audit line for the sign-out, none for the refused one")
	require.Contains(t, end, "id_token_hint=",
		"the hint comes from the session when the browser sends no token")
	for _, tokens := range []websession.Tokens{desk, phone} {
		r.over(t, tokens)
		require.True(t, r.revoked(t, tokens.ID))
	}
	require.True(t, r.revoked(t, stolen), "a token of the same person outside every session")
	require.False(t, r.revoked(t, mallory), "another person's token")
	_, err = r.Refresh(t.Context(), bystander.Handle)
	require.NoError(t, err)
	_, err = r.EndAll(t.Context(), "", desk.ID, tester)
	require.True(t, fault.Is(err, fault.Unauthenticated), "a revoked token identifies no person")
	_, err = r.Exchange(t.Context(), stolen)
	require.True(t, fault.Is(err, fault.Unauthenticated))

	require.False(t, r.revoked(t, r.signIn(t).ID), "a new session's token is accepted at once")
}

func TestAProviderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, change := range map[string]func(*sso.Discovery){
		"no token endpoint": func(d *sso.Discovery) { d.TokenURL = "" },
		"no sign-in page":   func(d *sso.Discovery) { d.AuthorizationURL = "" },
		"plain sign-in page": func(d *sso.Discovery) {
			d.Issuer, d.AuthorizationURL = "https://id.example", "http://id.example/auth"
		},
	} {
		_, _, err := r.manager(t, change).Begin(t.Context(), "/")
		require.Equal(t, fault.Operator, fault.KindOf(err), "%s: %v", name, err)
	}
}
