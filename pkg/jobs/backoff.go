package jobs

import (
	"math/rand/v2"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Transient reports whether the same work can succeed later without anybody changing anything.
func Transient(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Interrupted, fault.Conflict, fault.Internal:
		return true
	}
	return false
}

// Backoff is how long a job waits after so many attempts: first, twice that and so on, most at last, each of them give
// or take half, so that what failed together does not come back together.
func Backoff(attempt int, first, most time.Duration) time.Duration {
	pause := min(first<<min(max(attempt-1, 0), 10), most)
	return pause/2 + rand.N(pause)
}
