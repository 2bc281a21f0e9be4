package devidp

import (
	"context"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Claims that OpenID Connect does not define.
const (
	claimTenant = "tenant_id"
	claimRoles  = "roles"
)

// tokenClaims returns the user's claims, the same for access tokens, ID tokens and userinfo.
func (u User) tokenClaims() map[string]any {
	out := map[string]any{
		"email": u.Email, "email_verified": u.EmailVerified, "name": u.Name, "preferred_username": u.Email,
	}
	if u.TenantID != "" {
		out[claimTenant] = u.TenantID
	}
	if len(u.Roles) > 0 {
		out[claimRoles] = u.Roles
	}
	return out
}

// GetPrivateClaimsFromScopes returns the claims of an access token.
func (s *store) GetPrivateClaimsFromScopes(
	_ context.Context, userID, _ string, _ []string,
) (map[string]any, error) {
	return s.users[userID].tokenClaims(), nil
}

// SetUserinfoFromRequest sets the claims of an ID token.
func (s *store) SetUserinfoFromRequest(
	_ context.Context, info *oidc.UserInfo, req op.IDTokenRequest, _ []string,
) error {
	return s.fillUserinfo(info, req.GetSubject())
}

// SetUserinfoFromToken sets the claims of a userinfo response.
func (s *store) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	return s.fillUserinfo(info, subject)
}

// SetUserinfoFromScopes does nothing: SetUserinfoFromRequest sets all claims.
func (s *store) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *store) fillUserinfo(info *oidc.UserInfo, subject string) error {
	u, ok := s.users[subject]
	if !ok {
		return fault.New(fault.NotFound, "user %q: not found", subject)
	}
	info.Subject = subject
	for name, value := range u.tokenClaims() {
		info.AppendClaims(name, value)
	}
	return nil
}

// SigningKey returns the key that signs new tokens.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.keys.signingKey(), nil }

// SignatureAlgorithms returns RS256, which every client library supports.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet returns the keys that the provider publishes.
func (s *store) KeySet(context.Context) ([]op.Key, error) { return s.keys.publicKeys(), nil }

// Health always succeeds: the store is in memory.
func (s *store) Health(context.Context) error { return nil }

// SetIntrospectionFromToken always fails: access tokens are JWTs, so introspection is not offered.
func (s *store) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return oidc.ErrInvalidRequest().WithDescription("introspection is not offered")
}

// GetKeyByIDAndClientID always fails: clients have secrets, not keys.
func (s *store) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, oidc.ErrInvalidClient().WithDescription("client keys are not offered")
}

// ValidateJWTProfileScopes always fails: the JWT profile grant is not offered.
func (s *store) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, oidc.ErrInvalidScope()
}
