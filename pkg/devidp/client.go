package devidp

import (
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client adapts a Client to op.Client.
type client struct {
	Client
	lifetime time.Duration
}

func (c *client) isPublic() bool { return c.Secret == "" }

func (c *client) GetID() string                    { return c.ID }
func (c *client) RedirectURIs() []string           { return c.Client.RedirectURIs }
func (c *client) PostLogoutRedirectURIs() []string { return c.Client.PostLogoutRedirectURIs }
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c *client) IDTokenLifetime() time.Duration      { return c.lifetime }
func (c *client) DevMode() bool                       { return false }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { //nolint:revive,staticcheck // op.Client
	return allScopes
}
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return allScopes
}
func (c *client) IsScopeAllowed(string) bool           { return false }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true } // adds e-mail, tenant and roles to the ID token
func (c *client) ClockSkew() time.Duration             { return 0 }

func allScopes(scopes []string) []string { return scopes }

// LoginURL returns the address of the page on which a person selects the user of an authorization request.
func (c *client) LoginURL(requestID string) string {
	return loginPath + "?" + url.Values{"request": {requestID}}.Encode()
}

// ApplicationType returns native for public clients, so that their loopback redirects match on any port.
func (c *client) ApplicationType() op.ApplicationType {
	if c.isPublic() {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.isPublic() {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

func (c *client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}
