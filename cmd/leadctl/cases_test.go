package main

import (
	"runtime"
	"testing"
)

// TestCases runs the acceptance cases that need the whole command, by ID.
func TestCases(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*testing.T){"B-018": noSessionSettings, "B-070": operatorActsAsTenant,
		"B-085": everyActIsRecorded}
	if runtime.GOOS == "linux" { // other systems do not support files without a name
		cases["B-066"] = killedExportLeavesNothing
	}
	for id, run := range cases {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			run(t)
		})
	}
}
