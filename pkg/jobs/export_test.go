package jobs

import (
	"testing"
	"time"
)

// SkewClock makes the process's clock wrong by d until the test ends.
func SkewClock(t *testing.T, d time.Duration) {
	processNow = func() time.Time { return time.Now().Add(d) }
	t.Cleanup(func() {
		processNow = time.Now
		databaseAhead.Store(0)
	})
}
