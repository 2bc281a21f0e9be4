package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// standIn is an Odoo stand-in with a prepared template, and the settings that name it.
func standIn(t testing.TB) (*odootest.Server, []string) {
	t.Helper()
	stand := odootest.New(odootest.Options{Master: "master"})
	web := httptest.NewServer(stand)
	t.Cleanup(web.Close)
	server, err := odoo.New(odoo.Options{BaseURL: web.URL})
	require.NoError(t, err)
	_, err = odoo.PrepareTemplate(t.Context(), server, odoo.Template{Name: "template", Master: "master", Secret: "template-admin"})
	require.NoError(t, err)
	return stand, []string{"ODOO_SERVER_URL", web.URL, "ODOO_TEMPLATE_DB", "template", "ODOO_MASTER_PASSWORD", "master", "LEADCTL_ODOO_TEMPLATE_PASSWORD", "template-admin"}
}

func firstLogin(t testing.TB, base, token string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/onboarding/first_login", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// endInOrder: not ready first and still answering, the download under way arrives whole, the running job goes back to the
// queue, nothing is claimed meanwhile, and the end is no error.
func endInOrder(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	stand.Inject(odootest.Fault{Op: "db.duplicate_database", Do: odootest.Hang})
	id := tenant(t, db, "Big", 100_000)
	const settle = 3 * time.Second
	odooSettings = append(odooSettings, "LEADCTL_KEYSET", keyset(t))
	d := start(t, settings(t, db.LoginDSN, provider.URL, odooSettings...), func(o *Options) { o.Settle = settle; o.times.grace = 30 * time.Second })
	eventually(t, "ready", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })

	first := firstLogin(t, d.base, provider.token(""))
	require.Equal(t, http.StatusAccepted, first.status, first.body)
	eventually(t, "the job hangs in Odoo", func() bool {
		calls := stand.Calls()
		return len(calls) > 0 && calls[len(calls)-1] == "db.duplicate_database"
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+"/export/latest_scores.csv?limit=all", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+provider.token(id))
	download, err := http.DefaultClient.Do(req) // the header has arrived, the rest waits for us to read
	require.NoError(t, err)
	defer download.Body.Close()

	d.stop()
	eventually(t, "not ready, and still answering", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusServiceUnavailable })
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
	late := get(t, d.base+"/whoami", provider.token(id))
	require.Equal(t, http.StatusOK, late.status, "until the listener closes, requests are answered")
	_, err = db.Owner.Exec(t.Context(), `INSERT INTO river.river_job (kind, args, max_attempts, queue, state) VALUES ('onboarding', '{"tenant_id":999}', 1, 'default', 'available')`)
	require.NoError(t, err)

	eventually(t, "the listener is closed", func() bool {
		_, err := fetch(t.Context(), d.base+"/livez", "")
		return err != nil
	})
	lines := 0
	for in := bufio.NewScanner(download.Body); in.Scan(); lines++ {
	}
	_, err = io.ReadAll(download.Body)
	require.NoError(t, err)
	require.Equal(t, 100_001, lines)
	require.Equal(t, "100000", download.Trailer.Get("X-Row-Count"))

	require.NoError(t, d.end())
	require.Zero(t, count(t, db, `SELECT count(*) FROM river.river_job WHERE state IN ('running', 'cancelled', 'discarded', 'completed')`))
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job WHERE args->>'tenant_id' = '999' AND state = 'available' AND attempt = 0`), "nothing is claimed after the signal")
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job WHERE args->>'tenant_id' <> '999' AND state IN ('available', 'retryable', 'scheduled')`), "the job is back")
	require.Zero(t, count(t, db, `SELECT count(*) FROM onboarding_status WHERE status = 'error'`))
	require.Zero(t, count(t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user`), "every connection is given back")

	// Another replica goes on where this one stopped.
	stand.Heal()
	_, err = db.Owner.Exec(t.Context(), `DELETE FROM river.river_job WHERE args->>'tenant_id' = '999'; UPDATE river.river_job SET scheduled_at = now()`)
	require.NoError(t, err)
	other := start(t, settings(t, db.LoginDSN, provider.URL, odooSettings...))
	eventually(t, "ready workspace", func() bool { return count(t, db, `SELECT count(*) FROM onboarding_status WHERE status = 'ready'`) == 1 })
	require.Contains(t, get(t, other.base+"/onboarding/status", provider.token("")).body, `"ready"`)
}

func member(t testing.TB, a answer, name string) any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	return m[name]
}

// odooDownAtSignIn: signing in works, the status is honest, and the workspace comes by itself when Odoo does.
func odooDownAtSignIn(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL, odooSettings...))
	stand.Inject(odootest.Fault{Op: "*", Do: odootest.Reset})
	token := provider.token("")
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, token).status)
	require.Equal(t, http.StatusOK, get(t, d.base+"/whoami", token).status)
	eventually(t, "it was tried twice", func() bool { return count(t, db, `SELECT coalesce(max(attempt), 0) FROM river.river_job`) >= 2 })
	require.Equal(t, "provisioning", member(t, get(t, d.base+"/onboarding/status", token), "status"))
	require.Contains(t, get(t, d.base+"/session/odoo_info", token).body, `"ready":false`)
	require.Equal(t, http.StatusOK, get(t, d.base+"/readyz", "").status, "an Odoo that is down takes no replica out")
	stand.Heal()
	eventually(t, "ready", func() bool { return member(t, get(t, d.base+"/onboarding/status", token), "status") == "ready" })
}

// pollingThroughTrouble: whatever Odoo does meanwhile, the status never fails, never goes back, and says ready only of a
// workspace that is.
func pollingThroughTrouble(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	stand, odooSettings := standIn(t)
	for _, trouble := range []odootest.Fault{
		{Op: "db.duplicate_database", Times: 1, Do: odootest.Status, Code: http.StatusBadGateway, Text: "<html>CANARY"},
		{Op: "db.duplicate_database", Times: 1, Do: odootest.Truncate, Execute: true},
		{Op: "res.users.*", Times: 1, Do: odootest.Reset, Execute: true},
		{Op: "crm.*", Times: 1, Do: odootest.Garbage},
		{Op: "res.partner.*", Times: 3, Do: odootest.Slow, Delay: 200 * time.Millisecond},
	} {
		stand.Inject(trouble)
	}
	d := start(t, settings(t, db.LoginDSN, provider.URL, odooSettings...))
	token := provider.token("")
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, token).status)
	rank := map[any]int{"provisioning": 0, "syncing": 1, "ready": 2}
	last := 0
	eventually(t, "ready", func() bool {
		a := get(t, d.base+"/onboarding/status", token)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NotContains(t, a.body, "CANARY")
		now, known := rank[member(t, a, "status")]
		require.True(t, known, a.body)
		require.GreaterOrEqual(t, now, last, a.body)
		last = now
		if again := firstLogin(t, d.base, token); again.status >= 300 {
			t.Fatalf("a repeated sign-in: %+v", again)
		}
		return now == 2
	})
	require.Contains(t, get(t, d.base+"/onboarding/verify_odoo", token).body, `"exists":true,"smoke":true,"ready":true`)
	require.Equal(t, 1, count(t, db, `SELECT count(*) FROM river.river_job`))
	made := 0
	for _, e := range stand.Ledger() {
		if e.Do == "duplicate_database" {
			made++
		}
	}
	require.Equal(t, 1, made, "one workspace")
}

// dependenciesDownAtStart: without the identity provider or Odoo it starts and says so; without PostgreSQL it says what to do.
func dependenciesDownAtStart(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := tenant(t, db, "D-059", 1)

	err := refused(t, settings(t, "postgres://nobody:CANARY@127.0.0.1:1/none", provider.URL))
	requireFault(t, err, fault.Unavailable, "PostgreSQL does not answer")
	require.Equal(t, 6, fault.ExitCode(err))
	require.NotEmpty(t, fault.Hint(err))
	require.NotContains(t, err.Error(), "CANARY")

	provider.down.Store(true)
	d := start(t, settings(t, db.LoginDSN, provider.URL, "ODOO_SERVER_URL", "http://127.0.0.1:1", "ODOO_TEMPLATE_DB", "t", "ODOO_MASTER_PASSWORD", "m", "LEADCTL_ODOO_TEMPLATE_PASSWORD", "p"))
	for range 3 {
		ready := get(t, d.base+"/readyz", "")
		require.Equal(t, http.StatusServiceUnavailable, ready.status)
		require.NotEmpty(t, ready.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
		a := get(t, d.base+"/whoami", provider.token(id))
		require.Equal(t, http.StatusServiceUnavailable, a.status, "a good token is not called bad")
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	provider.down.Store(false)
	eventually(t, "ready again", func() bool { return get(t, d.base+"/readyz", "").status == http.StatusOK })
	require.Equal(t, http.StatusOK, get(t, d.base+"/whoami", provider.token(id)).status)
}

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
	id := tenant(t, db, "D-027", 3)
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
	id := tenant(t, db, "Polling", 1)
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

// A table that loses its row security after deployment takes the replica out when the gate is asked again; mending it brings
// the replica back at once.
func TestReadinessFollowsTheGate(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	verifier, err := Verifier(settings(t, db.LoginDSN, provider.URL), nil)
	require.NoError(t, err)
	t.Cleanup(verifier.Close)
	now := time.Unix(1_800_000_000, 0)
	h := &health{db: db.App, verifier: verifier, strict: true, recheck: 30 * time.Second, now: func() time.Time { return now }}
	change := func(sql string) {
		_, err := db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.NoError(t, h.check(t.Context()))
	change(`ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`)
	now = now.Add(29 * time.Second)
	require.NoError(t, h.check(t.Context()), "not asked again yet")
	now = now.Add(2 * time.Second)
	requireFault(t, h.check(t.Context()), fault.Operator, "lead_scores")
	change(`ALTER TABLE lead_scores FORCE ROW LEVEL SECURITY`)
	requireFault(t, h.check(t.Context()), fault.Operator, "lead_scores") // the same second
	now = now.Add(time.Second)
	require.NoError(t, h.check(t.Context()))

	provider.down.Store(true)
	now = now.Add(time.Hour)
	require.NoError(t, h.check(t.Context()), "the keys at hand serve for a while: package sso decides")
	gone, err := postgres.Open(t.Context(), "postgres://x@127.0.0.1:1/x", postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(gone.Close)
	h.db = gone
	now = now.Add(time.Second)
	requireFault(t, h.check(t.Context()), fault.Unavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.db = db.App
	now = now.Add(time.Second)
	require.NoError(t, h.check(ctx), "one caller's going away is not everybody's verdict")
}

// A download may take longer than a request may take to arrive, and longer than other answers have.
func TestALongDownloadOutlivesTheServersTimes(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	id := tenant(t, db, "Long", 100_000)
	d := start(t, settings(t, db.LoginDSN, provider.URL), func(o *Options) { o.times.request, o.times.answer = 300*time.Millisecond, 300*time.Millisecond })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+"/export/latest_scores.json?limit=all", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+provider.token(id))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	time.Sleep(time.Second) // three times either limit, with most of it unsent
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, json.Valid(body))
	require.Equal(t, "100000", resp.Trailer.Get("X-Row-Count"))
}

// A download that breaks off is seen to: no last chunk, no trailer. It is never a short document that looks whole.
func TestABrokenDownloadIsSeenToBreak(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	id := tenant(t, db, "Broken", 100_000)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+"/export/latest_scores.csv?limit=all", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+provider.token(id))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Positive(t, count(t, db, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%lead_scores%'`))
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, resp.Trailer.Get("X-Row-Count"))
	require.Equal(t, http.StatusOK, get(t, d.base+"/livez", "").status)
	eventually(t, "the log says so", func() bool { return strings.Contains(d.log.String(), "export broken off") })
}

