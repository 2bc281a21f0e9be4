package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// createUnnamed creates a file without a name on the file system of path (O_TMPFILE). If the process ends before
// publish, the kernel removes the file. It returns false if the file system does not support that, or if /proc is not
// mounted.
func createUnnamed(path string) (pendingFile, bool) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return pendingFile{}, false
	}
	f := os.NewFile(uintptr(fd), path)
	name := "/proc/self/fd/" + strconv.Itoa(fd)
	if _, err := os.Stat(name); err != nil {
		_ = f.Close()
		return pendingFile{}, false
	}
	place := func() error {
		err := linkFile(name, path)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		// linkat does not replace an existing file. Link to a hidden name, then rename, which does.
		next := filepath.Join(filepath.Dir(path), ".leadctl-"+rand.Text())
		if err := linkFile(name, next); err != nil {
			return err
		}
		if err := os.Rename(next, path); err != nil {
			return errors.Join(err, os.Remove(next))
		}
		return nil
	}
	return pendingFile{f, place, func() {}}, true
}

// linkFile gives the file at the /proc path open the name path.
func linkFile(open, path string) error {
	return unix.Linkat(unix.AT_FDCWD, open, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
}
