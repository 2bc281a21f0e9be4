package sso_test

import (
	"maps"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cases returns the acceptance cases by id. A case with a part in another package runs its part here and
// looks for the other.
func cases() map[string]func(*testing.T) {
	all := otherPackagesCases()
	for _, group := range []map[string]func(*testing.T){
		structureCases(), algorithmCases(), keyCases(), registeredCases(), claimCases(), keyLifeCases(),
		startCases(), secondCases(),
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

// TestCases runs each acceptance case as a subtest with the case's id, for example `go test -run TestCases/A-042`.
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