// Downloads of readers who take nothing leave connections for everybody else.
func TestSlowReadersLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	d := start(t, settings(t, db.LoginDSN, provider.URL, "LEADCTL_DATABASE_MAX_CONNS", "3"))
	big, other := tenant(t, db, "Slow", 100_000), tenant(t, db, "Other", 1)
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.base, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, "GET /export/latest_scores.csv?limit=all HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+provider.token(big)+"\r\n\r\n")
		require.NoError(t, err)
	}
	eventually(t, "one download holds the tenant's slot", func() bool {
		return count(t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%lead_scores%' AND pid <> pg_backend_pid()`) == 1
	})
	require.Equal(t, http.StatusOK, get(t, d.base+"/scores/latest", provider.token(big)).status)
	require.Equal(t, http.StatusOK, get(t, d.base+"/export/latest_scores.csv", provider.token(other)).status)
	a := get(t, d.base+"/export/latest_scores.csv", provider.token(big))
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "3", a.header.Get("Retry-After"))
}

func metricsOnTheirOwnPort(t *testing.T) {
	db, provider := pgtest.New(t), newIDP(t)
	id := tenant(t, db, "CNR-TENANT", 1)
	d := start(t, settings(t, db.LoginDSN, provider.URL))
	require.Equal(t, http.StatusAccepted, firstLogin(t, d.base, provider.token("")).status)
	get(t, d.base+"/whoami", provider.token(id))
	get(t, d.base+"/cnr-path", "")
	page := get(t, d.metrics+"/metrics", "")
	require.Equal(t, http.StatusOK, page.status)
	for _, line := range []string{`leadctl_http_requests_total{route="GET /whoami",status="2xx"} 1`, `leadctl_http_requests_total{route="none",status="4xx"} 1`,
		`leadctl_http_request_duration_seconds_count{route="GET /whoami"} 1`, "leadctl_http_requests_in_flight 0", `leadctl_db_connections{state="max"}`,
		"leadctl_sso_keys_age_seconds", `leadctl_jobs{kind="onboarding",state=`, `leadctl_build_info{version="test"} 1`, "go_goroutines", "process_open_fds"} {
		require.Contains(t, page.body, line)
	}
	for _, canary := range []string{"CNR", "cnr", "acme.example", "ann"} {
		require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(page.body, "channel", ""), "scanned", ""), canary)
	}
	for _, path := range []string{"/", "/debug/pprof/", "/debug/vars", "/whoami", "/health"} {
		require.Equal(t, http.StatusNotFound, get(t, d.metrics+path, "").status, path)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars"} {
		require.Equal(t, http.StatusNotFound, get(t, d.base+path, provider.token(id)).status, path)
	}
}
