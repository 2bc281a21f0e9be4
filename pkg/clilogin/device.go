package clilogin

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Prompt is the address and the code that a person needs to sign in on another device.
type Prompt struct {
	Address  string // the page to open
	Complete string // the page with the code already in the address; may be ""
	UserCode string // the code to enter on the page at Address
	Expires  time.Time
}

// SignInWithDevice signs in by the device flow. It calls show with the code and the page to enter it on, then waits
// until the person has signed in there or the code has expired.
//
// Faults: Unprocessable when the provider has no device flow; Denied when the provider does not allow it for the
// client, when the person refuses, or when the code expires.
func (c *Client) SignInWithDevice(ctx context.Context, show func(Prompt)) (Session, error) {
	if c.discovery.DeviceURL == "" {
		return Session{}, fault.New(fault.Unprocessable, "identity provider %s: does not offer the device flow",
			c.cfg.SSO.Issuer).
			WithHint("omit --device to sign in with a browser on this machine")
	}
	ctx = c.withHTTPClient(ctx)
	verifier := oauth2.GenerateVerifier() // Keycloak requires PKCE in the device flow, too, if the client requires it
	code, err := c.oauth.DeviceAuth(ctx, c.authOptions(verifier)...)
	if err != nil {
		return Session{}, denyWithHint(oauthFault(err, "device sign-in"),
			"allow the device flow (OAuth 2.0 Device Authorization Grant) for the client at the provider")
	}
	show(Prompt{
		Address: code.VerificationURI, Complete: code.VerificationURIComplete,
		UserCode: code.UserCode, Expires: code.Expiry,
	})
	tok, err := c.oauth.DeviceAccessToken(ctx, code, oauth2.VerifierOption(verifier))
	if ctx.Err() != nil {
		return Session{}, ctx.Err()
	}
	if err != nil {
		return Session{}, denyWithHint(oauthFault(err, "device sign-in"), "run `leadctl sso login --device` again")
	}
	return c.verifySession(ctx, tok, "")
}

// denyWithHint turns a refusal by the provider into a fault.Denied with a hint. It returns other faults unchanged.
func denyWithHint(err error, hint string) error {
	if fault.Is(err, fault.Unauthenticated) {
		return fault.New(fault.Denied, "%w", err).WithHint("%s", hint)
	}
	return err
}
