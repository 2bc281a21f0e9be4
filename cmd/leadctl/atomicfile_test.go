package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
)

// newOperator makes a database in which each of two tenants has a lead, and returns it with a function that makes
// leadctl commands for it.
func newOperator(t *testing.T) (db *pgtest.DB, leadctl func(args ...string) *exec.Cmd) {
	t.Helper()
	db = pgtest.New(t)
	for _, sql := range []string{
		`INSERT INTO tenants (tenant_id, name) VALUES (1, 'Acme'), (2, 'Borealis')`,
		`INSERT INTO companies (company_id, uen, name, industry_code, live)
			VALUES (7, '201500007A', 'CNR-1', '62011', true), (8, '201500008B', 'CNR-2', '56111', true)`,
		`INSERT INTO lead_scores (tenant_id, company_id, score) VALUES (1, 7, 0.5), (2, 8, 0.5)`,
	} {
		_, err := db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	env := append(os.Environ(), "LEADCTL_ENV=development", "POSTGRES_DSN="+db.LoginDSN, "XDG_CONFIG_HOME="+t.TempDir())
	return db, func(args ...string) *exec.Cmd {
		cmd := exec.Command("leadctl", args...)
		cmd.Env = env
		return cmd
	}
}

// newExporter is newOperator with a function that makes the command which exports tenant 1's lead to a path.
func newExporter(t *testing.T) (db *pgtest.DB, export func(path string) *exec.Cmd) {
	t.Helper()
	db, leadctl := newOperator(t)
	return db, func(path string) *exec.Cmd { return leadctl("export", "scores", "--tenant", "1", "--out", path) }
}

// requireSuccess runs cmd and fails the test if it fails.
func requireSuccess(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// requireFiles fails the test unless dir contains exactly these names, hidden files included.
func requireFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := []string{}
	for _, e := range entries {
		found = append(found, e.Name())
	}
	require.ElementsMatch(t, names, found)
}

// killedExportLeavesNothing checks that an export which is killed leaves no new file and does not change an existing
// one, and that the next export succeeds.
func killedExportLeavesNothing(t *testing.T) {
	db, export := newExporter(t)
	dir := t.TempDir()
	for name, before := range map[string][]string{"new.csv": nil, "old.csv": {"old.csv"}} {
		path := filepath.Join(dir, name)
		if before != nil {
			require.NoError(t, os.WriteFile(path, []byte("as it was"), 0o600))
		}
		cmd := export(path)
		killAtWork(t, db, cmd, dir)
		requireFiles(t, dir, before...)
		if before != nil {
			held, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "as it was", string(held))
		}
		requireSuccess(t, export(path))
		requireFiles(t, dir, name)
		held, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(held), "\r\n7,")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "only its owner may read it")
		require.NoError(t, os.Remove(path))
	}
}

// killAtWork starts cmd, kills it when it waits for the leads with a file in dir open, and waits until it has ended.
func killAtWork(t *testing.T, db *pgtest.DB, cmd *exec.Cmd, dir string) {
	t.Helper()
	tx, err := db.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context()))) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE lead_scores`)
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		waits := false
		require.NoError(
			t,
			db.Owner.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks
				WHERE relation = 'lead_scores'::regclass AND NOT granted)`).
				Scan(&waits),
		)
		return waits && holdsFileOf(cmd.Process.Pid, dir)
	}, time.Minute, 20*time.Millisecond, "the export did not reach the leads")
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.ErrorContains(t, cmd.Wait(), "killed")
}

// holdsFileOf reports whether the process has a file below dir open.
func holdsFileOf(pid int, dir string) bool {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range open {
		if at, err := os.Readlink(fd); err == nil && strings.HasPrefix(at, dir+"/") {
			return true
		}
	}
	return false
}

func TestPipesAreWrittenTo(t *testing.T) {
	t.Parallel()
	_, export := newExporter(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	got := make(chan string, 1)
	go func() {
		defer close(got)
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		text, _ := io.ReadAll(f)
		got <- string(text)
	}()
	requireSuccess(t, export(path))
	require.Contains(t, <-got, "\r\n7,")
	requireFiles(t, dir, "pipe")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeNamedPipe)
}

// TestHiddenFile tests the way of systems that do not support files without a name.
func TestHiddenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	for _, want := range []string{"one", "two"} {
		f, err := createHidden(path)
		require.NoError(t, err)
		_, err = io.WriteString(f, want)
		require.NoError(t, err)
		require.NoError(t, f.publish())
		require.NoError(t, f.Close())
		f.discard()
		held, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(held))
		requireFiles(t, dir, "out.csv")
	}
	f, err := createHidden(path)
	require.NoError(t, err)
	f.discard()
	require.NoError(t, f.Close())
	requireFiles(t, dir, "out.csv")
}
