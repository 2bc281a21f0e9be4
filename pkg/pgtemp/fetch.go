//go:build unix

package pgtemp

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/leadctl/leadctl/pkg/fault"
)

// fetchedVersion is the version that the library downloads. A newer version can exist.
const fetchedVersion = embeddedpostgres.V18

// fetchedBinaries returns the downloaded binaries from the cache. If there are none, it downloads them. Several
// processes can do so at once; all use the result of the first to finish. If repository is "", the library's default
// is used.
func fetchedBinaries(ctx context.Context, o Options, repository string) (binaries, error) {
	home, err := fetchHome(o.CacheDir)
	if err == nil && !isTrustedDir(home) {
		o.logf("downloading PostgreSQL %s to %s (once)", fetchedVersion, home)
		err = fetchBinaries(ctx, home, repository)
	}
	if err != nil {
		return binaries{}, fault.New(fault.Unavailable,
			"PostgreSQL binaries: not installed, and the download failed: %w", err).WithHint(hintNoPG)
	}
	b, err := inspectBinaries(ctx, filepath.Join(home, "bin"))
	if err != nil {
		return binaries{}, fault.New(fault.Unavailable,
			"downloaded PostgreSQL binaries in %s: %w", home, err).WithHint(hintNoPG)
	}
	return b, nil
}

// fetchHome returns the directory for the downloaded binaries. It makes the parent directory, but not the directory.
func fetchHome(cacheDir string) (string, error) {
	name := "postgres-" + string(fetchedVersion)
	if cacheDir == "" && os.Geteuid() == 0 {
		return filepath.Join(durableTemp, "leadctl-"+name), nil
	}
	if cacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cacheDir = filepath.Join(user, "leadctl")
	}
	return filepath.Join(cacheDir, name), os.MkdirAll(cacheDir, 0o755)
}

// isTrustedDir reports whether dir is a directory that only this user can write to, so that it is safe to run programs
// from it.
func isTrustedDir(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && info.Mode().Perm()&0o022 == 0 && ownedBy(info, os.Geteuid())
}

// fetchBinaries downloads and unpacks the binaries in a new directory beside home and renames it to home when it is
// complete.
func fetchBinaries(ctx context.Context, home, repository string) error {
	work, err := os.MkdirTemp(filepath.Dir(home), filepath.Base(home)+".part-")
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	// The library takes no context. After a cancellation this goroutine continues until the download ends, then cleans
	// up.
	go func() {
		err := installBinaries(work, home, repository)
		_ = os.RemoveAll(work)
		failed <- err
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func installBinaries(work, home, repository string) error {
	unpacked := filepath.Join(work, "postgres")
	if err := downloadBinaries(work, unpacked, repository); err != nil {
		return err
	}
	if err := makeReadable(unpacked); err != nil {
		return err
	}
	if err := os.Rename(unpacked, home); err != nil && !isTrustedDir(home) { // trusted: another process was first
		return err
	}
	return nil
}

// downloadBinaries lets the library download the binaries, verify their published checksum and unpack them to the
// directory into, but not start a server.
//
// The library exports only Start for this: it unpacks, makes its runtime directory, prepares the data directory and
// starts a server. The data directory passed here is below a regular file and cannot be made, so Start fails before it
// runs a program. If the runtime directory then exists, the unpacking was complete.
func downloadBinaries(work, into, repository string) error {
	file, runtime := filepath.Join(work, "file"), filepath.Join(work, "runtime")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	config := embeddedpostgres.DefaultConfig().Version(fetchedVersion).Port(0).Logger(io.Discard).
		CachePath(work).BinariesPath(into).RuntimePath(runtime).DataPath(filepath.Join(file, "none"))
	if repository != "" {
		config = config.BinaryRepositoryURL(repository)
	}
	err := embeddedpostgres.NewDatabase(config).Start()
	if _, missing := os.Stat(runtime); missing == nil {
		return nil
	}
	return fmt.Errorf("PostgreSQL %s: %w", fetchedVersion, err)
}

// makeReadable makes the files below root readable for every user, because the server's user must read them whatever
// the umask was.
func makeReadable(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()&^0o022 | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}
