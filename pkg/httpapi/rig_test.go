package httpapi_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/logging/logtest"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

const (
	audience = "leadctl-api"
	uiOrigin = "https://ui.example"
	cookie   = "nx_access"
)

// signingKeys are the provider's key and an unknown key, made once because RSA keys are slow to make.
var signingKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// idp is an identity provider that can be down.
type idp struct {
	*httptest.Server
	down atomic.Bool
	hits atomic.Int64
}

func newIDP(t testing.TB) *idp {
	t.Helper()
	p := &idp{}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.hits.Add(1)
		if p.down.Load() {
			http.Error(w, "upstream CANARY-IDP", http.StatusBadGateway)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/keys") {
			key := signingKeys()[0].PublicKey
			fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"k1","alg":"RS256","use":"sig","n":%q,"e":%q}]}`,
				b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()))
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":%[2]q,"token_endpoint":%[2]q}`, p.URL,
			p.URL+"/keys")
	}))
	t.Cleanup(p.Close)
	return p
}

// claims returns the claims of a valid token, changed by the pairs; a nil value removes the member.
func (p *idp) claims(pairs ...any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": p.URL, "aud": []string{audience}, "azp": "console", "sub": "user-1", "iat": now.Unix(),
		"exp":   now.Add(10 * time.Minute).Unix(),
		"email": "ann@acme.example", "email_verified": true, "roles": []string{"viewer"},
	}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		c[name] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(c, name)
		}
	}
	return c
}

// token signs valid claims with the changes. A json.RawMessage is copied unchanged.
func (p *idp) token(pairs ...any) string { return signed(signingKeys()[0], p.claims(pairs...)) }

func signed(key *rsa.PrivateKey, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return signedText(key, `{"alg":"RS256","kid":"k1","typ":"JWT"}`, string(payload))
}

func signedText(key *rsa.PrivateKey, header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

// rig is the whole API with its own database and a real http.Server, and a provider that signs real tokens.
type rig struct {
	*idp
	db   *pgtest.DB
	api  *httpapi.Server
	door *web.Door
	web  *httptest.Server
	log  *logtest.Journal
	reg  *prometheus.Registry
}

// setup is what a test may change before the rig is built.
type setup struct {
	cfg   httpapi.Config
	deps  httpapi.Deps
	door  web.Config
	asks  web.Deps // of the door; newRig sets DB, Sessions and Log from deps
	wrap  func(http.Handler) http.Handler
	level slog.Level
	idp   *idp
	pages map[string]http.Handler
}

func newRig(t testing.TB, changes ...func(*setup)) *rig {
	t.Helper()
	r := &rig{idp: newIDP(t), db: pgtest.New(t), log: &logtest.Journal{}, reg: prometheus.NewRegistry()}
	client, err := jobs.New(t.Context(), r.db.App, jobs.Options{})
	require.NoError(t, err)
	s := &setup{
		cfg:  httpapi.Config{Version: "test", Issuer: r.URL, Audience: audience, InfoWait: time.Millisecond},
		door: web.Config{CORSOrigins: []string{uiOrigin}, Cookies: web.Cookies{Access: cookie, Refresh: "nx_refresh"}},
		asks: web.Deps{Metrics: r.reg},
		deps: httpapi.Deps{DB: r.db.App, Jobs: client,
			Onboarding: &onboarding.Service{DB: r.db.App, Jobs: client,
				Policy: onboarding.Policy{Mode: onboarding.PolicyOpen}}},
		level: slog.LevelDebug, idp: r.idp,
	}
	for _, change := range changes {
		change(s)
	}
	if s.asks.Verifier == nil {
		s.asks.Verifier = r.verifier(t)
	}
	s.deps.Log = logging.New(r.log, s.level, "json")
	s.asks.DB, s.asks.Sessions, s.asks.Log, s.door.DevBypass = s.deps.DB, s.deps.Sessions, s.deps.Log, s.cfg.DevBypass
	s.deps.Door = web.New(s.door, s.asks)
	r.door = s.deps.Door
	r.api = httpapi.New(s.cfg, s.deps)
	r.api.Mount(s.pages, nil)
	handler := r.api.Handler()
	if s.wrap != nil {
		handler = s.wrap(handler)
	}
	r.web = httptest.NewUnstartedServer(handler)
	r.web.Config.MaxHeaderBytes, r.web.Config.DisableGeneralOptionsHandler = web.MaxHeaderBytes, true
	r.web.Config.ErrorLog = slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelWarn)
	r.web.Start()
	t.Cleanup(r.web.Close)
	return r
}

