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

// binaries is a directory that holds a usable initdb and postgres.
type binaries struct {
	dir     string
	version version
}

// findBinaries returns the binaries to run: those in o.BinDir if it is set, else those of the first usable place, else
// the downloaded ones.
func findBinaries(ctx context.Context, o Options, places [][]string) (binaries, error) {
	if o.BinDir != "" {
		b, err := inspectBinaries(ctx, o.BinDir)
		if err != nil {
			return binaries{}, fault.New(fault.Unavailable, "PostgreSQL binaries in %s: %w", o.BinDir, err).
				WithHint(hintNoPG)
		}
		return b, nil
	}
	for _, dirs := range places {
		if b, found := newestBinaries(ctx, dirs); found {
			return b, nil
		}
	}
	if err := ctx.Err(); err != nil { // the search was incomplete: do not download
		return binaries{}, fault.New(fault.KindOf(err), "PostgreSQL binaries: %w", err)
	}
	return fetchedBinaries(ctx, o, "")
}

// systemPlaces returns the directories in which PostgreSQL is installed, in groups, the preferred group first. Within a
// group the newest version is used.
func systemPlaces(ctx context.Context) [][]string {
	return [][]string{
		globDirs("/usr/lib/postgresql/*/bin"), // Debian and its derivatives
		binDirsOnPath(ctx),
		globDirs("/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql@*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
			"/usr/local/pgsql/bin"),
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

// binDirsOnPath returns the directories that pg_config and postgres on PATH indicate. pg_config reports the directory
// of the server even if only the client programs are on PATH.
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

// newestBinaries returns the newest usable binaries in dirs.
func newestBinaries(ctx context.Context, dirs []string) (best binaries, found bool) {
	for _, dir := range dirs {
		b, err := inspectBinaries(ctx, dir)
		if err == nil && (!found || b.version.newerThan(best.version)) {
			best, found = b, true
		}
	}
	return best, found
}

// inspectBinaries returns the binaries in dir with their version. It fails if initdb or postgres is missing, or if the
// version is too old.
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
		return binaries{}, fault.New(fault.Unavailable, "PostgreSQL %s in %s: must be %d or newer", v, dir, oldest)
	}
	return binaries{dir: dir, version: v}, nil
}
