//go:build failpoint

package main

import "testing"

// TestFailpointScripts runs the scripts of testdata/failpoint, whose commands are killed at named points:
// go test -tags failpoint ./cmd/leadctl -run TestFailpointScripts.
func TestFailpointScripts(t *testing.T) {
	t.Parallel()
	operateScripts(t, "testdata/failpoint")
}
