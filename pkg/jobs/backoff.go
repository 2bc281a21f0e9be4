package jobs

import (
	"math/rand/v2"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Transient reports whether the same work can succeed later without a change.
func Transient(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Interrupted, fault.Conflict, fault.Internal:
		return true
	}
	return false
}

// Backoff returns how long a job waits after its nth attempt: first, doubled after each attempt, at most most. The
// result varies by half, so that jobs that failed together do not retry together.
func Backoff(attempt int, first, most time.Duration) time.Duration {
	pause := min(first<<min(max(attempt-1, 0), 10), most)
	return pause/2 + rand.N(pause)
}
