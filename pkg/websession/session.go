// Package websession signs browsers in at the identity provider and keeps them signed in: authorization code with PKCE,
// state and nonce on the server, one row per signed-in browser, refresh without sending tokens through the page, and an
// end that takes effect at once.
//
// A browser holds two cookies: the ID token, which the API accepts like a bearer token, and a random handle to the
// session's row, where the provider's refresh token is kept sealed. Cookies are package web's, routes package
// httpapi's; whether a token is good is package sso's; which tenant it belongs to, package tenant's.
package websession

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Times of a session.
const (
	Lifetime        = 30 * 24 * time.Hour // a browser is signed in so long at most
	Idle            = 7 * 24 * time.Hour  // and so long without a refresh
	LoginWithin     = 10 * time.Minute    // a started sign-in has to come back so soon
	replayWithin    = 10 * time.Second    // a refresh asked for again so soon (several tabs) gets the same answer
	providerTimeout = 10 * time.Second    // longest a call to the provider may take
)

// Config of a Manager.
type Config struct {
	ClientID     string
	ClientSecret string // "" for a public client
	CallbackURL  string // exactly as registered at the provider: <API base>/auth/callback
	HomeURL      string // where a sign-out ends: <API base>/
	Origins      []string
	Scopes       []string // default openid profile email offline_access where the provider knows it
}

// Manager signs in and out. It is safe for concurrent use.
type Manager struct {
	cfg      Config
	db       *postgres.DB
	keys     *secret.Keyring
	verifier *sso.Verifier
	discover func(context.Context) (sso.Discovery, error)

	provider     atomic.Pointer[sso.Discovery]
	flights      singleflight.Group
	refreshSlots func() chan struct{} // a place for each refresh under way
	now          func() time.Time
}

// New makes a Manager and calls nobody. discover reads the provider's endpoints; its answer is kept.
func New(cfg Config, db *postgres.DB, keys *secret.Keyring, verifier *sso.Verifier,
	discover func(context.Context) (sso.Discovery, error)) *Manager {
	return &Manager{cfg: cfg, db: db, keys: keys, verifier: verifier, discover: discover,
		refreshSlots: sync.OnceValue(func() chan struct{} {
			// A refresh holds a connection while the provider thinks. Half of them are left for everything else.
			return make(chan struct{}, max(1, db.Stat().MaxConns()/2))
		}), now: time.Now}
}

// Tokens is what a browser gets: the ID token for the access cookie and the handle for the refresh cookie.
type Tokens struct {
	ID       string
	Expires  time.Time // of the ID token
	Handle   string    // "" where the browser keeps the one it has
	Identity sso.Identity
}

// readProvider reads the provider's description once, however many ask; a failure is not kept.
func (m *Manager) readProvider(ctx context.Context) (sso.Discovery, error) {
	if d := m.provider.Load(); d != nil {
		return *d, nil
	}
	flight := m.flights.DoChan("discovery", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTimeout)
		defer cancel()
		d, err := m.discover(ctx)
		if err == nil {
			err = checkEndpoints(d)
		}
		if err == nil {
			m.provider.Store(&d)
		}
		return d, err
	})
	select {
	case <-ctx.Done():
		return sso.Discovery{}, ctx.Err()
	case answer := <-flight:
		d, _ := answer.Val.(sso.Discovery)
		return d, answer.Err
	}
}

// checkEndpoints wants addresses for code and token, and the browser's no less protected than the issuer itself. The token's
// may be an internal one, which the configuration answers for.
func checkEndpoints(d sso.Discovery) error {
	if d.AuthorizationURL == "" || d.TokenURL == "" {
		return fault.New(fault.Operator, "identity provider %s: it names no endpoint for codes or tokens", d.Issuer)
	}
	if strings.HasPrefix(d.Issuer, "https://") && !strings.HasPrefix(d.AuthorizationURL, "https://") {
		return fault.New(fault.Operator, "identity provider %s: its sign-in page %q is not https", d.Issuer,
			d.AuthorizationURL)
	}
	return nil
}

func (m *Manager) oauthConfig(d sso.Discovery) *oauth2.Config {
	scopes := m.cfg.Scopes
	if scopes == nil {
		scopes = []string{"openid", "profile", "email"}
	}
	return &oauth2.Config{ClientID: m.cfg.ClientID, ClientSecret: m.cfg.ClientSecret, RedirectURL: m.cfg.CallbackURL,
		Scopes:   scopes,
		Endpoint: oauth2.Endpoint{AuthURL: d.AuthorizationURL, TokenURL: d.TokenURL}}
}

// hashText is how the database knows what a browser holds.
func hashText(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// sealed texts belong to no tenant; the purpose tells them apart.
const (
	purposeRefresh  = "session_refresh_token"
	purposeID       = "session_id_token"
	purposeVerifier = "login_verifier"
)

// SealedColumns is what this package keeps sealed.
func SealedColumns() []secret.Column {
	return []secret.Column{
		{Table: "sessions", Key: "handle_hash", Value: "refresh_token", Purpose: purposeRefresh},
		{Table: "sessions", Key: "handle_hash", Value: "id_token", Purpose: purposeID},
		{Table: "login_attempts", Key: "state_hash", Value: "verifier", Purpose: purposeVerifier},
	}
}

// insertSession starts a session for a verified identity. Every sign-in gets a new handle: one that was planted before is worth
// nothing.
func (m *Manager) insertSession(ctx context.Context, tx postgres.SystemTx, who sso.Identity, idToken,
	refreshToken string) (Tokens, error) {
	t := Tokens{ID: idToken, Expires: who.Expiry, Handle: rand.Text(), Identity: who}
	id, err := m.keys.Seal(idToken, purposeID, 0)
	if err != nil {
		return t, err
	}
	var refresh *string
	if refreshToken != "" {
		sealed, err := m.keys.Seal(refreshToken, purposeRefresh, 0)
		if err != nil {
			return t, err
		}
		refresh = &sealed
	}
	until := m.now().Add(Idle)
	if refresh == nil {
		until = who.Expiry // nothing can renew it
	}
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE expires_at < $1`, m.now()); err != nil {
		return t, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sessions (handle_hash, issuer, subject, refresh_token, id_token, refreshed_at, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`,
		hashText(t.Handle), who.Issuer, who.Subject, refresh, id, m.now(), until)
	return t, err
}

// Exchange takes an ID token that the page obtained itself, by the same client, and makes a session without refresh of
// it. Unauthenticated for anything else, an access token included.
func (m *Manager) Exchange(ctx context.Context, idToken string) (Tokens, error) {
	who, err := m.verifier.Verify(ctx, idToken)
	if err != nil {
		return Tokens{}, err
	}
	if who.Kind != sso.KindID {
		return Tokens{}, fault.New(fault.Unauthenticated, "token exchange: not an ID token")
	}
	var t Tokens
	err = m.db.InSystem(ctx, "token exchange", func(ctx context.Context, tx postgres.SystemTx) error {
		gone, err := Revoked(ctx, tx, idToken, who)
		if err != nil {
			return err
		}
		if gone {
			return fault.New(fault.Unauthenticated, "token exchange: the token was signed out")
		}
		t, err = m.insertSession(ctx, tx, who, idToken, "")
		return err
	})
	return t, err
}
