package acra_test

import "testing"

// TestCases runs the acceptance cases by their ids.
func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-023", testEveryTick)
	t.Run("D-026", testServerCrashes)
	t.Run("D-029", testDiskFull)
	t.Run("D-044", testSourceTrouble)
	t.Run("D-046", testDrift)
	t.Run("D-047", testMalformedRows)
	t.Run("D-049", testShrunkSource)
	t.Run("D-050", testKilled)
	t.Run("D-051", testOneAtATime)
	t.Run("D-051/two processes", testTwoProcesses)
	t.Run("D-079/download", testDownloadEndsEarly)
	t.Run("D-079/file", testFileEndsEarly)
}
