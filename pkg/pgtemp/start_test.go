//go:build unix

package pgtemp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/leadctl/leadctl/pkg/fault"
)

func startServer(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func connectTo(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func showSetting(t *testing.T, conn *pgx.Conn, setting string) (value string) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_setting($1)`, setting).Scan(&value))
	return value
}

// processTree returns the process ids of root and its descendants, without zombies.
func processTree(t *testing.T, root int) map[int]bool {
	t.Helper()
	found := map[int]bool{}
	addProcess(t, int32(root), found)
	return found
}

func addProcess(t *testing.T, pid int32, found map[int]bool) {
	t.Helper()
	p, err := process.NewProcess(pid)
	if errors.Is(err, process.ErrorProcessNotRunning) {
		return
	}
	require.NoError(t, err)
	status, err := p.Status()
	if err != nil || slices.Contains(status, process.Zombie) {
		return // it has ended
	}
	found[int(pid)] = true
	children, err := p.Children()
	if err != nil {
		return // it has none, or it has ended
	}
	for _, child := range children {
		addProcess(t, child.Pid, found)
	}
}

// requireGone waits until the directory and all processes are gone.
func requireGone(t *testing.T, dir string, processes map[int]bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		for pid := range processes {
			if processTree(t, pid)[pid] {
				return false
			}
		}
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, 30*time.Second, 20*time.Millisecond, "directory %s or a process of its server is left", dir)
}

func TestServesSuperuserOnSocketOnly(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	require.NotEmpty(t, s.Version())
	conn := connectTo(t, s.DSN("postgres"))

	var user, encoding string
	var super bool
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_user, rolsuper, pg_encoding_to_char(encoding)
		FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()`).
		Scan(&user, &super, &encoding))
	require.Equal(t, "leadctl", user)
	require.True(t, super)
	require.Equal(t, "UTF8", encoding)
	require.Equal(t, "UTC", showSetting(t, conn, "timezone"))
	require.Equal(t, "off", showSetting(t, conn, "fsync"))
	require.Empty(t, showSetting(t, conn, "listen_addresses"))
	require.Contains(t, showSetting(t, conn, "server_version"), s.Version())

	info, err := os.Stat(s.Dir())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestDurableAndSettings(t *testing.T) {
	t.Parallel()
	var progress []string
	s := startServer(t, Options{
		Durable:  true,
		Settings: map[string]string{"work_mem": "7MB", "max_connections": "20", "cluster_name": `it's "two" words`},
		Log:      func(format string, _ ...any) { progress = append(progress, format) },
	})
	conn := connectTo(t, s.DSN("postgres"))
	for name, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
		"work_mem": "7MB", "max_connections": "20", "cluster_name": `it's "two" words`,
	} {
		require.Equal(t, want, showSetting(t, conn, name), name)
	}
	require.NotEmpty(t, progress)
}

func TestStopRemovesEverythingAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	connectTo(t, s.DSN("postgres")) // an open session does not delay Stop
	processes := processTree(t, s.pid)
	require.Greater(t, len(processes), 3, "supervisor, watcher, postmaster and its children")

	require.NoError(t, s.Stop())
	require.NoDirExists(t, s.Dir())
	requireGone(t, s.Dir(), processes)
	require.NoError(t, s.Stop())
}

func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	who, err := serverAccount()
	require.NoError(t, err)
	bin, err := findBinaries(t.Context(), Options{}, systemPlaces(t.Context()))
	require.NoError(t, err)
	template := filepath.Join(dirWritableBy(t, who), "template.tar") // missing: each server makes and publishes it
	servers := make([]*Server, 3)
	var group errgroup.Group
	for i := range servers {
		group.Go(func() (err error) {
			if servers[i], err = startSupervisor(who, bin, template, Options{}); err != nil {
				return err
			}
			return servers[i].awaitReady(t.Context())
		})
	}
	require.NoError(t, group.Wait())
	last, err := startSupervisor(who, bin, template, Options{}) // unpacks the published archive
	require.NoError(t, err)
	require.NoError(t, last.awaitReady(t.Context()))
	for _, s := range append(servers, last) {
		require.NoError(t, s.Stop())
		require.NoDirExists(t, s.Dir())
	}
	left, err := filepath.Glob(template + "*")
	require.NoError(t, err)
	require.Equal(t, []string{template}, left)
}

func TestDamagedTemplateIsReplaced(t *testing.T) {
	t.Parallel()
	who, err := serverAccount()
	require.NoError(t, err)
	bin, err := findBinaries(t.Context(), Options{}, systemPlaces(t.Context()))
	require.NoError(t, err)
	template := filepath.Join(dirWritableBy(t, who), "template.tar")
	require.NoError(t, os.WriteFile(template, []byte("not an archive"), 0o644))
	s, err := startSupervisor(who, bin, template, Options{})
	require.NoError(t, err)
	require.NoError(t, s.awaitReady(t.Context()))
	require.NoError(t, s.Stop())
	info, err := os.Stat(template)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(1<<20))
}

func TestForeignTemplateIsNotUsed(t *testing.T) {
	t.Parallel()
	mine := account{uid: os.Geteuid()}
	v := version{text: "0.test-" + strconv.Itoa(os.Getpid())}
	path := templatePath(mine, v)
	require.NotEmpty(t, path)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	t.Cleanup(func() { _ = os.Remove(path) })
	require.Equal(t, path, templatePath(mine, v))

	require.NoError(t, os.Chmod(path, 0o640))
	require.Empty(t, templatePath(mine, v), "readable by others")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("/etc/hostname", path))
	require.Empty(t, templatePath(mine, v), "a symbolic link")
}

func TestKilledServerLeavesNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	processes := processTree(t, s.pid)
	first, err := os.ReadFile(filepath.Join(s.Dir(), "data", "postmaster.pid"))
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(first), "\n")
	postmaster, err := strconv.Atoi(line)
	require.NoError(t, err)

	require.NoError(t, syscall.Kill(postmaster, syscall.SIGKILL))
	requireGone(t, s.Dir(), processes)
	require.NoError(t, s.Stop())
}

func TestFailedStartShowsLogAndLeavesNothing(t *testing.T) {
	t.Parallel()
	who, err := serverAccount()
	require.NoError(t, err)
	bin, err := findBinaries(t.Context(), Options{}, systemPlaces(t.Context()))
	require.NoError(t, err)
	s, err := startSupervisor(who, bin, "", Options{Settings: map[string]string{"no_such_setting": "1"}})
	require.NoError(t, err)
	err = s.awaitReady(t.Context())
	require.NoDirExists(t, s.Dir())
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "no_such_setting")
	require.NotEmpty(t, fault.Hint(err))
}

func TestCancelledStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, Options{})
	require.True(t, fault.Is(err, fault.Interrupted), "%v", err)

	who, err := serverAccount()
	require.NoError(t, err)
	bin, err := findBinaries(t.Context(), Options{}, systemPlaces(t.Context()))
	require.NoError(t, err)
	s, err := startSupervisor(who, bin, "", Options{})
	require.NoError(t, err)
	require.True(t, fault.Is(s.awaitReady(ctx), fault.Interrupted))
	processes := processTree(t, s.pid)
	require.NoError(t, s.Stop())
	requireGone(t, s.Dir(), processes)
}

// dirWritableBy returns a new directory that who can write to. Under root, the server's user cannot write to t.TempDir.
func dirWritableBy(t *testing.T, who account) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgtemp-test-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, who.uid, -1))
	return dir
}
