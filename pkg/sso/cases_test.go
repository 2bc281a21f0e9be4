package sso_test

import (
	"maps"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cases are the acceptance cases by their ids. A case that has a part elsewhere is run here and looked for there.
func cases() map[string]func(*testing.T) {
	all := elsewhereCases()
	for _, group := range []map[string]func(*testing.T){
		structureCases(), algorithmCases(), keyCases(), registeredCases(), claimCases(), keyLifeCases(), startCases(),
	} {
		for id, run := range group {
			there := all[id]
			all[id] = func(t *testing.T) {
				run(t)
				if there != nil {
					there(t)
				}
			}
		}
	}
	return all
}

// TestCases runs the acceptance cases by their ids, so that `go test -run TestCases/A-042` finds one.
func TestCases(t *testing.T) {
	t.Parallel()
	all := cases()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			all[id](t)
		})
	}
}
