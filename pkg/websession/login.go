package websession

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Begin starts a sign-in. It returns the address to send the browser to, and the value of a cookie to keep until the
// browser comes back. The state is valid once, for ten minutes, and only with that cookie. Faults: Unavailable if the
// provider does not answer; Operator if it does not offer PKCE with S256.
func (m *Manager) Begin(ctx context.Context, returnTo string) (location, browser string, err error) {
	d, err := m.readProvider(ctx)
	if err != nil {
		return "", "", err
	}
	if len(d.ChallengeMethods) > 0 && !slices.Contains(d.ChallengeMethods, "S256") {
		return "", "", fault.New(fault.Operator, "identity provider %s: it does not offer PKCE with S256", d.Issuer)
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	browser = rand.Text()
	sealed, err := m.keys.Seal(verifier, purposeVerifier, 0)
	if err != nil {
		return "", "", err
	}
	err = m.db.InSystem(ctx, "sign-in", func(ctx context.Context, tx postgres.SystemTx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM login_attempts WHERE started_at < $1`,
			m.now().Add(-LoginWithin)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO login_attempts (state_hash, browser_hash, nonce, verifier, return_to,
			started_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			hashText(state), hashText(browser), nonce, sealed, m.SafeReturn(returnTo), m.now())
		return err
	})
	location = m.oauthConfig(d).AuthCodeURL(state, oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("nonce", nonce))
	return location, browser, err
}

type loginAttempt struct {
	nonce, verifier, returnTo string
}

// Finish completes a sign-in. It takes the cookie from Begin, the handle of the browser's previous session and the
// query of the provider's answer; it returns the tokens and the address to go on to. A state that is missing, wrong,
// old, used or of another browser is Invalid, and the provider is not called. A token that fails verification
// (signature, audience, nonce, at_hash) is Unauthenticated. No session exists after a fault. The new session ends the
// previous one.
func (m *Manager) Finish(ctx context.Context, browser, previous string, answer url.Values) (Tokens, string, error) {
	a, err := m.claimLogin(ctx, browser, answer.Get("state"))
	if err != nil {
		return Tokens{}, "", err
	}
	if err := m.checkIssuer(ctx, answer); err != nil {
		return Tokens{}, "", err
	}
	if refused := answer.Get("error"); refused != "" {
		return Tokens{}, "", fault.New(fault.Denied,
			"the identity provider refused the sign-in").WithCode("SIGN_IN_REFUSED").
			Because(errors.New(cutText(refused) + " " + cutText(answer.Get("error_description"))))
	}
	tok, who, err := m.redeemCode(ctx, answer.Get("code"), a)
	if err != nil {
		return Tokens{}, "", err
	}
	var t Tokens
	err = m.db.InSystem(ctx, "sign-in", func(ctx context.Context, tx postgres.SystemTx) error {
		err := lockPerson(ctx, tx, who.Issuer, who.Subject)
		if err == nil {
			err = m.deleteSessions(ctx, tx, &endedTokens{}, `handle_hash = $1`, hashText(previous))
		}
		if err == nil {
			t, err = m.insertSession(ctx, tx, who, idTokenOf(tok), tok.RefreshToken)
		}
		return err
	})
	return t, a.returnTo, err
}

// checkIssuer rejects an authorization response of another issuer. Its code may belong to another provider and must not
// be sent anywhere.
func (m *Manager) checkIssuer(ctx context.Context, answer url.Values) error {
	d, err := m.readProvider(ctx)
	if err != nil {
		return err
	}
	if d.HasAnswered(answer) {
		return nil
	}
	return fault.New(fault.Invalid, "the answer to this sign-in is not from identity provider %s", d.Issuer).
		WithCode("SIGN_IN_ISSUER").WithHint("sign in again at /auth/login")
}

// claimLogin deletes the attempt and returns it, so only one of two equal callbacks gets it.
func (m *Manager) claimLogin(ctx context.Context, browser, state string) (loginAttempt, error) {
	var a loginAttempt
	var sealed string
	if browser == "" || state == "" {
		return a, badState()
	}
	err := m.db.InSystem(ctx, "sign-in", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `DELETE FROM login_attempts WHERE state_hash = $1 AND browser_hash = $2
			AND started_at > $3 RETURNING nonce, verifier, return_to`,
			hashText(state), hashText(browser), m.now().Add(-LoginWithin)).Scan(&a.nonce, &sealed, &a.returnTo)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return a, badState()
	}
	if err != nil {
		return a, err
	}
	if a.verifier, err = m.keys.Open(sealed, purposeVerifier, 0); err != nil {
		return a, badState().Because(err)
	}
	return a, nil
}

func badState() *fault.Error {
	return fault.New(fault.Invalid,
		"this sign-in was started in another browser, more than 10 minutes ago, or used already").
		WithCode("SIGN_IN_STATE").WithHint("sign in again at /auth/login")
}

// redeemCode exchanges the code for tokens at the token endpoint and verifies the ID token. It makes no other call with
// them.
func (m *Manager) redeemCode(ctx context.Context, code string, a loginAttempt) (*oauth2.Token, sso.Identity, error) {
	if code == "" {
		return nil, sso.Identity{}, badState()
	}
	d, err := m.readProvider(ctx)
	if err != nil {
		return nil, sso.Identity{}, err
	}
	call, cancel := m.callContext(ctx)
	defer cancel()
	tok, err := m.oauthConfig(d).Exchange(call, code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, sso.Identity{}, providerFault(err)
	}
	who, err := m.verifyTokens(ctx, tok)
	if err == nil && who.Nonce != a.nonce {
		err = fault.New(fault.Unauthenticated, "ID token: its nonce belongs to another sign-in")
	}
	return tok, who, err
}

// verifyTokens returns the identity of the ID token. It rejects an access token in its place, and an ID token that was
// issued with another access token. Claims that only ID tokens have are not required: a refreshed one may have none.
func (m *Manager) verifyTokens(ctx context.Context, tok *oauth2.Token) (sso.Identity, error) {
	who, err := m.verifier.Verify(ctx, idTokenOf(tok))
	if err != nil {
		return who, err
	}
	if who.Kind == sso.KindAccess {
		return who, fault.New(fault.Unauthenticated, "token endpoint: its ID token is an access token")
	}
	if !who.BindsAccessToken() {
		return who, nil
	}
	if err := who.VerifyAccessToken(tok.AccessToken); err != nil {
		return who, fault.New(fault.Unauthenticated, "ID token: it belongs to another access token: %w", err)
	}
	return who, nil
}

func idTokenOf(tok *oauth2.Token) string {
	raw, _ := tok.Extra("id_token").(string)
	return raw
}

func (m *Manager) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	client := &http.Client{Timeout: providerTimeout, CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}
	return context.WithValue(ctx, oauth2.HTTPClient, client), cancel
}

// providerFault returns the fault of a failed call to the provider. Its text does not repeat the provider's words,
// which can contain what the browser sent. It is Unauthenticated, which ends the session, only for invalid_grant: the
// provider refused the code or the refresh token. Every other answer can have causes that pass.
func providerFault(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		return unusableAnswer("identity provider: it does not answer", err)
	}
	status := refused.Response.StatusCode
	known := status < 500 && status != http.StatusTooManyRequests
	switch {
	case known && refused.ErrorCode == "invalid_grant":
		return fault.New(fault.Unauthenticated, "identity provider: it refused the sign-in").
			Because(errors.New(refused.ErrorCode))
	case known && slices.Contains([]string{"invalid_client", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope"}, refused.ErrorCode):
		return fault.New(fault.Operator, "identity provider: it does not accept this client").
			Because(errors.New(refused.ErrorCode)).
			WithHint("compare NEXIUS_CLIENT_ID and NEXIUS_CLIENT_SECRET with the client at the provider")
	}
	return unusableAnswer("identity provider: it cannot answer now",
		fmt.Errorf("status %d %s", status, cutText(refused.ErrorCode)))
}

// unusableAnswer returns the fault for an answer of the provider after which the caller should try again.
func unusableAnswer(what string, cause error) error {
	return fault.New(fault.Unavailable, "%s", what).Because(cause).WithRetryAfter(5 * time.Second)
}

func cutText(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}
