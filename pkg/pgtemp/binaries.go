//go:build unix

package pgtemp

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// binaries is a directory with a usable initdb and postgres.
type binaries struct {
	dir     string
	version version
}

// findBinaries gives the binaries to run: those of o.BinDir, else the first usable place, else the fetched ones.
func findBinaries(ctx context.Context, o Options, places [][]string) (binaries, error) {
	if o.BinDir != "" {
		b, err := inspectBinaries(ctx, o.BinDir)
		if err != nil {
			return binaries{}, fault.New(fault.Unavailable, "PostgreSQL binaries in %s: %w", o.BinDir, err).WithHint(hintNoPG)
		}
		return b, nil
	}
	for _, dirs := range places {
		if b, found := newestBinaries(ctx, dirs); found {
			return b, nil
		}
	}
	if err := ctx.Err(); err != nil { // what was cut short found nothing
		return binaries{}, fault.New(fault.KindOf(err), "PostgreSQL binaries: %w", err)
	}
	return fetchedBinaries(ctx, o, "")
}

// systemPlaces lists where PostgreSQL gets installed, the best place first. Within one place the newest version wins.
func systemPlaces(ctx context.Context) [][]string {
	return [][]string{
		globDirs("/usr/lib/postgresql/*/bin"), // Debian and its kin
		binDirsOnPath(ctx),
		globDirs("/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql@*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin", "/usr/local/pgsql/bin"),
	}
}

func globDirs(patterns ...string) []string {
	var dirs []string
	for _, p := range patterns {
		found, _ := filepath.Glob(p) // fails on a malformed pattern only
		dirs = append(dirs, found...)
	}
	return dirs
}

// binDirsOnPath asks PATH: pg_config knows where the server is, even where only the client programs are on the path.
func binDirsOnPath(ctx context.Context) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

// newestBinaries is the newest usable version in dirs.
func newestBinaries(ctx context.Context, dirs []string) (best binaries, found bool) {
	for _, dir := range dirs {
		b, err := inspectBinaries(ctx, dir)
		if err == nil && (!found || b.version.newerThan(best.version)) {
			best, found = b, true
		}
	}
	return best, found
}

// inspectBinaries reads the version of the binaries in dir and refuses a dir that lacks one, or is too old.
func inspectBinaries(ctx context.Context, dir string) (binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, err
	}
	v, err := parseVersion(string(out))
	if err != nil {
		return binaries{}, err
	}
	if v.major < oldest {
		return binaries{}, fault.New(fault.Unavailable, "PostgreSQL %s in %s: older than %d", v, dir, oldest)
	}
	return binaries{dir: dir, version: v}, nil
}
