package jobs_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
)

// D-084: on a replica whose clock is a day ahead or behind, a job's retry has a time of the database's
// clock and comes as soon as elsewhere. It is not parallel, because the process has one clock.
func TestWrongClock(t *testing.T) {
	for _, wrong := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		jobs.SkewClock(t, wrong)
		r := newRig(t)
		id := r.add(t, chore{Tenant: 1, Do: "fail"})
		r.start(t)
		r.waitForState(t, id, rivertype.JobStateDiscarded)
		var apart float64
		require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT max(abs(extract(epoch FROM now() - at)))
			FROM river.river_job, LATERAL unnest(ARRAY[scheduled_at, attempted_at, finalized_at, created_at]) at
			WHERE id = $1`, id).Scan(&apart))
		require.Less(t, apart, 3600.0, "seconds from the database's clock, replica %s off", wrong)
		require.WithinDuration(t, time.Now(), jobs.Now(), time.Hour)
	}
}
