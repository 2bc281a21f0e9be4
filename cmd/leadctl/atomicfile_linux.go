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

// createUnnamed is a file without a name on the file system of path: whatever ends this process before it is in its place, there is
// nothing left of it. false where the file system knows no such files, or where there is no /proc to name it by.
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
		// A name cannot be given to another file at once: for a moment the whole file has a hidden one, too.
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

func linkFile(open, path string) error {
	return unix.Linkat(unix.AT_FDCWD, open, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
}
