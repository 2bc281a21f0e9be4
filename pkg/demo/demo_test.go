package demo_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/demo"
)

// recorder collects what a demo in this process prints.
type recorder struct {
	steps, lines []string
	err          error // of the step that failed
}

func (r *recorder) options() demo.Options {
	return demo.Options{Listen: "127.0.0.1:20240", Version: "test", Rows: 600,
		Print: func(line string) { r.lines = append(r.lines, line) },
		Step: func(title, outcome string, _ time.Duration, err error) {
			r.steps = append(r.steps, title+": "+outcome)
			if err != nil {
				r.err = err
			}
		}}
}

func TestOnceRunsEveryStepAndPrintsOK(t *testing.T) {
	t.Parallel()
	var r recorder
	opts := r.options()
	opts.Once = true
	require.NoError(t, demo.Run(t.Context(), opts))
	require.NoError(t, r.err)
	require.Len(t, r.steps, 10)
	require.Contains(t, r.steps[9], "0 rows in all")
	require.Equal(t, "demo: ok", r.lines[len(r.lines)-1])
}

func TestIgnoredNamesSettingsWithoutValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "leadctl.yaml")
	require.NoError(t,
		os.WriteFile(file, []byte("api: {listen: '127.0.0.1:1'}\nodoo: {server_url: 'https://CANARY'}\n"), 0o600))
	set := map[string]string{"POSTGRES_DSN": "postgres://CANARY@db/leads", "LEADCTL_LOG_LEVEL": "debug"}
	cfg, err := config.Load(config.Source{File: file, Lookup: func(name string) (string, bool) {
		return set[name],
			set[name] != ""
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"POSTGRES_DSN", "odoo.server_url (file " + file + ")"}, demo.Ignored(cfg))

	none, err := config.Load(config.Source{Dirs: []string{dir + "/none"},
		Lookup: func(string) (string, bool) { return "", false }})
	require.NoError(t, err)
	require.Empty(t, demo.Ignored(none))
}

// A demo killed with SIGKILL leaves no process and no directory. The demo is this test binary, run again.
func TestKilledDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv("LEADCTL_DEMO_CHILD") != "" {
		opts := new(recorder).options()
		opts.Print = func(line string) { os.Stdout.WriteString(line + "\n") }
		_ = demo.Run(t.Context(), opts)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledDemoLeavesNothing$", "-test.v")
	cmd.Env = append(os.Environ(), "LEADCTL_DEMO_CHILD=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	dir := socketDir(t, out)
	require.DirExists(t, dir)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for range 200 {
		if _, err := os.Stat(dir); os.IsNotExist(err) && processesNaming(t, dir) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("after SIGKILL: %d processes name %s, or it still exists", processesNaming(t, dir), dir)
}

// socketDir reads what the demo prints until it names the database's directory.
func socketDir(t *testing.T, out interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	var seen bytes.Buffer
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		seen.Write(buf[:n])
		if _, rest, ok := strings.Cut(seen.String(), "host=%2F"); ok {
			if dir, _, ok := strings.Cut(rest, "&"); ok {
				return "/" + strings.ReplaceAll(dir, "%2F", "/")
			}
		}
		if err != nil {
			t.Fatalf("the demo ended early: %s", seen.String())
		}
	}
}

func processesNaming(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && bytes.Contains(line, []byte(dir)) {
			n++
		}
	}
	return n
}
