package jobs

import (
	"math/rand/v2"
	"time"
)

// Backoff is how long a job waits after so many attempts: first, twice that and so on, most at last, each of them give or
// take half, so that what failed together does not come back together.
func Backoff(attempt int, first, most time.Duration) time.Duration {
	pause := min(first<<min(max(attempt-1, 0), 10), most)
	return pause/2 + rand.N(pause)
}
