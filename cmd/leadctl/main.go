// Command leadctl runs the tenancy of a lead-generation platform: an admin CLI and a daemon in one binary.
//
// This package turns a command line into calls and results into output: a file per noun, each RunE at most ten lines.
// What a command does is in the packages under pkg, because serve and the jobs use it too. The frame, which knows no
// noun: run.go (exit codes, errors), app.go and app_open.go (what commands share), app_tenant.go (--tenant), input.go
// (secrets and payloads from a file, stdin or the environment), output.go and table.go (results), progress.go.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