func (r *rig) verifier(t testing.TB) *sso.Verifier {
	t.Helper()
	v, err := sso.NewVerifier(sso.Config{Issuer: r.URL, Audiences: []string{audience}, ClientIDs: []string{"console"},
		HTTPClient: r.Client()})
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// answer is a whole response.
type answer struct {
	status  int
	header  http.Header
	body    string
	trailer http.Header
}

// object is the body as a JSON object.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	return m
}

// request is one call; zero fields are left out.
type request struct {
	method string // GET
	path   string
	token  string
	body   string
	header http.Header
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func (r *rig) do(t testing.TB, q request) answer {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), q.method, r.web.URL+q.path, strings.NewReader(q.body))
	require.NoError(t, err)
	maps.Copy(req.Header, q.header)
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	if host := q.header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := r.web.Client().Transport.RoundTrip(req) // redirects are answers here
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(content), resp.Trailer}
}

func (r *rig) get(t testing.TB, path, token string) answer {
	t.Helper()
	return r.do(t, request{path: path, token: token})
}

// post sends a JSON body.
func (r *rig) post(t testing.TB, path, token, body string) answer {
	t.Helper()
	return r.do(t, request{method: http.MethodPost, path: path, token: token, body: body,
		header: header("Content-Type", "application/json")})
}

// requireProblem requires a problem document with this status and code.
func requireProblem(t testing.TB, a answer, status int, code string) map[string]any {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	p := a.object(t)
	require.Equal(t, code, p["code"], a.body)
	require.IsType(t, "", p["detail"])
	require.NotEmpty(t, p["detail"])
	require.Equal(t, a.header.Get("X-Request-Id"), p["request_id"])
	require.InDelta(t, status, p["status"], 0)
	require.Equal(t, http.StatusText(status), p["title"])
	require.Equal(t, "about:blank", p["type"])
	return p
}

// exec runs a fixture as the superuser.
func (r *rig) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := r.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (r *rig) count(t testing.TB, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// tenant creates an active tenant whose onboarding is ready.
func (r *rig) tenant(t testing.TB, name string) (id tenantid.ID) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id`,
		name).Scan(&id))
	r.exec(t, `INSERT INTO onboarding_status (tenant_id, status, step) VALUES ($1, 'ready', 'icp_template')`, id)
	r.exec(t, `INSERT INTO odoo_connections (tenant_id, base_url, db_name, auth_type, secret, active) VALUES ($1, 'https://odoo.example', $2, 'api_key', 'v1:CANARY-SECRET', true)`,
		id, fmt.Sprintf("leadctl_%d", id))
	return id
}

// lead creates a scored company for the tenant, with the canary in every text that an export shows.
func (r *rig) lead(t testing.TB, id tenantid.ID, canary string, score any) (company int) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `INSERT INTO companies (uen, name, industry_norm,
		website_domain, employees_est)
		VALUES ($1, $1, 'software', 'acme.example', 12) RETURNING company_id`, canary).Scan(&company))
	r.exec(t, `INSERT INTO lead_features (tenant_id, company_id, features, source)
		VALUES ($1, $2, jsonb_build_object('rule_id', 1), 'leadctl')`, id, company)
	r.exec(t, `INSERT INTO tenant_emails (tenant_id, company_id, email) VALUES ($1, $2, $3)`, id, company,
		canary+"@x.example")
	r.exec(t, `INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source)
		VALUES ($1, $2, $3, 'high', $4, 'leadctl')`, id, company, score, canary)
	return company
}

// state returns a fingerprint of all tables that requests may write, except the audit lines of rejected claims.
func (r *rig) state(t testing.TB) (all string) {
	t.Helper()
	for _, table := range []string{"tenants", "tenant_users", "identities", "odoo_connections", "onboarding_status",
		"onboarding_steps", "icp_rules",
		"companies", "lead_features", "lead_scores", "tenant_contacts", "tenant_emails", "enrichment_runs",
		"river.river_job",
		"(SELECT * FROM audit_log WHERE action <> 'claim.refuse')"} {
		var part string
		require.NoError(t, r.db.Owner.QueryRow(t.Context(),
			`SELECT coalesce(md5(string_agg(x::text, ',' ORDER BY x::text)), '') FROM `+table+` x`).Scan(&part))
		all += table + "=" + part + " "
	}
	return all
}

// dead returns a database that does not answer.
func dead(t testing.TB) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), "postgres://none:CANARY-PASSWORD@127.0.0.1:1/none?connect_timeout=1", postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}
