package websession_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/websession"
)

const (
	clientID = "console"
	callback = "http://127.0.0.1:1/auth/callback"
)

// tester is the operator who signs people out.
var tester = tenant.By{Actor: "cli:test"}

// rig is a provider whose token endpoint counts calls and can give other answers, and a Manager that uses it.
type rig struct {
	*websession.Manager
	db      *pgtest.DB
	idp     *devidp.Provider
	issuer  string
	browser *http.Client
	redeems atomic.Int64
	others  atomic.Int64                // calls of any endpoint but the token's, the keys' and discovery
	forge   func(answer map[string]any) // changes what the token endpoint says
	refuse  string                      // what the token endpoint says instead, as its error
	other   *http.Response              // what the token endpoint answers instead of anything else
	hang    chan struct{}               // holds the token endpoint's answers back until it closes; nil: at once

	verifier *sso.Verifier
	elliptic *ecdsa.PrivateKey // published too; nil: none
	key      *rsa.PrivateKey   // published beside the provider's own, for tokens that it would never make
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{db: pgtest.New(t), key: forgersKey()}
	server := httptest.NewUnstartedServer(nil)
	r.issuer = "http://" + server.Listener.Addr().String()
	var err error
	r.idp, err = devidp.New(devidp.Config{Issuer: r.issuer,
		Users: []devidp.User{{ID: "alice", Name: "Alice", Email: "alice@acme.example", EmailVerified: true,
			Roles: []string{"ops"}}},
		Clients: []devidp.Client{{ID: clientID, Secret: "s3cret", RedirectURIs: []string{callback}}, {ID: "other", RedirectURIs: []string{"http://127.0.0.1/x"}}}})
	require.NoError(t, err)
	server.Config.Handler = r.tamper(r.idp)
	server.Start()
	t.Cleanup(server.Close)

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	r.browser = &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if "http://"+req.URL.Host != r.issuer {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	r.Manager = r.manager(t)
	r.others.Store(0)
	return r
}

// manager returns a Manager with its own keyring; change may edit the provider's description.
func (r *rig) manager(t *testing.T, change ...func(*sso.Discovery)) *websession.Manager {
	t.Helper()
	cfg := sso.Config{Issuer: r.issuer, ClientIDs: []string{clientID}, AllowInsecure: true}
	verifier, err := sso.NewVerifier(cfg)
	require.NoError(t, err)
	t.Cleanup(verifier.Close)
	r.verifier = verifier
	json, err := secret.Generate()
	require.NoError(t, err)
	keys, err := secret.Parse(json)
	require.NoError(t, err)
	return websession.New(websession.Config{ClientID: clientID, ClientSecret: "s3cret", CallbackURL: callback, HomeURL: "http://127.0.0.1:1/",
		Origins: []string{"https://ui.example"}}, r.db.App, keys, verifier,
		func(ctx context.Context) (sso.Discovery, error) {
			d, err := sso.Discover(ctx, cfg)
			for _, c := range change {
				c(&d)
			}
			return d, err
		})
}

var forgersKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// reissue returns the token with changed claims, signed with the key that is published beside the provider's.
func (r *rig) reissue(t *testing.T, token string, change func(claims map[string]any)) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(raw, &claims))
	for _, name := range []string{"exp", "iat", "auth_time"} {
		if f, ok := claims[name].(float64); ok {
			claims[name] = int64(f)
		}
	}
	change(claims)
	raw, err = json.Marshal(claims)
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256,
		Key: jose.JSONWebKey{Key: r.key, KeyID: "forged"}}, nil)
	require.NoError(t, err)
	signed, err := signer.Sign(raw)
	require.NoError(t, err)
	out, err := signed.CompactSerialize()
	require.NoError(t, err)
	return out
}

// tamper counts calls, publishes one more key, and lets forge change what the token endpoint says.
func (r *rig) tamper(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/keys":
			r.answer(w, req, next, func(set map[string]any) {
				own := jose.JSONWebKey{Key: &r.key.PublicKey, KeyID: "forged", Algorithm: "RS256", Use: "sig"}
				set["keys"] = append(set["keys"].([]any), own)
				if r.elliptic != nil {
					set["keys"] = append(set["keys"].([]any), jose.JSONWebKey{Key: &r.elliptic.PublicKey,
						KeyID: "es256", Algorithm: "ES256", Use: "sig"})
				}
			})
		case "/oauth/token":
			r.redeems.Add(1)
			if r.hang != nil {
				<-r.hang
			}
			if r.other != nil {
				w.Header().Set("Content-Type", r.other.Header.Get("Content-Type"))
				w.WriteHeader(r.other.StatusCode)
				_, _ = io.WriteString(w, r.other.Status)
				return
			}
			if r.refuse != "" {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"error":"`+r.refuse+`","error_description":"CANARY"}`)
				return
			}
			r.answer(w, req, next, r.forge)
		default:
			if !strings.HasPrefix(req.URL.Path, "/.well-known/") {
				r.others.Add(1)
			}
			next.ServeHTTP(w, req)
		}
	})
}

func (r *rig) answer(w http.ResponseWriter, req *http.Request, next http.Handler, change func(map[string]any)) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, req)
	body := rec.Body.Bytes()
	var answer map[string]any
	if json.Unmarshal(body, &answer) == nil && change != nil {
		change(answer)
		body, _ = json.Marshal(answer)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

var requestField = regexp.MustCompile(`name="request" value="([^"]+)"`)

// walk follows the browser from Begin's address through the picker to the callback, and returns the callback's query.
func (r *rig) walk(t *testing.T, location string) url.Values {
	t.Helper()
	res, err := r.browser.Get(location)
	require.NoError(t, err)
	page := new(strings.Builder)
	_, err = copyAll(page, res)
	require.NoError(t, err)
	found := requestField.FindStringSubmatch(page.String())
	require.Len(t, found, 2, page.String())
	res, err = r.browser.PostForm(r.issuer+"/login", url.Values{"request": {found[1]}, "user": {"alice"}})
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(to.String(), callback), to)
	return to.Query()
}

// arrive begins a sign-in and returns the provider's answer before the browser brings it back.
func (r *rig) arrive(t *testing.T, returnTo string) (browser string, answer url.Values) {
	t.Helper()
	location, browser, err := r.Begin(t.Context(), returnTo)
	require.NoError(t, err)
	return browser, r.walk(t, location)
}

func (r *rig) signIn(t *testing.T) websession.Tokens {
	t.Helper()
	browser, answer := r.arrive(t, "/leads")
	tokens, to, err := r.Finish(t.Context(), browser, "", answer)
	require.NoError(t, err)
	require.Equal(t, "/leads", to)
	return tokens
}

func (r *rig) sessions(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM sessions`).Scan(&n))
	return n
}

func (r *rig) revoked(t *testing.T, token string) (gone bool) {
	t.Helper()
	who, err := r.verifier.Verify(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, r.db.App.InSystem(t.Context(), "test",
		func(ctx context.Context, tx postgres.SystemTx) (err error) {
			gone, err = websession.Revoked(ctx, tx, who)
			return err
		}))
	return gone
}

func copyAll(w io.Writer, res *http.Response) (int64, error) {
	defer res.Body.Close()
	return io.Copy(w, res.Body)
}
