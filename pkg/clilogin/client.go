// Package clilogin signs the person at the terminal in: authorization code with PKCE over a loopback port, or the device
// flow, as a public client. It keeps the session in a file of theirs, renews it, and ends it.
//
// What the tokens it gets are worth is package sso's to say; the web console's sign-in is package session. The protocol's
// requests are golang.org/x/oauth2's.
package clilogin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Config says where to sign in, and as which client.
type Config struct {
	SSO      sso.Config // the issuer and how to reach it; its audiences and clients play no part
	ClientID string
	Scopes   []string // further ones; openid, profile and email are always asked for
	Audience string   // the API's identifier, for providers that want it named (Auth0)
}

// Session is what a sign-in gives.
type Session struct {
	Issuer       string    `json:"issuer"`
	ClientID     string    `json:"client_id"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	IDToken      string    `json:"id_token,omitempty"`
	Expires      time.Time `json:"expires_at"` // of the access token, by our clock
}

// Client talks to one issuer as one client.
type Client struct {
	cfg       Config
	discovery sso.Discovery
	oauth     oauth2.Config
	verifier  *sso.Verifier
	http      *http.Client
}

const requestTimeout = 15 * time.Second

// Open reads what the issuer says about itself. Faults are those of sso.Discover; Operator also for endpoints that must
// not be trusted with a code.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	found, err := sso.Discover(ctx, cfg.SSO)
	if err != nil {
		return nil, err
	}
	own := cfg.SSO
	own.Audiences, own.ClientIDs = []string{cfg.ClientID}, nil
	verifier, err := sso.NewVerifier(own)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, discovery: found, verifier: verifier, http: boundedClient(cfg.SSO.HTTPClient)}
	c.oauth = oauth2.Config{ClientID: cfg.ClientID, Scopes: c.requestedScopes(), Endpoint: oauth2.Endpoint{
		AuthURL: found.AuthorizationURL, TokenURL: found.TokenURL, DeviceAuthURL: found.DeviceURL, AuthStyle: oauth2.AuthStyleInParams,
	}}
	for _, address := range []string{found.AuthorizationURL, found.TokenURL, found.DeviceURL, found.RevocationURL} {
		if err := c.requireHTTPS(address); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close lets go of connections.
func (c *Client) Close() {
	c.verifier.Close()
	c.http.CloseIdleConnections()
}

// requireHTTPS wants https, or an issuer that is no better itself, or the internal address that the configuration answers for.
func (c *Client) requireHTTPS(address string) error {
	internal := c.cfg.SSO.InternalURL
	if address == "" || strings.HasPrefix(address, "https://") || strings.HasPrefix(c.cfg.SSO.Issuer, "http://") || internal != "" && strings.HasPrefix(address, internal) {
		return nil
	}
	return fault.New(fault.Operator, "identity provider endpoint %q: not https", address).
		WithHint("set the provider's public host name")
}

func boundedClient(given *http.Client) *http.Client {
	c := http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	if given != nil {
		c = *given
	}
	c.Timeout = requestTimeout
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// requestedScopes asks for offline_access where sessions cannot be renewed without it. Keycloak's can, and the scope there would
// leave a session behind that outlives every sign-out.
func (c *Client) requestedScopes() []string {
	scopes := append([]string{"openid", "profile", "email"}, c.cfg.Scopes...)
	if sso.ProductOf(c.cfg.SSO.Issuer) != sso.Keycloak && slices.Contains(c.discovery.Scopes, "offline_access") {
		scopes = append(scopes, "offline_access")
	}
	return scopes
}

// withHTTPClient hands our HTTP client to the oauth2 package.
func (c *Client) withHTTPClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, c.http)
}

// verifySession judges the provider's answer to a sign-in. The nonce is "" when none was sent.
func (c *Client) verifySession(ctx context.Context, tok *oauth2.Token, nonce string) (Session, error) {
	raw, _ := tok.Extra("id_token").(string)
	if raw == "" {
		return Session{}, fault.New(fault.Unavailable, "identity provider: no ID token in its answer")
	}
	id, err := c.verifier.Verify(ctx, raw)
	var bad *sso.TokenError
	switch {
	case errors.As(err, &bad):
		return Session{}, fault.New(fault.Unauthenticated, "identity provider's ID token: %w", bad).WithHint("%s", bad.Hint)
	case err != nil:
		return Session{}, err
	case id.Kind != sso.KindID || id.Nonce != nonce:
		return Session{}, fault.New(fault.Unauthenticated, "identity provider's ID token: not the one that was asked for")
	}
	if err := id.VerifyAccessToken(tok.AccessToken); err != nil {
		return Session{}, fault.New(fault.Unauthenticated, "identity provider's access token: not issued with the ID token: %w", err)
	}
	return c.newSession(tok, raw), nil
}

// newSession is an answer as we keep it. A provider that does not say how long a token is good gets a minute.
func (c *Client) newSession(tok *oauth2.Token, idToken string) Session {
	s := Session{Issuer: c.cfg.SSO.Issuer, ClientID: c.cfg.ClientID, AccessToken: tok.AccessToken, RefreshToken: tok.RefreshToken, IDToken: idToken, Expires: tok.Expiry}
	if s.Expires.IsZero() {
		s.Expires = time.Now().Add(time.Minute)
	}
	return s
}

// Renew gets a new access token for s. Unauthenticated: the session is over; Unavailable: it may not be.
func (c *Client) Renew(ctx context.Context, s Session) (Session, error) {
	if s.RefreshToken == "" {
		return Session{}, fault.New(fault.Unauthenticated, "session with %s: expired, and it cannot be renewed", s.Issuer)
	}
	tok, err := c.oauth.TokenSource(c.withHTTPClient(ctx), &oauth2.Token{RefreshToken: s.RefreshToken}).Token()
	if err != nil {
		return Session{}, oauthFault(err, "session with "+s.Issuer)
	}
	idToken, _ := tok.Extra("id_token").(string)
	if idToken == "" {
		idToken = s.IDToken
	}
	return c.newSession(tok, idToken), nil
}

// oauthFault reads an error of the oauth2 package without repeating what was sent, or the provider's whole answer.
func oauthFault(err error, what string) error {
	var answer *oauth2.RetrieveError
	switch {
	case !errors.As(err, &answer):
		return fault.New(fault.Unavailable, "%s: %w", what, withoutURL(err))
	case answer.ErrorCode == "" || answer.Response != nil && answer.Response.StatusCode >= 500:
		return fault.New(fault.Unavailable, "%s: the identity provider answers with status %s", what, answer.Response.Status)
	}
	return fault.New(fault.Unauthenticated, "%s: %s", what, quoteProvider(answer.ErrorCode, answer.ErrorDescription))
}

// withoutURL drops the address from a transport error: a query may be part of it.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// quoteProvider is the provider's own words about a refusal, escaped and cut.
func quoteProvider(code, description string) string {
	s := code
	if description != "" {
		s += ": " + description
	}
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// Revoke tells the provider that s is over: its refresh token buys nothing any more. Nil when the provider offers no way.
func (c *Client) Revoke(ctx context.Context, s Session) error {
	if s.RefreshToken == "" || c.discovery.RevocationURL == "" {
		return nil
	}
	form := url.Values{"token": {s.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {s.ClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.discovery.RevocationURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "end of the session: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "end of the session: the identity provider answers with status %s", resp.Status)
	}
	return nil
}
