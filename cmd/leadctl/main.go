// Command leadctl runs the tenancy of a lead-generation platform: an admin CLI and a daemon in one binary.
//
// This package turns words on a command line into calls and results into words: one file per noun, each RunE at most ten
// lines. What a command does lives in the packages under pkg, where serve and the jobs reach it too. The frame is
// run.go (exit codes, errors), app.go (what commands share), output.go (results) and progress.go (long work).
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
