package devidp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"maps"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// requestLifetime is how long a sign-in request, its code and a device code are valid.
const requestLifetime = 10 * time.Minute

// store implements op.Storage in memory. This file has the sign-in requests and codes, refresh.go the tokens, device.go
// the device flows, claims.go the claims and keys.
type store struct {
	users    map[string]User
	userIDs  []string // user ids as configured
	clients  map[string]*client
	lifetime time.Duration
	keys     *keyRing

	mu            sync.Mutex
	requests      map[string]*authRequest // by id
	codes         map[string]string       // code to request id; each is accepted once
	refreshTokens map[string]grant        // by refresh token; each is accepted once
	devices       map[string]*deviceFlow  // by user code
}

func newStore(cfg Config) (*store, error) {
	s := &store{
		users: map[string]User{}, clients: map[string]*client{}, lifetime: cfg.TokenLifetime, keys: &keyRing{},
		requests: map[string]*authRequest{}, codes: map[string]string{}, refreshTokens: map[string]grant{},
		devices: map[string]*deviceFlow{},
	}
	for _, u := range cfg.Users {
		s.users[u.ID] = u
		s.userIDs = append(s.userIDs, u.ID)
	}
	for _, c := range cfg.Clients {
		s.clients[c.ID] = &client{Client: c, lifetime: cfg.TokenLifetime}
	}
	return s, s.keys.rotate()
}

// CreateAuthRequest starts a code flow. It requires PKCE of public clients, and S256 of every client that uses PKCE.
func (s *store) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	c := s.clients[asked.ClientID]
	switch {
	case c == nil:
		return nil, oidc.ErrInvalidRequest().WithDescription("unknown client")
	case asked.CodeChallenge == "" && c.isPublic():
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge is required")
	case asked.CodeChallenge != "" && asked.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge_method must be S256")
	case len(asked.Prompt) == 1 && asked.Prompt[0] == oidc.PromptNone:
		return nil, oidc.ErrLoginRequired()
	}
	a := &authRequest{
		id: rand.Text(), request: asked, expires: time.Now().Add(requestLifetime),
		grant: grant{client: asked.ClientID, scopes: withOfflineAccess(asked.Scopes)},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	s.requests[a.id] = a
	return a, nil
}

// dropExpired removes expired requests, their codes and expired device flows. The caller holds s.mu.
func (s *store) dropExpired() {
	now := time.Now()
	maps.DeleteFunc(s.requests, func(_ string, a *authRequest) bool { return now.After(a.expires) })
	maps.DeleteFunc(s.codes, func(_, id string) bool { return s.requests[id] == nil })
	maps.DeleteFunc(s.devices, func(_ string, d *deviceFlow) bool { return now.After(d.state.Expires) })
}

// selectUser completes the sign-in request with this id for a user.
func (s *store) selectUser(id, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.requestLocked(id)
	if err != nil {
		return err
	}
	if _, ok := s.users[user]; !ok {
		return fault.New(fault.NotFound, "user %q: not found", user)
	}
	if a.Done() {
		return fault.New(fault.Conflict, "sign-in request: a user is already selected")
	}
	a.user, a.signedInAt = user, time.Now()
	return nil
}

func (s *store) requestLocked(id string) (*authRequest, error) {
	a := s.requests[id]
	if a == nil || time.Now().After(a.expires) {
		return nil, fault.New(fault.NotFound, "sign-in request: unknown or expired")
	}
	return a, nil
}

// AuthRequestByID returns a copy, so that the caller can read it while selectUser changes the request.
func (s *store) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.requestLocked(id)
	if err != nil {
		return nil, err
	}
	seen := *a
	return &seen, nil
}

// AuthRequestByCode removes the code, even when its request has expired.
func (s *store) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.codes[code]
	if !ok {
		return nil, fault.New(fault.NotFound, "code: unknown or used")
	}
	delete(s.codes, code)
	a, err := s.requestLocked(id)
	delete(s.requests, id)
	return a, err
}

// SaveAuthCode stores the code of a request.
func (s *store) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

// DeleteAuthRequest removes a completed request.
func (s *store) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

// GetClientByClientID returns a client.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if c := s.clients[id]; c != nil {
		return c, nil
	}
	return nil, oidc.ErrInvalidClient().WithDescription("unknown client")
}

// AuthorizeClientIDSecret checks a confidential client's secret.
func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c := s.clients[id]
	if c == nil || c.isPublic() || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) != 1 {
		return oidc.ErrInvalidClient().WithDescription("unknown client or wrong secret")
	}
	return nil
}
