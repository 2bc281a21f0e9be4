// Package websession signs browsers in at the identity provider and keeps them signed in. It uses the authorization
// code flow with PKCE, keeps state and nonce on the server, and stores one row per signed-in browser. A refresh sends
// no token through the page. A sign-out takes effect at once.
//
// A browser holds the ID token, which the API accepts like a bearer token, and a random handle to the session's row,
// which holds the provider's refresh token, sealed. The handle has two halves in two cookies: the second half is in one
// that only leadctl's own host can set. Package web sets the cookies, package httpapi has the routes, package sso
// verifies tokens, and package tenant finds the tenant of an identity.
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
	Lifetime        = 30 * 24 * time.Hour // longest time from sign-in to the end of a session
	Idle            = 7 * 24 * time.Hour  // longest time between two refreshes
	LoginWithin     = 10 * time.Minute    // longest time from Begin to Finish
	replayWithin    = 10 * time.Second    // a second refresh within this time (several tabs) gets the same answer
	providerTimeout = 10 * time.Second    // longest time of a call to the provider
)

// Config of a Manager.
type Config struct {
	ClientID     string
	ClientSecret string // "" for a public client
	CallbackURL  string // exactly as registered at the provider: <API base>/auth/callback
	HomeURL      string // where the provider sends the browser after a sign-out: <API base>/
	Origins      []string
	Scopes       []string // default: openid, profile, email
}

// Manager signs browsers in and out. It is safe for concurrent use.
type Manager struct {
	cfg      Config
	db       *postgres.DB
	keys     *secret.Keyring
	verifier *sso.Verifier
	discover func(context.Context) (sso.Discovery, error)

	provider     atomic.Pointer[sso.Discovery]
	flights      singleflight.Group
	refreshSlots func() chan struct{} // one slot for each refresh under way
	now          func() time.Time
}

// New returns a Manager and makes no call. discover reads the provider's endpoints; its answer is cached.
func New(cfg Config, db *postgres.DB, keys *secret.Keyring, verifier *sso.Verifier,
	discover func(context.Context) (sso.Discovery, error)) *Manager {
	return &Manager{cfg: cfg, db: db, keys: keys, verifier: verifier, discover: discover,
		refreshSlots: sync.OnceValue(func() chan struct{} {
			// A refresh holds a database connection while the provider answers. Half of the connections stay free.
			return make(chan struct{}, max(1, db.Stat().MaxConns()/2))
		}), now: time.Now}
}

// Tokens are the values of a browser's cookies: the ID token for the access cookie, and the handle for the other two.
type Tokens struct {
	ID       string
	Expires  time.Time // until when the ID token counts
	Handle   string    // as JoinHandle makes it; "" if the browser keeps the handle that it has
	Identity sso.Identity
}

// readProvider returns the provider's endpoints. Concurrent callers share one request. It caches the answer, but no
// failure.
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

// checkEndpoints rejects a provider without endpoints for code and token, and an http sign-in page of an https issuer.
// The token endpoint may be http: LEADCTL_SSO_INTERNAL_URL can name an internal address.
func checkEndpoints(d sso.Discovery) error {
	if d.AuthorizationURL == "" || d.TokenURL == "" {
		return fault.New(fault.Operator,
			"identity provider %s: it names no authorization endpoint or no token endpoint", d.Issuer)
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

// hashText returns the SHA-256 of a handle, state or token. The database stores only hashes of what browsers hold.
func hashText(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Purposes of sealed texts. No tenant owns these texts, so only the purpose separates them.
const (
	purposeRefresh  = "session_refresh_token"
	purposeID       = "session_id_token"
	purposeVerifier = "login_verifier"
)

// SealedColumns returns the columns that this package seals.
func SealedColumns() []secret.Column {
	return []secret.Column{
		{Table: "sessions", Key: "handle_hash", Value: "refresh_token", Purpose: purposeRefresh},
		{Table: "sessions", Key: "handle_hash", Value: "id_token", Purpose: purposeID},
		{Table: "login_attempts", Key: "state_hash", Value: "verifier", Purpose: purposeVerifier},
	}
}

// JoinHandle returns the handle of a browser, "" if a half is missing: refresh from the refresh cookie, own from the
// cookie that only leadctl's own host can set.
func JoinHandle(refresh, own string) string {
	if refresh == "" || own == "" {
		return ""
	}
	return refresh + "." + own
}

// SplitHandle returns the halves of a handle.
func SplitHandle(handle string) (refresh, own string) {
	refresh, own, _ = strings.Cut(handle, ".")
	return refresh, own
}

// lockPerson makes transactions that begin or end sessions of the person wait for each other.
func lockPerson(ctx context.Context, tx postgres.SystemTx, issuer, subject string) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`,
		"session\n"+issuer+"\n"+subject)
	return err
}

// insertSession starts a session for a verified identity. Every sign-in gets a new handle, so a handle that was planted
// in the browser opens nothing.
func (m *Manager) insertSession(ctx context.Context, tx postgres.SystemTx, who sso.Identity, idToken,
	refreshToken string) (Tokens, error) {
	t := Tokens{ID: idToken, Expires: who.Expiry, Handle: JoinHandle(rand.Text(), rand.Text()), Identity: who}
	_, own := SplitHandle(t.Handle)
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
	if refresh == nil { // the session ends with its ID token
		until = who.Expiry.Add(m.verifier.Leeway())
	}
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE expires_at < $1`, m.now()); err != nil {
		return t, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sessions (handle_hash, issuer, subject, refresh_token, id_token, refreshed_at,
		created_at, expires_at, own_hash) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)`,
		hashText(t.Handle), who.Issuer, who.Subject, refresh, id, m.now(), until, hashText(own))
	if err != nil {
		return t, err
	}
	return t, m.recordToken(ctx, tx, t.Handle, who)
}

// Exchange starts a session without refresh for an ID token that the page got from the provider itself. Any other
// token, an access token too, is Unauthenticated.
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
		if err := lockPerson(ctx, tx, who.Issuer, who.Subject); err != nil {
			return err
		}
		revoked, err := Revoked(ctx, tx, who)
		if err != nil {
			return err
		}
		if revoked {
			return fault.New(fault.Unauthenticated, "token exchange: the token was signed out")
		}
		t, err = m.insertSession(ctx, tx, who, idToken, "")
		return err
	})
	return t, err
}
