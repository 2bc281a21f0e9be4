//go:build unix

package pgtemp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

//go:embed supervise.sh
var supervisor string

// Start starts a private PostgreSQL server in a new directory under /tmp and returns when it accepts connections. The
// server listens on a Unix socket only, unless opts.Settings says otherwise. Its processes and its directory are
// removed when Stop is called or when this process ends, also by SIGKILL. ctx limits the start only.
//
// Faults: Unavailable if no binaries are found or the server does not start; Operator if this process runs as root and
// no other user exists to run the server as. Both have a hint.
func Start(ctx context.Context, opts Options) (*Server, error) {
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	bin, err := findBinaries(ctx, opts, systemPlaces(ctx))
	if err != nil {
		return nil, err
	}
	opts.logf("starting PostgreSQL %s from %s", bin.version, bin.dir)
	template := templatePath(who, bin.version)
	s, err := startSupervisor(who, bin, template, opts)
	if err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		_ = s.Stop()
		if ctx.Err() == nil {
			_ = os.Remove(template) // it may be damaged; the next start makes a new one
		}
		return nil, err
	}
	return s, nil
}

// startSupervisor starts the supervising shell, which starts the server. The shell writes the last lines of the
// server's log to its standard error.
func startSupervisor(who account, bin binaries, template string, opts Options) (*Server, error) {
	watched, held, err := os.Pipe()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "temporary PostgreSQL: %w", err)
	}
	defer watched.Close()
	// The path of a Unix socket is limited to 107 bytes. TMPDIR and a test's directory can be longer than that.
	dir := filepath.Join("/tmp", "leadctl-pg-"+strings.ToLower(rand.Text()[:12]))
	var tail bytes.Buffer
	args := []string{"-c", supervisor, "leadctl-pgtemp", dir, bin.dir, template, initdbArgs(bin.version)}
	cmd := exec.Command("/bin/sh", append(args, serverArgs(opts)...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/bin:/bin", "LC_ALL=C"} // without PGPORT, PGDATA, …
	cmd.Stderr = &tail
	cmd.ExtraFiles = []*os.File{watched}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: who.credential} // a new session gets no Ctrl-C
	if err := cmd.Start(); err != nil {
		_ = held.Close()
		return nil, fault.New(fault.Unavailable, "temporary PostgreSQL as uid %d: %w", who.uid, err).
			WithHint("run leadctl as an ordinary user; tests can use a server that LEADCTL_TEST_POSTGRES_DSN names")
	}
	s := &Server{dir: dir, version: bin.version, pid: cmd.Process.Pid, hangUp: held.Close, done: make(chan struct{})}
	s.port = cmp.Or(opts.Settings["port"], port)
	s.lastLog = func() string { return strings.TrimSpace(tail.String()) }
	go s.waitSupervisor(cmd, held)
	return s, nil
}

// waitSupervisor waits until the supervisor ends and then closes s.done. It keeps held reachable: the garbage collector
// would close the pipe, which ends the server, if a caller kept only the DSN.
func (s *Server) waitSupervisor(cmd *exec.Cmd, held io.Closer) {
	_ = cmd.Wait() // the exit status is not needed: awaitReady reports a failed start
	_ = held.Close()
	close(s.done)
}

// awaitReady returns nil when the server accepts a connection, or a fault if the server or ctx has ended.
func (s *Server) awaitReady(ctx context.Context) error {
	config, err := pgconn.ParseConfig(s.DSN("postgres"))
	if err != nil {
		return fault.New(fault.Unavailable, "temporary PostgreSQL: %w", err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := pgconn.ConnectConfig(ctx, config); err == nil {
			_ = conn.Close(ctx)
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fault.New(fault.Unavailable, "temporary PostgreSQL %s did not start:\n%s", s.version, s.lastLog()).
				WithHint("see the log above; tests can use a server that LEADCTL_TEST_POSTGRES_DSN names")
		case <-ctx.Done():
			return fault.New(fault.KindOf(ctx.Err()), "temporary PostgreSQL %s: %w", s.version, ctx.Err())
		}
	}
}

// initdbArgs returns the arguments of initdb: a superuser without a password and the same UTF-8 collation on every
// system. From version 17 on, PostgreSQL's builtin provider has that collation. Before, it comes from the operating
// system; macOS may have only C.
func initdbArgs(v version) string {
	words := "--username=" + superuser + " --auth=trust --no-sync --no-instructions --encoding=UTF8"
	switch {
	case v.major >= 17:
		return words + " --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
	case runtime.GOOS == "darwin":
		return words + " --locale=C"
	}
	return words + " --locale=C.UTF-8"
}

// serverArgs returns the server's parameters as arguments of the form -c name=value, which need no quoting. If a
// parameter is set twice, the later value counts.
func serverArgs(opts Options) []string {
	settings := []string{
		"listen_addresses=", "port=" + port, "max_connections=200", "shared_buffers=128MB",
		"dynamic_shared_memory_type=mmap", // in containers, /dev/shm is too small
		"timezone=UTC", "log_timezone=UTC", "log_checkpoints=off",
	}
	if !opts.Durable {
		settings = append(settings, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	}
	for _, name := range slices.Sorted(maps.Keys(opts.Settings)) {
		settings = append(settings, name+"="+opts.Settings[name])
	}
	var args []string
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}
