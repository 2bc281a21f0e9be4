// Package clilogin signs a person in at the command line, as a public OIDC client: by the authorization code flow with
// PKCE and a loopback redirect, or by the device flow. It keeps the session (the tokens of one sign-in) in a file,
// renews it when the access token expires, and revokes it.
//
// Package sso verifies the tokens. Package session does the web console's sign-in. golang.org/x/oauth2 sends the
// requests.
package clilogin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Config is the issuer to sign in at and the client to sign in as.
type Config struct {
	SSO      sso.Config // the issuer and how to reach it; Audiences and ClientIDs are ignored
	ClientID string
	Scopes   []string // scopes besides openid, profile and email, which are always requested
	Audience string   // the API's identifier, for providers that need it in the request (Auth0)
}

// Session is the tokens of one sign-in.
type Session struct {
	Issuer       string    `json:"issuer"`
	ClientID     string    `json:"client_id"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	IDToken      string    `json:"id_token,omitempty"`
	Expires      time.Time `json:"expires_at"` // of the access token, by this machine's clock
}

// Client signs in at one issuer as one client.
type Client struct {
	cfg       Config
	discovery sso.Discovery
	oauth     oauth2.Config
	verifier  *sso.Verifier
	http      *http.Client
}

const requestTimeout = 15 * time.Second

// Open reads the issuer's discovery document. Its faults are those of sso.Discover, and Operator for an issuer on https
// with an endpoint on http.
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
		AuthURL: found.AuthorizationURL, TokenURL: found.TokenURL, DeviceAuthURL: found.DeviceURL,
		AuthStyle: oauth2.AuthStyleInParams,
	}}
	for _, address := range []string{found.AuthorizationURL, found.TokenURL, found.DeviceURL, found.RevocationURL} {
		if err := c.requireHTTPS(address); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() {
	c.verifier.Close()
	c.http.CloseIdleConnections()
}

// requireHTTPS rejects an endpoint without https. It makes two exceptions: an issuer that is on http itself, and
// addresses below the configured internal URL.
func (c *Client) requireHTTPS(address string) error {
	internal := c.cfg.SSO.InternalURL
	switch {
	case address == "", strings.HasPrefix(address, "https://"), strings.HasPrefix(c.cfg.SSO.Issuer, "http://"):
		return nil
	case internal != "" && strings.HasPrefix(address, internal):
		return nil
	}
	return fault.New(fault.Operator, "identity provider endpoint %q: must start with https://", address).
		WithHint("set the provider's public host name, so that its discovery document names https addresses")
}

// boundedClient returns a copy of given (nil means a new client) with a timeout and without redirects.
func boundedClient(given *http.Client) *http.Client {
	c := http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	if given != nil {
		c = *given
	}
	c.Timeout = requestTimeout
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// requestedScopes returns the scopes of a sign-in. It adds offline_access if the provider requires it for a refresh
// token. Keycloak does not: there the scope would create an offline session that survives every sign-out.
func (c *Client) requestedScopes() []string {
	scopes := append([]string{"openid", "profile", "email"}, c.cfg.Scopes...)
	if sso.ProductOf(c.cfg.SSO.Issuer) != sso.Keycloak && slices.Contains(c.discovery.Scopes, "offline_access") {
		scopes = append(scopes, "offline_access")
	}
	return scopes
}

// withHTTPClient makes the oauth2 package use c's HTTP client.
func (c *Client) withHTTPClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, c.http)
}

// authOptions returns the PKCE challenge and the audience, if one is configured.
func (c *Client) authOptions(verifier string) []oauth2.AuthCodeOption {
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if c.cfg.Audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", c.cfg.Audience))
	}
	return options
}

// verifySession verifies the ID token of a sign-in and that the access token belongs to it. nonce is "" when none was
// sent.
func (c *Client) verifySession(ctx context.Context, tok *oauth2.Token, nonce string) (Session, error) {
	raw, _ := tok.Extra("id_token").(string)
	if raw == "" {
		return Session{}, fault.New(fault.Unavailable, "identity provider: the token response has no ID token")
	}
	id, err := c.verifier.Verify(ctx, raw)
	var bad *sso.TokenError
	switch {
	case errors.As(err, &bad):
		return Session{}, fault.New(fault.Unauthenticated, "identity provider's ID token: %w", bad).
			WithHint("%s", bad.Hint)
	case err != nil:
		return Session{}, err
	case id.Kind == sso.KindAccess || id.Nonce != nonce:
		return Session{}, fault.New(fault.Unauthenticated,
			"identity provider's ID token: does not belong to this sign-in")
	}
	if err := id.VerifyAccessToken(tok.AccessToken); err != nil {
		return Session{}, fault.New(fault.Unauthenticated,
			"identity provider's access token: does not belong to the ID token: %w", err)
	}
	return c.newSession(tok, raw), nil
}

// newSession returns a Session. When the provider does not send the lifetime of the access token, it assumes one
// minute.
func (c *Client) newSession(tok *oauth2.Token, idToken string) Session {
	s := Session{
		Issuer: c.cfg.SSO.Issuer, ClientID: c.cfg.ClientID,
		AccessToken: tok.AccessToken, RefreshToken: tok.RefreshToken, IDToken: idToken, Expires: tok.Expiry,
	}
	if s.Expires.IsZero() {
		s.Expires = time.Now().Add(time.Minute)
	}
	return s
}

// Renew gets a new access token with the session's refresh token. Faults: Unauthenticated when the provider has ended
// the session or it has no refresh token; Unavailable when the provider does not answer, and the session may still be
// valid.
func (c *Client) Renew(ctx context.Context, s Session) (Session, error) {
	if s.RefreshToken == "" {
		return Session{}, fault.New(fault.Unauthenticated, "session with %s: expired, and has no refresh token",
			s.Issuer)
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

// Revoke invalidates the session's refresh token at the provider. It does nothing when the session has none or the
// provider has no revocation endpoint.
func (c *Client) Revoke(ctx context.Context, s Session) error {
	if s.RefreshToken == "" || c.discovery.RevocationURL == "" {
		return nil
	}
	form := url.Values{"token": {s.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {s.ClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.discovery.RevocationURL,
		strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "revoking the session: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "revoking the session: the identity provider answered with status %s",
			resp.Status)
	}
	return nil
}
