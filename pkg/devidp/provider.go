// Package devidp is an identity provider for `leadctl demo` and for tests: it signs in whoever is picked from a list,
// without a password.
//
// It owns the picker pages, the configured users and clients, and the keys. The protocol itself (authorization code
// with PKCE, device flow, refresh rotation, discovery, keys) is zitadel/oidc's. It answers on loopback only and keeps
// everything in memory: no deployment can mistake it for the company's sign-in. What its tokens are worth is judged
// by package sso, like every other provider's.
package devidp

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Config is all that the provider knows. It is copied by New.
type Config struct {
	Issuer        string // http://127.0.0.1:PORT, the final address, without a path
	Users         []User
	Clients       []Client
	TokenLifetime time.Duration // of access and ID tokens; 0 means 15 min
}

// User is somebody who can be picked.
type User struct {
	ID            string // the subject
	Name          string
	Email         string
	EmailVerified bool
	TenantID      string   // claim tenant_id, left out when empty
	Roles         []string // claim roles, left out when empty
}

// Client is an application that may send people here.
type Client struct {
	ID                     string // also the audience of its tokens
	Secret                 string // empty for a public client, which must use PKCE and gets loopback redirects on any port
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
}

// Provider is the running identity provider, an http.Handler for its issuer's address.
type Provider struct {
	issuer *url.URL
	store  *store
	op     *op.Provider
	routes http.Handler
}

const defaultTokenLifetime = 15 * time.Minute

// New checks the configuration and makes the first key. A configuration that is not for loopback, or that names no user
// or no client, is a fault.Operator.
func New(cfg Config) (*Provider, error) {
	issuer, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	if cfg.TokenLifetime == 0 {
		cfg.TokenLifetime = defaultTokenLifetime
	}
	st, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	p := &Provider{issuer: issuer, store: st}
	if p.op, err = newOP(cfg.Issuer, st); err != nil {
		return nil, fault.New(fault.Operator, "development identity provider %s: %w", cfg.Issuer, err)
	}
	p.routes = p.newRoutes()
	return p, nil
}

// newOP sets up the protocol: S256 only, refresh tokens, the device flow, and no CORS.
func newOP(issuer string, st *store) (*op.Provider, error) {
	conf := &op.Config{
		CodeMethodS256: true, GrantTypeRefreshToken: true, AuthMethodPost: true,
		DefaultLogoutRedirectURI: issuer + "/",
		SupportedScopes:          []string{"openid", "profile", "email", "offline_access"},
		SupportedClaims:          []string{"sub", "name", "preferred_username", "email", "email_verified", claimTenant, claimRoles},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: requestLifetime, PollInterval: time.Second, UserFormPath: devicePath, UserCode: op.UserCodeBase20,
		},
	}
	_, _ = rand.Read(conf.CryptoKey[:]) // never fails
	return op.NewProvider(conf, st, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithCORSOptions(nil))
}

// validate lists everything that is wrong at once.
func (c Config) validate() (*url.URL, error) {
	var problems []string
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Scheme != "http" || issuer.Port() == "" || issuer.Path != "" || issuer.RawQuery != "" || issuer.User != nil || strings.HasSuffix(c.Issuer, "#") {
		return nil, fault.New(fault.Operator, "development identity provider %q: not of the form http://127.0.0.1:PORT", c.Issuer)
	}
	if !isLoopback(issuer.Hostname()) {
		problems = append(problems, "it runs on loopback only")
	}
	seen := map[string]bool{}
	for _, u := range c.Users {
		if u.ID == "" || seen["user "+u.ID] {
			problems = append(problems, fmt.Sprintf("user id %q is empty or taken", u.ID))
		}
		seen["user "+u.ID] = true
	}
	for _, cl := range c.Clients {
		if cl.ID == "" || seen["client "+cl.ID] {
			problems = append(problems, fmt.Sprintf("client id %q is empty or taken", cl.ID))
		}
		seen["client "+cl.ID] = true
	}
	if len(c.Users) == 0 || len(c.Clients) == 0 {
		problems = append(problems, "it needs a user and a client")
	}
	if len(problems) > 0 {
		return nil, fault.New(fault.Operator, "development identity provider %q: %s", c.Issuer, strings.Join(problems, "; "))
	}
	return issuer, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ServeHTTP answers callers on this machine that ask for the issuer's own host, and refuses all others: a page on
// the web that rebinds its name to 127.0.0.1 gets nothing.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(peer) || r.Host != p.issuer.Host {
		http.Error(w, "the development identity provider answers on loopback only", http.StatusForbidden)
		return
	}
	p.routes.ServeHTTP(w, r)
}

// IssueToken signs an access token for a user as if they had just signed in through the client.
// An unknown user or client is a fault.NotFound.
func (p *Provider) IssueToken(ctx context.Context, userID, clientID string) (string, error) {
	if _, ok := p.store.users[userID]; !ok {
		return "", fault.New(fault.NotFound, "user %q", userID)
	}
	c, ok := p.store.clients[clientID]
	if !ok {
		return "", fault.New(fault.NotFound, "client %q", clientID)
	}
	ctx = op.ContextWithIssuer(ctx, p.issuer.String())
	token, _, _, err := op.CreateAccessToken(ctx, grant{user: userID, client: clientID}, op.AccessTokenTypeJWT, p.op, c, "")
	if err != nil {
		return "", fault.New(fault.Internal, "access token for user %q: %w", userID, err)
	}
	return token, nil
}

// RotateKeys signs with a new key from now on. The key before stays published, so its tokens remain good until the
// next rotation.
func (p *Provider) RotateKeys() error { return p.store.keys.rotate() }
