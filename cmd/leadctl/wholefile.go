package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/leadctl/leadctl/pkg/fault"
)

// unfinished is a file that is written and not yet in its place.
type unfinished struct {
	*os.File
	place func() error // puts it there
	drop  func()       // takes away what there is of it, if anything
}

// writeWhole makes path hold what write writes, or leaves it as it was. What is not a regular file (a pipe, a device) is written to
// as it is.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := begin(path)
	if err != nil {
		return fault.New(fault.Invalid, "--out %s: %w", path, err)
	}
	defer f.drop()
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.place(), f.Close()); err != nil {
		return fault.New(fault.Invalid, "--out %s: %w", path, err)
	}
	return nil
}

func begin(path string) (unfinished, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return unfinished{f, func() error { return nil }, func() {}}, err
	}
	if f, ok := nameless(path); ok {
		return f, nil
	}
	return beside(path)
}

// beside writes to a hidden file next to path, for systems that know no files without a name. A process that is killed leaves it.
func beside(path string) (unfinished, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".leadctl-*") // mode 0600
	if err != nil {
		return unfinished{}, err
	}
	return unfinished{f, func() error { return os.Rename(f.Name(), path) }, func() { _ = os.Remove(f.Name()) }}, nil
}
