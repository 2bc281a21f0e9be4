package sso_test

import (
	"maps"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCases runs the acceptance cases by their ids, so that `go test -run TestCases/A-042` finds one.
func TestCases(t *testing.T) {
	t.Parallel()
	all := map[string]func(*testing.T){}
	for _, group := range []map[string]func(*testing.T){
		structureCases(), algorithmCases(), keyCases(), registeredCases(), claimCases(), keyLifeCases(), startCases(),
	} {
		maps.Copy(all, group)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			all[id](t)
		})
	}
}
