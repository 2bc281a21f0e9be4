package devidp

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// grant is one user's sign-in with one client, for which tokens are issued.
type grant struct {
	user, client string
	scopes       []string
	signedInAt   time.Time
}

func (g grant) GetSubject() string     { return g.user }
func (g grant) GetAudience() []string  { return []string{g.client} }
func (g grant) GetScopes() []string    { return g.scopes }
func (g grant) GetClientID() string    { return g.client }
func (g grant) GetAuthTime() time.Time { return g.signedInAt }
func (g grant) GetAMR() []string       { return nil }

// authRequest is a code flow that has not issued its tokens yet. Its grant has no user until one is selected.
type authRequest struct {
	grant
	id      string
	request *oidc.AuthRequest
	expires time.Time
}

func (a *authRequest) GetID() string                      { return a.id }
func (a *authRequest) GetACR() string                     { return "" }
func (a *authRequest) GetNonce() string                   { return a.request.Nonce }
func (a *authRequest) GetRedirectURI() string             { return a.request.RedirectURI }
func (a *authRequest) GetResponseType() oidc.ResponseType { return a.request.ResponseType }
func (a *authRequest) GetResponseMode() oidc.ResponseMode { return a.request.ResponseMode }
func (a *authRequest) GetState() string                   { return a.request.State }
func (a *authRequest) Done() bool                         { return a.user != "" }

func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	if a.request.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: a.request.CodeChallenge, Method: a.request.CodeChallengeMethod}
}

// refreshGrant is the grant of a refresh token.
type refreshGrant struct {
	grant
}

// SetCurrentScopes narrows the scopes of the new tokens.
func (g *refreshGrant) SetCurrentScopes(scopes []string) { g.scopes = scopes }

// withOfflineAccess adds the scope offline_access, so that every client gets a refresh token, as with most providers.
func withOfflineAccess(scopes []string) []string {
	if slices.Contains(scopes, oidc.ScopeOfflineAccess) {
		return scopes
	}
	return append(slices.Clone(scopes), oidc.ScopeOfflineAccess)
}

// deviceFlow is a device flow that has not issued its tokens yet.
type deviceFlow struct {
	state op.DeviceAuthorizationState
	code  string
}
