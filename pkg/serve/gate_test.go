package serve

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
)

// gate stands between the daemon and PostgreSQL and can be shut.
type gate struct {
	ln   net.Listener
	to   string
	mu   sync.Mutex
	shut bool
	open map[net.Conn]bool

	sent atomic.Int64 // messages towards PostgreSQL: each is a round trip
}

func newGate(t testing.TB, dsn string) (*gate, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{ln: ln, to: u.Host, open: map[net.Conn]bool{}}
	if host := u.Query().Get("host"); host != "" {
		g.to = host + "/.s.PGSQL." + u.Query().Get("port")
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.relay(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		g.set(true)
		running.Wait()
	})
	q := u.Query()
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = ln.Addr().String(), q.Encode()
	return g, u.String()
}

func (g *gate) relay(in net.Conn) {
	out, err := net.Dial(map[bool]string{true: "unix", false: "tcp"}[strings.HasPrefix(g.to, "/")], g.to)
	g.mu.Lock()
	if err != nil || g.shut {
		g.mu.Unlock()
		_ = in.Close()
		if out != nil {
			_ = out.Close()
		}
		return
	}
	g.open[in], g.open[out] = true, true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.MultiWriter(out, g), in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
	_ = in.Close()
	<-done
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, in)
	delete(g.open, out)
}

// Write counts what passes.
func (g *gate) Write(b []byte) (int, error) {
	g.sent.Add(1)
	return len(b), nil
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for conn := range g.open {
			_ = conn.Close()
		}
	}
}

// databaseGoneForAWhile: 503 with Retry-After, alive but not ready, and back by itself.
func databaseGoneForAWhile(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := newTenant(t, db, "D-027", 3)
	g, dsn := newGate(t, db.LoginDSN)
	d := start(t, settings(t, dsn, provider.URL))
	token := provider.token(id)
	require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", token).status)
	for range 2 {
		g.set(true)
		eventually(t, "not ready", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusServiceUnavailable })
		for _, path := range []string{"/scores/latest", "/export/latest_scores.csv", "/onboarding/status"} {
			a := get(t, d.base+path, token)
			require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
			require.NotEmpty(t, a.header.Get("Retry-After"))
		}
		require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
		require.Equal(t, http.StatusUnauthorized, get(t, d.base+"/whoami", "bad").status)
		g.set(false)
		eventually(t, "ready again", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })
		require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", token).status)
	}
}

// The routes that clients poll in tight loops ask PostgreSQL little and Odoo nothing: three messages for who is calling, three
// or four for the answer, nothing cached, so that a suspension counts at once.
func TestPollingIsCheap(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	id := newTenant(t, db, "Polling", 1)
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO onboarding_status (tenant_id, status, step) VALUES ($1::text::int, 'ready', 'icp_template')`, id)
	require.NoError(t, err)
	g, dsn := newGate(t, db.LoginDSN)
	d := start(t, settings(t, dsn, provider.URL, append(odooSettings, "LEADCTL_DATABASE_MAX_CONNS", "1")...))
	calls := len(stand.Calls())
	token := provider.token(id)
	poll := func(path string) (perHit int64) {
		require.Equal(t, http.StatusOK, get(t, d.base+path, token).status) // statements are prepared now
		least := int64(1 << 62)                                            // jobs, which have connections of their own, talk in between
		for range 20 {
			before := g.sent.Load()
			require.Equal(t, http.StatusOK, get(t, d.base+path, token).status)
			least = min(least, g.sent.Load()-before)
		}
		return least
	}
	for path, most := range map[string]int64{"/info": 0, "/whoami": 3, "/onboarding/status": 6, "/tenants/" + id: 6, "/session/odoo_info": 7, "/onboarding/verify_odoo": 7} {
		require.LessOrEqual(t, poll(path), most, path)
	}
	require.Len(t, stand.Calls(), calls, "Odoo is not asked")
	_, err = db.Owner.Exec(t.Context(), `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1::text::int`, id)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, get(t, d.base+"/whoami", token).status)
}
