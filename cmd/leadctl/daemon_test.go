//go:build linux

package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
)

// installation is a database and an identity provider on which daemons run as processes.
type installation struct {
	db     *pgtest.DB
	keyset string
	issuer string
}

func newInstallation(t *testing.T) installation {
	t.Helper()
	keyset, err := secret.Generate()
	require.NoError(t, err)
	return installation{pgtest.New(t), string(keyset), startIDP(t, t.TempDir())}
}

// command returns a shell command, not started, with the installation's settings, and the address of its API.
func (in installation) command(t *testing.T, script string, settings ...string) (base string, cmd *exec.Cmd) {
	t.Helper()
	base = freeAddress(t)
	cmd = exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "LEADCTL_ENV=development",
		"POSTGRES_DSN=" + in.db.LoginDSN, "LEADCTL_KEYSET=" + in.keyset, "NEXIUS_ISSUER=" + in.issuer,
		"NEXIUS_CLIENT_ID=cli", "LEADCTL_API_LISTEN=" + base, "LEADCTL_API_METRICS_LISTEN=" + freeAddress(t),
		"DISABLE_SCHEDULER=1"}, settings...)
	return base, cmd
}

// start runs `leadctl serve` and returns its API's address when it is ready.
func (in installation) start(t *testing.T, stderr *os.File, settings ...string) (base string, running *exec.Cmd) {
	t.Helper()
	base, running = in.command(t, "exec leadctl serve", settings...)
	running.Stderr = stderr
	require.NoError(t, running.Start())
	require.Eventually(t, func() bool { return readiness(t.Context(), base) == http.StatusOK }, time.Minute,
		20*time.Millisecond)
	return base, running
}

// readiness returns the status of /readyz, 0 if there is none within a second.
func readiness(ctx context.Context, base string) int {
	status, _ := ask(ctx, http.DefaultTransport, http.MethodGet, "http://"+base+"/readyz")
	return status
}

func ask(ctx context.Context, by http.RoundTripper, method, url string) (status int, body string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := by.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(content)
}

func TestCasesOfDaemons(t *testing.T) {
	t.Parallel()
	for id, test := range map[string]func(*testing.T){"D-080": stuckLogReader, "D-082": rollingRestart} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// stuckLogReader: a reader that does not read its pipe, and then goes away, stops no request and not the process.
func stuckLogReader(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	base, running := newInstallation(t).start(t, writer, "LEADCTL_LOG_LEVEL=debug", "LEADCTL_API_SETTLE=0")
	require.NoError(t, writer.Close())
	answerAll := func(requests int) {
		for i := range requests {
			status, body := ask(t.Context(), http.DefaultTransport, http.MethodGet, "http://"+base+"/livez")
			require.Equal(t, http.StatusOK, status, "request %d: %s", i, body)
		}
	}
	answerAll(1000)
	require.NoError(t, reader.Close())
	answerAll(1000)
	_, body := ask(t.Context(), http.DefaultTransport, http.MethodGet, "http://"+base+"/readyz")
	require.Regexp(t, regexp.MustCompile(`"ok":true,"log_lines_lost":\d+`), body)
	metrics := ""
	for _, s := range running.Env {
		metrics, _ = strings.CutPrefix(s, "LEADCTL_API_METRICS_LISTEN=")
		if metrics != s {
			break
		}
	}
	_, body = ask(t.Context(), http.DefaultTransport, http.MethodGet, "http://"+metrics+"/metrics")
	require.Regexp(t, regexp.MustCompile(`(?m)^leadctl_log_lines_dropped_total [1-9]`), body)
	require.NoError(t, running.Process.Signal(syscall.SIGTERM))
	require.NoError(t, running.Wait(), "it ends by itself and in order")
}

// balancer sends requests to the replicas that were ready when it last asked them, on connections that it keeps.
type balancer struct {
	mu    sync.Mutex
	bases []string // of all replicas
	ready []string
	next  int
}

func (b *balancer) add(base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bases, b.ready = append(b.bases, base), append(slices.Clone(b.ready), base)
}

func (b *balancer) probe(ctx context.Context) {
	b.mu.Lock()
	bases := slices.Clone(b.bases)
	b.mu.Unlock()
	ready := slices.DeleteFunc(bases, func(base string) bool { return readiness(ctx, base) != http.StatusOK })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = ready
}

func (b *balancer) pick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.ready[b.next%len(b.ready)]
}

// rollingRestart: two replicas are replaced one after the other, one by SIGTERM and one by SIGHUP, under requests on
// kept connections. Every request is answered. They are POSTs, which Go's client does not repeat by itself.
func rollingRestart(t *testing.T) {
	in, b := newInstallation(t), &balancer{}
	var old []*exec.Cmd
	for range 2 {
		base, running := in.start(t, nil, "LEADCTL_API_SETTLE=2")
		b.add(base)
		old = append(old, running)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var answered atomic.Int64
	failed := make(chan string, 10_000)
	for range 20 {
		all.Go(func() {
			kept := &http.Transport{MaxIdleConnsPerHost: 2}
			defer kept.CloseIdleConnections()
			for ctx.Err() == nil {
				base := b.pick()
				if status, body := ask(context.WithoutCancel(ctx), kept, http.MethodPost,
					"http://"+base+"/onboarding/first_login"); status != http.StatusUnauthorized {
					failed <- base + ": " + body
				}
				answered.Add(1)
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			b.probe(context.WithoutCancel(ctx))
			time.Sleep(200 * time.Millisecond)
		}
	})
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		base, fresh := in.start(t, nil, "LEADCTL_API_SETTLE=0")
		b.add(base)
		require.NoError(t, old[i].Process.Signal(sig))
		require.NoError(t, old[i].Wait())
		defer func() { _ = fresh.Process.Signal(syscall.SIGTERM); require.NoError(t, fresh.Wait()) }()
	}
	stop()
	all.Wait()
	close(failed)
	var problems bytes.Buffer
	for f := range failed {
		problems.WriteString(f + "\n")
	}
	require.Empty(t, problems.String())
	require.Greater(t, answered.Load(), int64(500))
}
