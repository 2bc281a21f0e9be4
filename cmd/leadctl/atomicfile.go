package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/leadctl/leadctl/pkg/fault"
)

// pendingFile is a file that is written and not yet in its place.
type pendingFile struct {
	*os.File
	publish func() error // puts it there
	discard func()       // takes away what there is of it, if anything
}

// writeAtomically makes path hold what write writes, or leaves it as it was. What is not a regular file (a pipe, a device) is written to
// as it is.
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

// createHidden writes to a hidden file next to path, for systems that know no files without a name. A process that is killed leaves it.
func createHidden(path string) (pendingFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".leadctl-*") // mode 0600
	if err != nil {
		return pendingFile{}, err
	}
	return pendingFile{f, func() error { return os.Rename(f.Name(), path) }, func() { _ = os.Remove(f.Name()) }}, nil
}
