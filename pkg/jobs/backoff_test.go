package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, pause := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second,
		4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		for range 1000 {
			after := jobs.Backoff(attempt, time.Second, 10*time.Second)
			require.GreaterOrEqual(t, after, pause/2)
			require.Less(t, after, pause*3/2)
		}
	}
}
