package acra_test

import "testing"

// TestCases runs the acceptance cases by their ids.
func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-047", testMalformedRows)
}
