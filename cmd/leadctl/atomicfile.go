package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/leadctl/leadctl/pkg/fault"
)

// pendingFile is a file that is being written and does not have its name yet.
type pendingFile struct {
	*os.File
	publish func() error // gives it its name
	discard func()       // removes it, unless it is published
}

// writeAtomically replaces the content of path with what write writes, or leaves path unchanged. It writes directly to
// a path that is not a regular file, such as a pipe or a device.
func writeAtomically(path string, write func(io.Writer) error) error {
	f, err := createPending(path)
	if err != nil {
		return fault.New(fault.Invalid, "--out %s: %w", path, err)
	}
	defer f.discard()
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.publish(), f.Close()); err != nil {
		return fault.New(fault.Invalid, "--out %s: %w", path, err)
	}
	return nil
}

// createPending creates a file that publish moves to path.
func createPending(path string) (pendingFile, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return pendingFile{f, func() error { return nil }, func() {}}, err
	}
	if f, ok := createUnnamed(path); ok {
		return f, nil
	}
	return createHidden(path)
}

// createHidden creates a hidden file in the folder of path, for systems that do not support files without a name. If
// the process is killed, the hidden file remains.
func createHidden(path string) (pendingFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".leadctl-*") // mode 0600
	if err != nil {
		return pendingFile{}, err
	}
	return pendingFile{f, func() error { return os.Rename(f.Name(), path) }, func() { _ = os.Remove(f.Name()) }}, nil
}
