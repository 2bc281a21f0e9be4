package devidp

import (
	"context"
	"crypto/rand"
	"maps"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// CreateAccessToken returns the id and the expiry of a new access token.
func (s *store) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(s.lifetime), nil
}

// CreateAccessAndRefreshTokens also rotates the refresh token: it replaces current, if given, by a new one.
func (s *store) CreateAccessAndRefreshTokens(
	ctx context.Context, req op.TokenRequest, current string,
) (string, string, time.Time, error) {
	from, ok := req.(op.IDTokenRequest)
	if !ok {
		return "", "", time.Time{}, op.ErrInvalidRefreshToken
	}
	g := grant{user: req.GetSubject(), client: from.GetClientID(), scopes: req.GetScopes(),
		signedInAt: from.GetAuthTime()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if current != "" {
		if _, ok := s.refreshTokens[current]; !ok {
			return "", "", time.Time{}, op.ErrInvalidRefreshToken
		}
		delete(s.refreshTokens, current)
	}
	next := rand.Text()
	s.refreshTokens[next] = g
	id, expires, err := s.CreateAccessToken(ctx, req)
	return id, next, expires, err
}

// TokenRequestByRefreshToken returns the grant of a refresh token.
func (s *store) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.refreshTokens[token]
	if !ok {
		return nil, op.ErrInvalidRefreshToken
	}
	return &refreshGrant{g}, nil
}

// GetRefreshTokenInfo returns the user and the token's id, which is the refresh token itself.
func (s *store) GetRefreshTokenInfo(_ context.Context, clientID, token string) (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.refreshTokens[token]
	if !ok || g.client != clientID {
		return "", "", op.ErrInvalidRefreshToken
	}
	return g.user, token, nil
}

// RevokeToken removes a refresh token. Access tokens remain valid until they expire.
func (s *store) RevokeToken(_ context.Context, token, _, clientID string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refreshTokens[token].client == clientID {
		delete(s.refreshTokens, token)
	}
	return nil
}

// TerminateSession removes a user's refresh tokens of one client.
func (s *store) TerminateSession(_ context.Context, userID, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.refreshTokens, func(_ string, g grant) bool { return g.user == userID && g.client == clientID })
	return nil
}
