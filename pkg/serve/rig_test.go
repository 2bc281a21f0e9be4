package serve

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
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/logging/logtest"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
)

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// idp is an identity provider on loopback, over http as on a developer's machine, that can be down.
type idp struct {
	*httptest.Server
	down atomic.Bool
}

func newIDP(t testing.TB) *idp {
	t.Helper()
	p := &idp{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.down.Load():
			http.Error(w, "down", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/keys"):
			key := signingKey().PublicKey
			fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"k1","alg":"RS256","use":"sig","n":%q,"e":%q}]}`,
				b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()))
		default:
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":%[2]q,"token_endpoint":%[2]q}`, p.URL,
				p.URL+"/keys")
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// token is an admin's of tenant id; "" names none.
func (p *idp) token(id string) string {
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": "api", "sub": "ann", "iat": now.Unix(),
		"exp":   now.Add(time.Hour).Unix(),
		"email": "ann@acme.example", "email_verified": true, "roles": []string{"admin"}, "tenant_id": id,
		"typ": "Bearer"}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := b64([]byte(`{"alg":"RS256","kid":"k1","typ":"JWT"}`)) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, signingKey(), crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

func keyset(t testing.TB) string {
	t.Helper()
	text, err := secret.Generate()
	require.NoError(t, err)
	return string(text)
}

// settings are a developer's, changed by the pairs given, through the loader that the command uses.
func settings(t testing.TB, dsn, issuer string, pairs ...string) config.Config {
	t.Helper()
	env := map[string]string{"LEADCTL_ENV": "development", "POSTGRES_DSN": dsn, "NEXIUS_ISSUER": issuer,
		"NEXIUS_AUDIENCE": "api", "LEADCTL_KEYSET": keyset(t),
		"LEADCTL_API_LISTEN": "127.0.0.1:0", "LEADCTL_API_METRICS_LISTEN": "127.0.0.1:0", "DISABLE_SCHEDULER": "1",
		"DISABLE_STARTUP_INGEST": "1"}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	cfg, _ := config.Load(config.Source{Dirs: []string{t.TempDir()}, Lookup: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}})
	return cfg
}

// running is a daemon under test.
type running struct {
	base    string
	metrics string
	log     *logtest.Journal
	stop    context.CancelFunc // what SIGTERM does
	ended   chan error
}

// start runs the daemon until the test ends, which it must survive with a nil error.
func start(t testing.TB, cfg config.Config, change ...func(*Options)) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	d := &running{log: &logtest.Journal{}, stop: stop, ended: make(chan error, 1)}
	started := make(chan net.Addr, 1)
	metrics, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.metrics = "http://" + metrics.Addr().String()
	opts := Options{Version: "test", Log: logging.New(d.log, -8, "json"), Started: func(a net.Addr) { started <- a },
		ListenMetrics: func() (net.Listener, error) { return metrics, nil }}
	for _, c := range change {
		c(&opts)
	}
	go func() { d.ended <- Run(ctx, cfg, opts) }()
	select {
	case addr := <-started:
		d.base = "http://" + addr.String()
	case err := <-d.ended:
		stop()
		t.Fatalf("the daemon did not start: %v", err)
	}
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-d.ended)
	})
	return d
}

// end stops the daemon and gives what Run returned.
func (d *running) end() error {
	d.stop()
	err := <-d.ended
	d.ended <- err
	return err
}

// refused runs a daemon that must not start, and demands that it never opened a port.
func refused(t testing.TB, cfg config.Config) error {
	t.Helper()
	opened := func() (net.Listener, error) {
		t.Error("a port was opened")
		return nil, net.ErrClosed
	}
	err := Run(t.Context(), cfg, Options{Listen: opened, ListenMetrics: opened,
		Started: func(net.Addr) { t.Error("it started") }})
	require.Error(t, err)
	return err
}

type answer struct {
	status int
	header http.Header
	body   string
}

// get asks on a connection of its own.
func get(t testing.TB, url, token string) answer {
	t.Helper()
	a, err := fetch(t.Context(), url, token)
	require.NoError(t, err)
	return a
}

func fetch(ctx context.Context, url, token string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	req.Close = true
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// eventually waits for something that has no signal of its own. The bound only keeps a broken test from hanging.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never came true: %s", what)
}

// newTenant makes an active tenant with leads.
func newTenant(t testing.TB, db *pgtest.DB, name string, leads int) (id string) {
	t.Helper()
	require.NoError(t, db.Owner.QueryRow(t.Context(),
		`INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id::text`, name).Scan(&id))
	_, err := db.Owner.Exec(t.Context(), `WITH c AS (INSERT INTO companies (uen, name)
			SELECT $1 || i, repeat('Company of some length ', 10) || i FROM generate_series(1, $2) i
			RETURNING company_id)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, source)
		SELECT $3::text::int, company_id, 0.5, 'low', 'other' FROM c`, name, leads, id)
	require.NoError(t, err)
	return id
}

// exec changes the database as the superuser.
func exec(t testing.TB, db *pgtest.DB, sql string, args ...any) {
	t.Helper()
	_, err := db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func count(t testing.TB, db *pgtest.DB, sql string) (n int) {
	t.Helper()
	require.NoError(t, db.Owner.QueryRow(t.Context(), sql).Scan(&n))
	return n
}

func requireFault(t testing.TB, err error, kind fault.Kind, words ...string) {
	t.Helper()
	require.Equal(t, kind.String(), fault.KindOf(err).String(), "%v", err)
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}
