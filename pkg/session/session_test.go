package session_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/session"
	"github.com/leadctl/leadctl/pkg/sso"
)

const (
	clientID = "console"
	callback = "http://127.0.0.1:1/auth/callback"
)

// rig is a provider whose token endpoint is counted and can be made to answer something else, and a Manager that uses it.
type rig struct {
	*session.Manager
	db      *pgtest.DB
	idp     *devidp.Provider
	issuer  string
	browser *http.Client
	redeems atomic.Int64
	others  atomic.Int64                // calls of any endpoint but the token's, the keys' and discovery
	forge   func(answer map[string]any) // changes what the token endpoint says
	refuse  string                      // what the token endpoint says instead, as its error
	hang    chan struct{}               // holds the token endpoint's answers back until it closes; nil: at once

	verifier *sso.Verifier
	key      *rsa.PrivateKey // published beside the provider's own, for tokens that it would never make
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{db: pgtest.New(t), key: forgersKey()}
	server := httptest.NewUnstartedServer(nil)
	r.issuer = "http://" + server.Listener.Addr().String()
	var err error
	r.idp, err = devidp.New(devidp.Config{Issuer: r.issuer,
		Users:   []devidp.User{{ID: "alice", Name: "Alice", Email: "alice@acme.example", EmailVerified: true, Roles: []string{"ops"}}},
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

// manager has a keyring of its own; change may put something else in place of the provider's description.
func (r *rig) manager(t *testing.T, change ...func(*sso.Discovery)) *session.Manager {
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
	return session.New(session.Config{ClientID: clientID, ClientSecret: "s3cret", CallbackURL: callback, HomeURL: "http://127.0.0.1:1/",
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

// reissue signs the claims of a token anew, changed, with the key that is published beside the provider's.
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
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: r.key, KeyID: "forged"}}, nil)
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
			})
		case "/oauth/token":
			r.redeems.Add(1)
			if r.hang != nil {
				<-r.hang
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

// walk follows the browser from Begin's address over the picker to our callback, and gives the query there.
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

func (r *rig) signIn(t *testing.T) session.Tokens {
	t.Helper()
	location, browser, err := r.Begin(t.Context(), "/leads")
	require.NoError(t, err)
	tokens, to, err := r.Finish(t.Context(), browser, "", r.walk(t, location))
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
	require.NoError(t, r.db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		gone, err = session.Revoked(ctx, tx, token, who)
		return err
	}))
	return gone
}

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("A-116", statesThatAreNotOurs)
	t.Run("A-117", oneCallbackOneSession)
	t.Run("A-118", nonceOfAnotherSignIn)
	t.Run("A-119", pkceIsAlwaysSent)
	t.Run("A-121", refusalIsNotReflected)
	t.Run("A-122", callbackInAnotherBrowser)
	t.Run("A-123", everySignInHasItsOwnHandle)
	t.Run("A-124", badIDTokens)
	t.Run("A-125", userinfoIsNeverAsked)
	t.Run("A-134", nothingReadableInTheDatabase)
	t.Run("C-025", handlesOfAnotherKeyring)
	t.Run("C-026", sessionsEnd)
	t.Run("C-027", placesToReturnTo)
}

func statesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	location, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	answer := r.walk(t, location)
	for name, c := range map[string]struct {
		browser string
		answer  url.Values
	}{
		"no state":         {browser, url.Values{"code": answer["code"]}},
		"wrong state":      {browser, url.Values{"code": answer["code"], "state": {"nonsense"}}},
		"no cookie":        {"", answer},
		"another's cookie": {"someone else's", answer},
		"no code":          {browser, url.Values{"state": {"nonsense"}}},
	} {
		_, _, err := r.Finish(t.Context(), c.browser, "", c.answer)
		require.Equal(t, 400, fault.HTTPStatus(err), name)
	}
	_, err = r.db.Owner.Exec(t.Context(), `UPDATE login_attempts SET started_at = started_at - interval '11 minutes'`)
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), browser, "", answer)
	require.Equal(t, 400, fault.HTTPStatus(err), "older than ten minutes")
	require.Zero(t, r.redeems.Load())
	require.Zero(t, r.sessions(t))
}

func oneCallbackOneSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	location, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	answer := r.walk(t, location)
	var wg sync.WaitGroup
	var good atomic.Int64
	for range 5 {
		wg.Go(func() {
			if _, _, err := r.Finish(t.Context(), browser, "", answer); err == nil {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, good.Load())
	require.Equal(t, 1, r.sessions(t))
	require.EqualValues(t, 1, r.redeems.Load())
}

func nonceOfAnotherSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	older, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	_, err = r.db.Owner.Exec(t.Context(), `UPDATE login_attempts SET nonce = 'another'`)
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), browser, "", r.walk(t, older))
	require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
	require.Zero(t, r.sessions(t))
}

func pkceIsAlwaysSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seen := map[string]bool{}
	for range 3 {
		location, _, err := r.Begin(t.Context(), "/")
		require.NoError(t, err)
		u, err := url.Parse(location)
		require.NoError(t, err)
		require.Equal(t, "S256", u.Query().Get("code_challenge_method"))
		require.Len(t, u.Query().Get("code_challenge"), 43)
		require.NotEmpty(t, u.Query().Get("nonce"))
		require.Equal(t, callback, u.Query().Get("redirect_uri"))
		require.False(t, seen[u.Query().Get("code_challenge")])
		seen[u.Query().Get("code_challenge")] = true
	}
	weak := r.manager(t, func(d *sso.Discovery) { d.ChallengeMethods = []string{"plain"} })
	_, _, err := weak.Begin(t.Context(), "/")
	require.Equal(t, fault.Operator, fault.KindOf(err), "a provider that offers plain only")
}

func refusalIsNotReflected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	location, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	u, err := url.Parse(location)
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), browser, "", url.Values{"state": u.Query()["state"], "error": {"access_denied"}, "error_description": {"<script>CANARY</script>" + strings.Repeat("x", 10_000)}})
	require.Equal(t, 403, fault.HTTPStatus(err))
	require.NotContains(t, fault.Text(err)+fault.Hint(err), "CANARY")
	require.Less(t, len(err.Error()), 1000)
}

func callbackInAnotherBrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	attacker, _, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	_, victim, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), victim, "", r.walk(t, attacker))
	require.Equal(t, 400, fault.HTTPStatus(err))
	require.Zero(t, r.sessions(t))
}

func everySignInHasItsOwnHandle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.signIn(t)
	location, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	second, _, err := r.Finish(t.Context(), browser, first.Handle, r.walk(t, location))
	require.NoError(t, err)
	require.NotEqual(t, first.Handle, second.Handle)
	for _, handle := range []string{"planted by somebody", first.Handle} {
		_, err = r.Refresh(t.Context(), handle)
		require.True(t, fault.Is(err, fault.Unauthenticated), handle)
	}
	require.True(t, r.revoked(t, first.ID), "what the browser had before is worth nothing now")
	require.False(t, r.revoked(t, second.ID))
	require.Equal(t, 1, r.sessions(t))
}

func nothingReadableInTheDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	_, _, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	var dump string
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT (SELECT string_agg(s::text, ' ') FROM sessions s) || (SELECT string_agg(l::text, ' ') FROM login_attempts l)`).Scan(&dump))
	require.NotContains(t, dump, tokens.Handle)
	require.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, dump)
}

func placesToReturnTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, fine := range []string{"/", "/leads", "/leads?bucket=high&limit=5", "/a/b#c", "https://ui.example/chat", "https://ui.example"} {
		require.Equal(t, fine, r.SafeReturn(fine))
	}
	for _, bad := range []string{"", "//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, "/%09/evil.example", "/%5cevil.example", "/%2fevil.example",
		"/%2f%2fevil.example", "https:evil.example", "https:/evil.example", "http://evil.example", "https://ui.example.evil.example", "https://ui.example@evil.example",
		"https://ui.example:444/", "http://ui.example/", "https://UI.example.", "/..//evil.example", "/a/../..//evil.example", "//evil.example%2f..", "javascript:alert(1)",
		"data:text/html,x", "vbscript:x", "/a\r\nSet-Cookie: x=y", "/%0d%0aSet-Cookie:x", "／／evil.example", "@evil.example", "evil.example", "./evil", "../evil", "?next=//evil",
		"#//evil", " /leads", "/leads ", "\t//evil.example", "/\t/evil.example", "https://[::1]/", "https://127.0.0.1/", "ftp://ui.example/", "//ui.example/", "///ui.example",
		"/%252f%252e%252e", "https://ui.example\\@evil.example", "https://ui.example%2eevil.example", "https://ui.example%00.evil", "blob:https://ui.example/x",
		"file:///etc/passwd", "/" + strings.Repeat("a", 4096), "https://evil.example#https://ui.example", "https://evil.example/https://ui.example", "\u2028//evil", "/\u00a0/evil",
		"//", "/%252f%252fevil.example", "/%25252f%25252fevil.example", "/%25255cevil.example", "/.%2e//evil.example", "/%2e%2e/%2e%2e//evil.example", "https:///evil.example",
		"https:\\\\evil.example", "HTTPS://EVIL.EXAMPLE", "https://ui.example\u3002evil", "https://ui.example:@evil.example/", "https://user:pass@ui.example/"} {
		require.Equal(t, "/", r.SafeReturn(bad), "%q", bad)
	}
}

func TestRefreshIsAskedOnceAndReplayed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	require.NoError(t, err)
	before := r.redeems.Load()

	var wg sync.WaitGroup
	fresh, failures := make([]string, 20), make([]error, 20)
	for i := range fresh {
		wg.Go(func() {
			got, err := r.Refresh(t.Context(), tokens.Handle)
			fresh[i], failures[i] = got.ID, err
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(failures...))
	require.NotEqual(t, tokens.ID, fresh[0])
	for _, id := range fresh {
		require.Equal(t, fresh[0], id)
	}
	require.EqualValues(t, 1, r.redeems.Load()-before, "one refresh, its answer replayed")
}

// TestAProviderThatHangs: refreshes wait for it with half of the database's connections, and everything else goes on with the
// rest.
func TestAProviderThatHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	half := max(1, r.db.App.Stat().MaxConns()/2)
	var waiting []session.Tokens
	for range half + 3 {
		waiting = append(waiting, r.signIn(t))
	}
	r.age(t, time.Minute)
	before := r.redeems.Load()
	r.hang = make(chan struct{})
	failures := make([]error, len(waiting))
	var wg sync.WaitGroup
	for i, tokens := range waiting {
		wg.Go(func() { _, failures[i] = r.Refresh(t.Context(), tokens.Handle) })
	}
	require.Eventually(t, func() bool { return r.redeems.Load()-before == int64(half) }, time.Minute, 5*time.Millisecond)
	for range 20 {
		_, err := r.Refresh(t.Context(), "made up")
		require.True(t, fault.Is(err, fault.Unauthenticated), "answered at once: %v", err)
		require.False(t, r.revoked(t, waiting[0].ID))
	}
	require.EqualValues(t, half, r.redeems.Load()-before)
	close(r.hang)
	wg.Wait()
	require.NoError(t, errors.Join(failures...))
}

func TestARefreshThatTheProviderRefusesEndsTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	require.NoError(t, err)
	r.forge = func(a map[string]any) { delete(a, "id_token") }
	_, err = r.Refresh(t.Context(), tokens.Handle)
	require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
	require.Zero(t, r.sessions(t))
}

func TestSignOutEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	require.False(t, r.revoked(t, tokens.ID))

	end, err := r.End(t.Context(), tokens.Handle, tokens.ID)
	require.NoError(t, err)
	require.Contains(t, end, "post_logout_redirect_uri="+url.QueryEscape("http://127.0.0.1:1/"))
	require.True(t, r.revoked(t, tokens.ID))
	require.Zero(t, r.sessions(t))
	_, err = r.Refresh(t.Context(), tokens.Handle)
	require.True(t, fault.Is(err, fault.Unauthenticated))
	_, err = r.Exchange(t.Context(), tokens.ID)
	require.True(t, fault.Is(err, fault.Unauthenticated), "a token that was signed out opens no new session")

	_, err = r.End(t.Context(), tokens.Handle, tokens.ID)
	require.NoError(t, err, "twice is fine")
	_, err = r.End(t.Context(), "", "")
	require.NoError(t, err, "without a session too")
}

func TestExchangeTakesIDTokensOfOursOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	again, err := r.Exchange(t.Context(), tokens.ID)
	require.NoError(t, err)
	require.NotEmpty(t, again.Handle)
	_, err = r.Refresh(t.Context(), again.Handle)
	require.NoError(t, err, "within the replay time the token itself is the answer")

	access, err := r.idp.IssueToken(t.Context(), "alice", clientID)
	require.NoError(t, err)
	for name, token := range map[string]string{"an access token": access, "nothing": "", "nonsense": "a.b.c"} {
		_, err := r.Exchange(t.Context(), token)
		require.True(t, fault.Is(err, fault.Unauthenticated), "%s: %v", name, err)
	}
}
