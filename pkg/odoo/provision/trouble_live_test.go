//go:build live

package provision_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// TestLiveTrouble kills real servers and takes their database connections. It is not parallel, because other tests get
// no answer from the servers meanwhile. `scripts/live odoo` runs it with LEADCTL_LIVE_ODOO_URL,
// LEADCTL_LIVE_ODOO14_URL, and LEADCTL_LIVE_STATE for the process ids.
func TestLiveTrouble(t *testing.T) {
	versions := []struct {
		service, variables, version string
		shut                        []string // so that the forms make the template that Odoo can open
	}{
		{"odoo14", "LEADCTL_LIVE_ODOO14", "14", []string{"/xmlrpc/2/db"}},
		{"odoo19", "LEADCTL_LIVE_ODOO", "19", []string{"/xmlrpc", "/jsonrpc"}},
	}
	ways := []struct {
		name    string
		cluster bool
	}{{"cluster", true}, {"service", false}}
	t.Run("killed", func(t *testing.T) {
		for _, v := range versions {
			t.Run(v.version, func(t *testing.T) {
				t.Parallel()
				liveRig(t, v.variables, "u"+v.version, false, v.shut...)
				for _, way := range ways {
					t.Run(way.name, func(t *testing.T) {
						testKilled(t, liveRig(t, v.variables, "t"+v.version, way.cluster), v.service)
					})
				}
			})
		}
	})
	t.Run("no connections left", func(t *testing.T) {
		for _, v := range versions {
			for _, way := range ways {
				t.Run(v.version+" "+way.name, func(t *testing.T) {
					testExhausted(t, liveRig(t, v.variables, "t"+v.version, way.cluster))
				})
			}
		}
	})
}

// firstSignIn runs the steps of a first sign-in and the first push. It may be repeated after any failure.
func firstSignIn(r rig, w provision.Workspace) error {
	if err := runSteps(r, w); err != nil {
		return err
	}
	_, err := r.prov.PushLeads(context.Background(), w, firstLeads, provision.PushOptions{})
	return err
}

// retryUntilDone repeats firstSignIn until it succeeds, as the job does. Every error on the way must be
// fault.Unavailable.
func retryUntilDone(t *testing.T, r rig, w provision.Workspace) {
	t.Helper()
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		err := firstSignIn(r, w)
		if err != nil {
			assert.Equal(t, fault.Unavailable, fault.KindOf(err), "another attempt cannot help: %v", err)
		}
		assert.NoError(c, err)
	}, 3*time.Minute, 100*time.Millisecond)
}

var firstLeads = []crm.Item{
	{Lead: crm.Lead{UEN: "202000001A", Name: "One Pte Ltd", Score: 0.5, Bucket: "medium"}},
	{Lead: crm.Lead{UEN: "202000002B", Name: "Two Pte Ltd", Score: 0.9, Bucket: "high"}},
	{Lead: crm.Lead{UEN: "202000003C", Name: "Three Pte Ltd", Score: 0.1, Bucket: "low"}},
}

// demandOnce checks in PostgreSQL that everything of a first sign-in exists once, and that no half-made database is
// left.
func (r rig) demandOnce(t *testing.T, w provision.Workspace) {
	t.Helper()
	ctx := context.Background()
	conn := r.connect(t, w)
	defer conn.Close(ctx)
	count := func(want int64, sql string, args ...any) {
		t.Helper()
		var n int64
		require.NoError(t, conn.QueryRow(ctx, "SELECT count(*) FROM "+sql, args...).Scan(&n))
		require.Equal(t, want, n, sql)
	}
	count(1, `pg_database WHERE starts_with(datname, $1)`, w.Database)
	count(1, `res_users WHERE login = 'a@example.com' AND active`)
	count(1, `res_partner WHERE email = 'a@example.com'`)
	count(1, `res_company WHERE name = 'A'`)
	count(3, `res_partner WHERE x_uen <> ''`)
	count(3, `crm_lead WHERE x_pre_sdr_bucket <> ''`)
	if r.how.ClusterDSN != "" {
		count(1, `res_users_apikeys`)
	}
}

// identity returns the uuid of the workspace's database, which no two databases may share.
func (r rig) identity(t *testing.T, w provision.Workspace) (uuid string) {
	t.Helper()
	conn := r.connect(t, w)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(context.Background(),
		`SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'`).Scan(&uuid))
	return uuid
}

