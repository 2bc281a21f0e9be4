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

// performance plays the demo in this process and collects what a visitor reads.
type performance struct {
	acts, said []string
	failed     error
}

func (p *performance) options(cfg config.Config) demo.Options {
	cfg.API.Listen = "127.0.0.1:20240"
	return demo.Options{Config: cfg, Version: "test", Rows: 600,
		Say: func(line string) { p.said = append(p.said, line) },
		Act: func(title, outcome string, _ time.Duration, err error) {
			p.acts = append(p.acts, title+": "+outcome)
			if err != nil {
				p.failed = err
			}
		}}
}

func load(t *testing.T) config.Config {
	t.Helper()
	cfg, err := config.Load(config.Source{})
	require.NoError(t, err)
	cfg.Database.DSN, cfg.Odoo.ServerURL, cfg.Secrets.Keyset = "", "", ""
	return cfg
}

func TestOnceTellsTheWholeStoryAndEndsWithOK(t *testing.T) {
	t.Parallel()
	var p performance
	opts := p.options(load(t))
	opts.Once = true
	require.NoError(t, demo.Run(t.Context(), opts))
	require.NoError(t, p.failed)
	require.Len(t, p.acts, 10)
	require.Contains(t, p.acts[9], "0 rows in all")
	require.Equal(t, "demo: ok", p.said[len(p.said)-1])
}

func TestADatabaseThatStaysNeedsAKeysetThatStays(t *testing.T) {
	t.Parallel()
	var p performance
	cfg := load(t)
	cfg.Database.DSN = "postgres://nobody@127.0.0.1:1/none"
	require.Error(t, demo.Run(t.Context(), p.options(cfg)))
}

// A demo killed without warning leaves no process and no directory. The demo is this test binary, run again.
func TestKilledDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv("LEADCTL_DEMO_CHILD") != "" {
		var p performance
		opts := p.options(load(t))
		opts.Say = func(line string) { os.Stdout.WriteString(line + "\n") }
		_ = demo.Run(t.Context(), opts)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledDemoLeavesNothing$", "-test.v")
	cmd.Env = append(os.Environ(), "LEADCTL_DEMO_CHILD=1", "POSTGRES_DSN=", "DATABASE_URL=")
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

// socketDir reads the demo's words until they name the database's directory.
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
