package clilogin

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Prompt is what a person needs to sign a device in from another one.
type Prompt struct {
	Address  string // where to go
	Complete string // the same with the code in it; may be ""
	UserCode string // what to type there
	Expires  time.Time
}

// SignInWithDevice signs in by the device flow: show is called with what to do, and the call waits until it is done or the code has
// expired. Faults: Unprocessable for a provider or client without the flow, Denied when the person says no or takes too long.
func (c *Client) SignInWithDevice(ctx context.Context, show func(Prompt)) (Session, error) {
	if c.discovery.DeviceURL == "" {
		return Session{}, fault.New(fault.Unprocessable, "identity provider %s: offers no device flow", c.cfg.SSO.Issuer).
			WithHint("sign in with a browser: leave --device out")
	}
	ctx = c.withHTTPClient(ctx)
	verifier := oauth2.GenerateVerifier() // Keycloak wants PKCE here too, from a client that has to use it
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if c.cfg.Audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", c.cfg.Audience))
	}
	asked, err := c.oauth.DeviceAuth(ctx, options...)
	if err != nil {
		return Session{}, denyWithHint(oauthFault(err, "device sign-in"), "the client has to be allowed the device flow (OAuth 2.0 Device Authorization Grant)")
	}
	show(Prompt{Address: asked.VerificationURI, Complete: asked.VerificationURIComplete, UserCode: asked.UserCode, Expires: asked.Expiry})
	tok, err := c.oauth.DeviceAccessToken(ctx, asked, oauth2.VerifierOption(verifier))
	if ctx.Err() != nil {
		return Session{}, ctx.Err()
	}
	if err != nil {
		return Session{}, denyWithHint(oauthFault(err, "device sign-in"), "start again with `leadctl sso login --device`")
	}
	return c.verifySession(ctx, tok, "")
}

// denyWithHint adds a hint to a refusal; trouble with the network speaks for itself.
func denyWithHint(err error, hint string) error {
	if fault.Is(err, fault.Unauthenticated) {
		return fault.New(fault.Denied, "%w", err).WithHint("%s", hint)
	}
	return err
}