// exhaust takes every connection of PostgreSQL for ordinary roles, and Odoo's connections to the workspace, until
// release.
func (r rig) exhaust(t *testing.T, w provision.Workspace) (release func()) {
	t.Helper()
	ctx := context.Background()
	var mine []*pgx.Conn
	release = func() {
		for _, c := range mine {
			_ = c.Close(ctx)
		}
		mine = nil
	}
	t.Cleanup(release)
	for refused := 0; refused < 3; { // another connection may become free meanwhile
		conn, err := pgx.Connect(ctx, r.dsn)
		if err != nil {
			require.ErrorContains(t, err, "53300")
			refused++
			if refused == 1 {
				_, err := mine[0].Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`,
					w.Database)
				require.NoError(t, err)
			}
			continue
		}
		mine = append(mine, conn)
	}
	require.Greater(t, len(mine), 10)
	return release
}

// testExhausted takes all connections of PostgreSQL: first before the workspace exists, and then while it is half-made.
func testExhausted(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.workspace(t, 301)
	release := r.exhaust(t, w)
	err := firstSignIn(r, w)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	t.Logf("before there is a database: %v", err)
	release()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := r.prov.EnsureDatabase(ctx, w)
		assert.NoError(c, err)
	}, time.Minute, 100*time.Millisecond)
	release = r.exhaust(t, w)
	err = firstSignIn(r, w)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	t.Logf("in the middle: %v", err)
	_, err = r.prov.DropDatabase(ctx, w)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "an unreadable database must not count as dropped: %v", err)
	release()
	retryUntilDone(t, r, w) // the breaker may be open for a while after so many failed calls to Odoo 14
	r.demandOnce(t, w)
}

// testKilled kills the server three times while it makes three workspaces.
func testKilled(t *testing.T, r rig, service string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	workspaces := make([]provision.Workspace, 3)
	var making sync.WaitGroup
	var unmade atomic.Int32
	for i := range workspaces {
		w := r.workspace(t, tenantid.ID(302+i))
		workspaces[i] = w
		unmade.Add(1)
		making.Go(func() {
			defer unmade.Add(-1)
			retryUntilDone(t, r, w)
		})
	}
	kills := 0
	for kills < 3 && unmade.Load() > 0 {
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		killService(t, service)
		kills++
	}
	making.Wait()
	t.Logf("%d kills", kills)
	seen := map[string]bool{}
	for _, w := range workspaces {
		r.demandOnce(t, w)
		seen[r.identity(t, w)] = true
	}
	require.Len(t, seen, len(workspaces), "one identity for two workspaces")
}

// killService kills a server as a power cut would, and starts it again.
func killService(t *testing.T, service string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(requireEnv(t, "LEADCTL_LIVE_STATE"), service+".pid"))
	require.NoError(t, err)
	var pid int
	_, err = fmt.Sscan(string(text), &pid)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	out, err := exec.Command("../../../scripts/live", "--restart", service).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

var every = flag.Int("every", 3, "break off one call out of this many")

// testBrokenOffLive breaks off calls of a first sign-in: the connection is lost, or the answer is unusable, once before
// Odoo gets the call and once after Odoo carried it out. The next attempt must finish the sign-in.
//
// Each run breaks off one call in three, from a random first one on, because each takes a database.
func testBrokenOffLive(t *testing.T, r rig) {
	for i, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("done %v", done), func(t *testing.T) {
			t.Parallel()
			more, at := true, rand.IntN(*every)
			for ; more && at < 100; at += *every {
				t.Run(fmt.Sprint("call ", at), func(t *testing.T) {
					more = testBrokenOffAt(t, r, tenantid.ID(400+100*i+at), at, done)
				})
			}
			require.False(t, more, "a first sign-in takes more calls than this test breaks off")
			require.Greater(t, at, 15)
		})
	}
}

func testBrokenOffAt(t *testing.T, r rig, id tenantid.ID, at int, done bool) (more bool) {
	how := breakKinds[at%len(breakKinds)]
	timeout := 2 * time.Minute
	switch {
	case how == "silence" && r.how.ClusterDSN == "":
		how = "reset" // leadctl gives up a copy only after ten minutes
	case how == "silence":
		timeout = 5 * time.Second
	}
	proxy := &breakingProxy{at: int64(at), done: done, how: how}
	w := r.workspace(t, id)
	broken := odoo.Options{BaseURL: startProxy(t, r.server.BaseURL(), proxy.serve), Timeout: timeout}
	err := firstSignIn(r.withOptions(t, broken), w)
	if proxy.calls.Load() <= int64(at) {
		require.NoError(t, err)
		return false
	}
	if err != nil { // a step may have found its work done
		require.Equal(t, fault.Unavailable, fault.KindOf(err), "%s: %v", proxy.how, err)
	}
	require.NoError(t, firstSignIn(r, w), "%s: after %v", proxy.how, err)
	r.demandOnce(t, w)
	return true
}

var breakKinds = []string{"reset", "500", "HTML", "reset", "half", "silence", "502"}

// breakingProxy is a proxy that passes every call on but one.
type breakingProxy struct {
	calls atomic.Int64
	at    int64
	done  bool // Odoo carries the call out
	how   string
}

func (b *breakingProxy) serve(w http.ResponseWriter, r *http.Request, odoo http.Handler) {
	if b.calls.Add(1)-1 != b.at {
		odoo.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	if b.done {
		odoo.ServeHTTP(answer, r)
	}
	b.breakOff(w, r, answer.Body.Bytes())
}

func (b *breakingProxy) breakOff(w http.ResponseWriter, r *http.Request, answer []byte) {
	switch b.how {
	case "500", "502":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(map[string]int{"500": 500, "502": 502}[b.how])
		_, _ = w.Write([]byte("<html><h1>Something went wrong</h1></html>"))
	case "HTML":
		_, _ = w.Write([]byte("<html>" + strings.Repeat("<p>Maintenance</p>", 100) + "</html>"))
	case "silence":
		_, _ = io.Copy(io.Discard, r.Body) // the context ends with the caller only after the body was read
		<-r.Context().Done()
	case "half":
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)+1))
		_, _ = w.Write(answer[:len(answer)/2])
		panic(http.ErrAbortHandler)
	default:
		panic(http.ErrAbortHandler) // which resets the connection
	}
}
