package devidp

import (
	"context"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The claims beyond the standard ones.
const (
	claimTenant = "tenant_id"
	claimRoles  = "roles"
)

// tokenClaims is what a user's tokens say; the same in access tokens, ID tokens and userinfo.
func (u User) tokenClaims() map[string]any {
	out := map[string]any{"email": u.Email, "email_verified": u.EmailVerified, "name": u.Name, "preferred_username": u.Email}
	if u.TenantID != "" {
		out[claimTenant] = u.TenantID
	}
	if len(u.Roles) > 0 {
		out[claimRoles] = u.Roles
	}
	return out
}

// GetPrivateClaimsFromScopes fills access tokens.
func (s *store) GetPrivateClaimsFromScopes(_ context.Context, userID, _ string, _ []string) (map[string]any, error) {
	return s.users[userID].tokenClaims(), nil
}

// SetUserinfoFromRequest fills ID tokens.
func (s *store) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, req op.IDTokenRequest, _ []string) error {
	return s.fillUserinfo(info, req.GetSubject())
}

// SetUserinfoFromToken fills the answer of the userinfo endpoint.
func (s *store) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	return s.fillUserinfo(info, subject)
}

// SetUserinfoFromScopes has nothing to add to SetUserinfoFromRequest.
func (s *store) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *store) fillUserinfo(info *oidc.UserInfo, subject string) error {
	u, ok := s.users[subject]
	if !ok {
		return fault.New(fault.NotFound, "user %q", subject)
	}
	info.Subject = subject
	for name, value := range u.tokenClaims() {
		info.AppendClaims(name, value)
	}
	return nil
}

// SigningKey, SignatureAlgorithms and KeySet show the key ring.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.keys.signingKey(), nil }

// SignatureAlgorithms is RS256, which every client library expects.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet is what the keys endpoint publishes.
func (s *store) KeySet(context.Context) ([]op.Key, error) { return s.keys.publicKeys(), nil }

// Health is always good: there is nothing behind the store.
func (s *store) Health(context.Context) error { return nil }

// SetIntrospectionFromToken refuses: access tokens are JWTs and need no introspection.
func (s *store) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return oidc.ErrInvalidRequest().WithDescription("introspection is not offered")
}

// GetKeyByIDAndClientID refuses: clients have secrets, not keys.
func (s *store) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, oidc.ErrInvalidClient().WithDescription("client keys are not offered")
}

// ValidateJWTProfileScopes refuses the JWT profile grant.
func (s *store) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, oidc.ErrInvalidScope()
}
