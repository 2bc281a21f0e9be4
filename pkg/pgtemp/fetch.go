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

// fetchedVersion is the version that the library downloads, which is not always the newest one there is.
const fetchedVersion = embeddedpostgres.V18

// fetchedBinaries gives the cached binaries, and fetches them first when there are none. Several processes may do so at
// once; the first to finish provides for all. An empty repository means the library's own.
func fetchedBinaries(ctx context.Context, o Options, repository string) (binaries, error) {
	home, err := fetchHome(o.CacheDir)
	if err == nil && !isTrustedDir(home) {
		o.logf("fetching PostgreSQL %s into %s, once", fetchedVersion, home)
		err = fetchBinaries(ctx, home, repository)
	}
	if err != nil {
		return binaries{}, fault.New(fault.Unavailable, "PostgreSQL binaries: none installed, and none fetched: %w", err).WithHint(hintNoPG)
	}
	b, err := inspectBinaries(ctx, filepath.Join(home, "bin"))
	if err != nil {
		return binaries{}, fault.New(fault.Unavailable, "fetched PostgreSQL binaries in %s: %w", home, err).WithHint(hintNoPG)
	}
	return b, nil
}

// fetchHome is the directory that holds, or is to hold, the fetched binaries. Its parent exists on return.
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

// isTrustedDir reports whether dir is a directory that nobody but this user can have filled, so that it is safe to run what
// lies in it.
func isTrustedDir(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && info.Mode().Perm()&0o022 == 0 && ownedBy(info, os.Geteuid())
}

// fetchBinaries downloads and unpacks into a directory beside home, and renames that to home when it is whole.
func fetchBinaries(ctx context.Context, home, repository string) error {
	work, err := os.MkdirTemp(filepath.Dir(home), filepath.Base(home)+".part-")
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	// The library knows no context. It goes on by itself after a cancellation and still cleans up, unless the process ends.
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
	if err := os.Rename(unpacked, home); err != nil && !isTrustedDir(home) { // else another process was first
		return err
	}
	return nil
}

// downloadBinaries has the library download the binaries, check them against their published checksum and unpack them, and stop
// there. Its Start is the only way in: it unpacks, makes its runtime directory, then prepares the data directory and
// starts a server. We give it a data directory that cannot be, under a plain file, so it ends before it runs anything;
// the runtime directory then tells whether the unpacking before it came to its end.
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

// makeReadable lets every user read what a strict umask would keep from the one that the server runs as.
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
