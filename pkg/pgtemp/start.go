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

// Start starts a private PostgreSQL server on a unix socket, with no TCP port, in a fresh short directory under /tmp, and
// returns when it accepts connections. The server, its processes and its directory, is gone when Stop is called or when
// this process ends by any means, SIGKILL included. ctx bounds the start only.
//
// Faults: Unavailable when there are no binaries to run or the server does not come up, Operator when this is root and
// there is no other user to run it as. Both carry a hint.
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
			_ = os.Remove(template) // should it be damaged, the next start makes a new one
		}
		return nil, err
	}
	return s, nil
}

// startSupervisor starts the supervisor. Its standard error, which gets the log's last lines, ends with it.
func startSupervisor(who account, bin binaries, template string, opts Options) (*Server, error) {
	watched, held, err := os.Pipe()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "throwaway PostgreSQL: %w", err)
	}
	defer watched.Close()
	// A socket's path may have 107 bytes: neither TMPDIR nor a test's directory is short enough to rely on.
	dir := filepath.Join("/tmp", "leadctl-pg-"+strings.ToLower(rand.Text()[:12]))
	var tail bytes.Buffer
	args := []string{"-c", supervisor, "leadctl-pgtemp", dir, bin.dir, template, initdbArgs(bin.version)}
	cmd := exec.Command("/bin/sh", append(args, serverArgs(opts)...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/bin:/bin", "LC_ALL=C"} // no PGPORT, PGDATA, … of the caller's
	cmd.Stderr = &tail
	cmd.ExtraFiles = []*os.File{watched}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: who.credential} // Ctrl-C is for us, not for it
	if err := cmd.Start(); err != nil {
		_ = held.Close()
		return nil, fault.New(fault.Unavailable, "throwaway PostgreSQL as uid %d: %w", who.uid, err).
			WithHint("run leadctl as an ordinary user, or set POSTGRES_DSN")
	}
	s := &Server{dir: dir, port: cmp.Or(opts.Settings["port"], port), version: bin.version, pid: cmd.Process.Pid, hangUp: held.Close, done: make(chan struct{})}
	s.lastLog = func() string { return strings.TrimSpace(tail.String()) }
	go s.waitSupervisor(cmd, held)
	return s, nil
}

// waitSupervisor waits for the supervisor. It also keeps held reachable: collected as garbage, it would close, and end the server
// of a caller who kept nothing but the DSN.
func (s *Server) waitSupervisor(cmd *exec.Cmd, held io.Closer) {
	_ = cmd.Wait() // how it ended does not matter; awaitReady tells a start that failed
	_ = held.Close()
	close(s.done)
}

// awaitReady returns when the server accepts a connection, or a fault when it has ended or ctx has.
func (s *Server) awaitReady(ctx context.Context) error {
	config, err := pgconn.ParseConfig(s.DSN("postgres"))
	if err != nil {
		return fault.New(fault.Unavailable, "throwaway PostgreSQL: %w", err)
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
			return fault.New(fault.Unavailable, "throwaway PostgreSQL %s: did not start:\n%s", s.version, s.lastLog()).
				WithHint("see the log above; set POSTGRES_DSN to use a server of your own")
		case <-ctx.Done():
			return fault.New(fault.KindOf(ctx.Err()), "throwaway PostgreSQL %s: %w", s.version, ctx.Err())
		}
	}
}

// initdbArgs are initdb's arguments: a superuser without a password and the same UTF-8 collation everywhere. The builtin
// provider has it on every system from version 17 on; before, it is the system's, and macOS may have none but C.
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

// serverArgs are the server's parameters as -c name=value, which needs no quoting; where one is said twice, the later
// counts.
func serverArgs(opts Options) []string {
	settings := []string{
		"listen_addresses=", "port=" + port, "max_connections=200", "shared_buffers=128MB",
		"dynamic_shared_memory_type=mmap", // /dev/shm is tiny in containers
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
