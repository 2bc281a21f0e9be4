package sso_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging/logtest"
	"github.com/leadctl/leadctl/pkg/sso"
)

// answer is the provider's response at one path.
type answer struct {
	status int
	body   string
	header http.Header
	wait   <-chan struct{} // delays the response until it is closed
}

// idp is an identity provider that counts its requests. Tests can change its responses.
type idp struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]answer
	hits    map[string]int
}

const (
	discoveryPath = "/realms/a/.well-known/openid-configuration"
	keysPath      = "/realms/a/keys"
	fallbackPath  = "/realms/a/.well-known/jwks.json"
)

func newIDP(t testing.TB) *idp {
	t.Helper()
	p := &idp{answers: map[string]answer{}, hits: map[string]int{}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	p.set(discoveryPath, answer{body: p.discovery(p.issuer(), p.URL+keysPath)})
	k := testKeys()
	p.publish(jwk(k.k1, "k1", "use", `"sig"`, "alg", `"RS256"`), jwk(k.e1, "e1", "use", `"sig"`, "alg", `"ES256"`))
	return p
}

func (p *idp) issuer() string { return p.URL + "/realms/a" }

func (p *idp) discovery(issuer, keys string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":%q,"token_endpoint":%q,`+
		`"id_token_signing_alg_values_supported":["RS256","ES256"]}`, issuer, keys, issuer+"/auth", issuer+"/token")
}

func (p *idp) publish(keys ...map[string]json.RawMessage) {
	p.set(keysPath, answer{body: keySetJSON(keys...)})
}

func (p *idp) set(path string, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[path] = a
}

func (p *idp) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[path]
}

func (p *idp) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.hits[r.URL.Path]++
	a, ok := p.answers[r.URL.Path]
	p.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if a.wait != nil {
		select {
		case <-a.wait:
		case <-r.Context().Done():
			return
		}
	}
	maps.Copy(w.Header(), a.header)
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = w.Write([]byte(a.body))
}

// clock is a clock that only advance moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is a provider, a verifier that trusts it, and a clock.
type fixture struct {
	*idp
	keyring
	v     *sso.Verifier
	cfg   sso.Config
	clock *clock
	log   *logtest.Journal
}

const audience = "leadctl-api"

// t0 returns the time at which all tokens are issued.
func t0() time.Time { return time.Unix(1_764_000_000, 0) }

func newFixture(t testing.TB, change ...func(*sso.Config)) *fixture {
	t.Helper()
	f := &fixture{idp: newIDP(t), keyring: testKeys(), clock: &clock{now: t0()}, log: &logtest.Journal{}}
	f.cfg = sso.Config{
		Issuer: f.issuer(), Audiences: []string{audience}, ClientIDs: []string{"console", "leadctl-cli"},
		HTTPClient: f.Client(), Now: f.clock.Now, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	for _, c := range change {
		c(&f.cfg)
	}
	v, err := sso.NewVerifier(f.cfg)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	f.v = v
	return f
}

// object returns a JSON object with the defaults and the changes, which are pairs of name and JSON text;
// "" removes a member.
func object(defaults map[string]string, changes ...string) string {
	m := maps.Clone(defaults)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			delete(m, changes[i])
		} else {
			m[changes[i]] = changes[i+1]
		}
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%q:%s", k, m[k]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func header(changes ...string) string {
	return object(map[string]string{"alg": `"RS256"`, "kid": `"k1"`, "typ": `"JWT"`}, changes...)
}

func (f *fixture) claims(changes ...string) string {
	return object(map[string]string{
		"iss": fmt.Sprintf("%q", f.issuer()), "aud": fmt.Sprintf("[%q]", audience), "sub": `"user-1"`,
		"iat": seconds(0), "exp": seconds(5 * time.Minute), "azp": `"console"`,
		"tenant_id": `42`, "roles": `["ops"]`, "email": `"ann@acme.com"`, "email_verified": `true`,
	}, changes...)
}

// seconds returns t0 plus d as a NumericDate.
func seconds(d time.Duration) string { return fmt.Sprint(t0().Add(d).Unix()) }

// token returns a valid RS256 token with changed claims.
func (f *fixture) token(changes ...string) string {
	return sign(f.k1, "RS256", header(), f.claims(changes...))
}

// headed returns a token with valid claims and a changed header. k1 signs it with RS256, whatever the header says.
func (f *fixture) headed(changes ...string) string {
	return sign(f.k1, "RS256", header(changes...), f.claims())
}

// accepted requires that Verify and Explain accept raw.
func (f *fixture) accepted(t testing.TB, raw string) sso.Identity {
	t.Helper()
	id, err := f.v.Verify(context.Background(), raw)
	require.NoError(t, err)
	for _, c := range f.v.Explain(context.Background(), raw) {
		require.Empty(t, c.Reason, "Explain refuses a token that Verify accepts: %+v", c)
		require.False(t, c.Skipped, "%+v", c)
	}
	return id
}

// refused requires that Verify and Explain refuse raw for reason, and that callers get the same message as
// for any other reason.
func (f *fixture) refused(t testing.TB, raw string, reason sso.Reason) {
	t.Helper()
	id, err := f.v.Verify(context.Background(), raw)
	require.Error(t, err)
	require.Zero(t, id)
	var why *sso.TokenError
	require.ErrorAs(t, err, &why)
	require.Equal(t, reason, why.Reason, why.Detail)
	require.Equal(t, 401, fault.HTTPStatus(err))
	require.Equal(t, "bearer token not accepted", fault.Text(err))
	require.Empty(t, fault.Hint(err), "a hint would show callers the reason")
	if sig := raw[strings.LastIndexByte(raw, '.')+1:]; len(sig) > 20 {
		require.NotContains(t, err.Error()+why.Hint, sig, "the message contains the signature")
	}
	require.Equal(t, reason, firstReason(f.v.Explain(context.Background(), raw)), "Explain disagrees with Verify")
}

func firstReason(checks []sso.Check) sso.Reason {
	for _, c := range checks {
		if c.Reason != "" {
			return c.Reason
		}
	}
	return ""
}

// eachRefused requires that each token is refused for reason.
func (f *fixture) eachRefused(t *testing.T, reason sso.Reason, tokens map[string]string) {
	t.Helper()
	for name, raw := range tokens {
		t.Run(name, func(t *testing.T) { f.refused(t, raw, reason) })
	}
}
