// Package devidp is an OpenID Connect provider for `leadctl demo` and for tests.
// A person selects a user from a list and is signed in without a password.
//
// It owns the sign-in pages, the configured users and clients, and the keys. The protocol
// (authorization code with PKCE, device flow, refresh token rotation, discovery) is
// zitadel/oidc. The provider answers on loopback only and keeps its state in memory, so that
// a deployment cannot use it by mistake. Package sso verifies its tokens like those of any provider.
package devidp

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Config is the provider's configuration. New copies it.
type Config struct {
	Issuer        string // http://127.0.0.1:PORT, the final address, without a path
	Users         []User
	Clients       []Client
	TokenLifetime time.Duration // of access and ID tokens; 0 means 15 min
}

// User is a user that can be selected at sign-in.
type User struct {
	ID            string // the subject
	Name          string
	Email         string
	EmailVerified bool
	TenantID      string   // claim tenant_id; no claim when empty
	Roles         []string // claim roles; no claim when empty
}

// Client is an application that signs users in here.
type Client struct {
	ID                     string // also the audience of its tokens
	Secret                 string // empty for a public client, which must use PKCE; loopback redirects match any port
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
}

// Provider is a running identity provider. It is the http.Handler for its issuer's address.
type Provider struct {
	issuer *url.URL
	store  *store
	op     *op.Provider
	routes http.Handler
}

const defaultTokenLifetime = 15 * time.Minute

// New returns a provider with its first signing key. It fails with fault.Operator when the issuer is not a loopback
// address, when there is no user or no client, or when an id is empty or used twice.
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

// newOP configures the protocol: PKCE with S256 only, refresh tokens, the device flow, no CORS.
func newOP(issuer string, st *store) (*op.Provider, error) {
	conf := &op.Config{
		CodeMethodS256: true, GrantTypeRefreshToken: true, AuthMethodPost: true,
		DefaultLogoutRedirectURI: issuer + "/",
		SupportedScopes:          []string{"openid", "profile", "email", "offline_access"},
		SupportedClaims: []string{
			"sub", "name", "preferred_username", "email", "email_verified", claimTenant, claimRoles,
		},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: requestLifetime, PollInterval: time.Second, UserFormPath: devicePath, UserCode: op.UserCodeBase20,
		},
	}
	_, _ = rand.Read(conf.CryptoKey[:]) // never fails
	return op.NewProvider(conf, st, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithCORSOptions(nil))
}

// validate parses the issuer. It reports all problems of users and clients at once.
func (c Config) validate() (*url.URL, error) {
	var problems []string
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Scheme != "http" || issuer.Port() == "" || issuer.Path != "" || issuer.RawQuery != "" ||
		issuer.User != nil || strings.HasSuffix(c.Issuer, "#") {
		return nil, fault.New(fault.Operator,
			"development identity provider %q: the issuer must be http://127.0.0.1:PORT", c.Issuer)
	}
	if !isLoopback(issuer.Hostname()) {
		problems = append(problems, "the issuer must be a loopback address")
	}
	var users, clients []string
	for _, u := range c.Users {
		users = append(users, u.ID)
	}
	for _, cl := range c.Clients {
		clients = append(clients, cl.ID)
	}
	problems = slices.Concat(problems, idProblems("user", users), idProblems("client", clients))
	if len(c.Users) == 0 || len(c.Clients) == 0 {
		problems = append(problems, "at least one user and one client are required")
	}
	if len(problems) > 0 {
		return nil, fault.New(fault.Operator, "development identity provider %q: %s", c.Issuer,
			strings.Join(problems, "; "))
	}
	return issuer, nil
}

// idProblems reports empty and duplicate ids.
func idProblems(kind string, ids []string) (problems []string) {
	for i, id := range ids {
		if id == "" || slices.Contains(ids[:i], id) {
			problems = append(problems, fmt.Sprintf("%s id %q is empty or used twice", kind, id))
		}
	}
	return problems
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ServeHTTP rejects requests from other machines and requests with a Host header other than the issuer's. The latter
// prevents DNS rebinding: a web page whose host name resolves to 127.0.0.1 gets status 403.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(peer) || r.Host != p.issuer.Host {
		http.Error(w, "the development identity provider answers on loopback only", http.StatusForbidden)
		return
	}
	p.routes.ServeHTTP(w, r)
}

// IssueToken signs an access token for a user as if the user had just signed in with the client.
// It fails with fault.NotFound when there is no such user or client.
func (p *Provider) IssueToken(ctx context.Context, userID, clientID string) (string, error) {
	if _, ok := p.store.users[userID]; !ok {
		return "", fault.New(fault.NotFound, "user %q: not found", userID)
	}
	c, ok := p.store.clients[clientID]
	if !ok {
		return "", fault.New(fault.NotFound, "client %q: not found", clientID)
	}
	ctx = op.ContextWithIssuer(ctx, p.issuer.String())
	g := grant{user: userID, client: clientID}
	token, _, _, err := op.CreateAccessToken(ctx, g, op.AccessTokenTypeJWT, p.op, c, "")
	if err != nil {
		return "", fault.New(fault.Internal, "access token for user %q: %w", userID, err)
	}
	return token, nil
}

// RotateKeys makes a new key, which signs all later tokens. The previous key stays published, so its tokens stay valid
// until the next rotation.
func (p *Provider) RotateKeys() error { return p.store.keys.rotate() }
