package jobs

import (
	"testing"
	"time"
)

// SkewClock makes the process's clock wrong by d until the test ends.
func SkewClock(t *testing.T, d time.Duration) {
	processAhead.Store(int64(d))
	t.Cleanup(func() {
		processAhead.Store(0)
		databaseAhead.Store(0)
	})
}
