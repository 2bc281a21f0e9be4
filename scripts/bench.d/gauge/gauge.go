// Package gauge has the common parts of the benchmarks: a migrated database, running a command, and the output line of
// a figure. Each benchmark decides what it measures and against which reference.
package gauge

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/schema"
)

// Migrated migrates a throwaway server's database to the newest version. It returns the DSN of a login that may serve
// and owns nothing.
func Migrated(ctx context.Context, dsn string) (serving string, err error) {
	if _, err := schema.Up(ctx, dsn, schema.Options{FS: migrations.FS}); err != nil {
		return "", err
	}
	err = schema.CreateLogin(ctx, dsn, "serving", "only for this server")
	return strings.Replace(dsn, "leadctl@", "serving@", 1), err
}

// Env is the environment of a leadctl that works on the database dsn. It inherits nothing that could name a real
// system: no LEADCTL_PROFILE, no ODOO_SERVER_URL, no configuration file.
func Env(dsn string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir(),
		"LEADCTL_CONFIG=/dev/null",
		"POSTGRES_DSN=" + dsn, "LEADCTL_ENV=development"}
}

// Run runs a command and returns its wall time and its peak memory in MiB.
func Run(cmd *exec.Cmd) (took time.Duration, rss float64, err error) {
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took = time.Since(start)
	if err != nil {
		return took, 0, fmt.Errorf("%w: %s", err, out)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rss = float64(usage.Maxrss) / 1024
	}
	return took, rss, nil
}

// Tool returns the path of the system's psql or pgbench.
func Tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Sort(found)
	return append([]string{name}, found...)[len(found)]
}

// Median returns the median of a list that is not empty. It does not change the list.
func Median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// Figure is a measured value and its reference, both in Unit.
type Figure struct {
	Name      string
	Ours, Ref float64
	Unit      string
	Reach     float64 // ratio to reach; 0 means that there is none, so no verdict is printed
	More      bool    // Ours should be at least Reach times Ref; otherwise at most
}

// Print prints the figure as `bench <name> ours=<value> ref=<value> ratio=<x> reach=<y> ok|short`.
func (f Figure) Print() {
	ratio, verdict := f.Ours/f.Ref, "short"
	if ratio <= f.Reach && !f.More || ratio >= f.Reach && f.More {
		verdict = "ok"
	}
	judged := fmt.Sprintf(" reach=%g %s", f.Reach, verdict)
	if f.Reach == 0 {
		judged = ""
	}
	fmt.Printf("bench %s ours=%.4g%s ref=%.4g%s ratio=%.3g%s\n", f.Name, f.Ours, f.Unit, f.Ref, f.Unit, ratio, judged)
}
