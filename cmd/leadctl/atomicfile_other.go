//go:build !linux

package main

// createUnnamed reports false: only Linux has files without a name.
func createUnnamed(string) (pendingFile, bool) { return pendingFile{}, false }
