package acra_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func parseTime(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return v
}

func TestScheduleTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		interval        time.Duration
		now, last, next string
	}{
		{0, "2026-01-31T15:59:59Z", "2026-01-31T00:00:00+08:00", "2026-02-01T00:00:00+08:00"},
		{0, "2026-01-31T16:00:00Z", "2026-02-01T00:00:00+08:00", "2026-02-02T00:00:00+08:00"},
		{0, "2028-02-28T20:00:00Z", "2028-02-29T00:00:00+08:00", "2028-03-01T00:00:00+08:00"},
		{0, "2026-12-31T18:00:00Z", "2027-01-01T00:00:00+08:00", "2027-01-02T00:00:00+08:00"},
		// A European clock, after the change to summer time.
		{0, "2026-03-29T03:30:00+02:00", "2026-03-29T00:00:00+08:00", "2026-03-30T00:00:00+08:00"},
		{6 * time.Hour, "2026-01-31T23:59:59Z", "2026-01-31T18:00:00Z", "2026-02-01T00:00:00Z"},
		{6 * time.Hour, "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-01T06:00:00Z"},
	} {
		s := acra.Schedule{Interval: c.interval}
		require.WithinDuration(t, parseTime(t, c.last), s.Last(parseTime(t, c.now)), 0, "%s", c.now)
		require.WithinDuration(t, parseTime(t, c.next), s.Next(parseTime(t, c.now)), 0, "%s", c.now)
	}
}

// clock is a clock that only wait moves. It stops the schedule at end.
type clock struct {
	now, end time.Time
	stop     context.CancelFunc
}

func (c *clock) wait(_ context.Context, d time.Duration) error {
	if c.now = c.now.Add(d); !c.now.Before(c.end) {
		c.stop()
	}
	return nil
}

func newJobClient(t testing.TB, db *pgtest.DB, opts jobs.Options) *jobs.Client {
	t.Helper()
	c, err := jobs.New(t.Context(), db.App, opts)
	require.NoError(t, err)
	return c
}

// runSchedule runs a scheduler from start to end on a clock of its own.
func runSchedule(t testing.TB, db *pgtest.DB, start, end string, atStart bool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &clock{now: parseTime(t, start), end: parseTime(t, end), stop: stop}
	s := acra.Scheduler{DB: db.App, Jobs: newJobClient(t, db, jobs.Options{}), AtStart: atStart, Log: logging.Discard(),
		Now: func() time.Time { return c.now }, Wait: c.wait}
	s.Run(ctx)
}

// finishJobs marks the waiting jobs as finished with state.
func finishJobs(t testing.TB, db *pgtest.DB, state rivertype.JobState) {
	t.Helper()
	_, err := db.Owner.Exec(t.Context(), `UPDATE river.river_job
		SET state = $1, attempted_at = now(), finalized_at = now() WHERE state = 'available'`, string(state))
	require.NoError(t, err)
}

func dueDays(t testing.TB, db *pgtest.DB) string {
	t.Helper()
	return queryOne[string](t, db.Owner, `SELECT coalesce(string_agg((args->>'due')::timestamptz::date || '', ' '
		ORDER BY id), '') FROM river.river_job, set_config('timezone', 'Asia/Singapore', true)`)
}

// testEveryTick: each tick is worked exactly once, whichever processes run when it comes.
func testEveryTick(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	runSchedule(t, db, "2026-01-30T10:00:00+08:00", "2026-01-30T11:00:00+08:00", false)
	require.Empty(t, dueDays(t, db), "no run at the start when AtStart is off")
	runSchedule(t, db, "2026-01-30T10:00:00+08:00", "2026-01-30T11:00:00+08:00", true)
	require.Equal(t, "2026-01-30", dueDays(t, db), "the first start enqueues a load")
	runSchedule(t, db, "2026-01-30T12:00:00+08:00", "2026-01-31T01:00:00+08:00", true)
	require.Equal(t, "2026-01-30", dueDays(t, db), "no second job while one waits or runs")
	finishJobs(t, db, rivertype.JobStateCompleted)

	var replicas sync.WaitGroup
	for range 3 {
		replicas.Go(func() { runSchedule(t, db, "2026-01-30T23:50:00+08:00", "2026-01-31T00:10:00+08:00", true) })
	}
	replicas.Wait()
	require.Equal(t, "2026-01-30 2026-01-31", dueDays(t, db))
	finishJobs(t, db, rivertype.JobStateCompleted)
	runSchedule(t, db, "2026-01-31T00:20:00+08:00", "2026-01-31T00:30:00+08:00", true)
	require.Equal(t, "2026-01-30 2026-01-31", dueDays(t, db), "a restart does not repeat a completed tick")

	runSchedule(t, db, "2026-02-05T09:00:00+08:00", "2026-02-05T09:30:00+08:00", true)
	require.Equal(t, "2026-01-30 2026-01-31 2026-02-05", dueDays(t, db), "five missed ticks give one run")
}

func TestScheduleOutlivesADatabaseThatIsDown(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	down, err := postgres.Open(t.Context(), "postgres://none@127.0.0.1:1/none?connect_timeout=1", postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(down.Close)
	ctx, stop := context.WithCancel(t.Context())
	c := &clock{now: parseTime(t, "2026-01-30T23:58:00+08:00"), end: parseTime(t, "2026-01-31T00:10:00+08:00"),
		stop: stop}
	s := &acra.Scheduler{DB: down, Jobs: newJobClient(t, db, jobs.Options{}), Log: logging.Discard(),
		Now: func() time.Time { return c.now }}
	s.Wait = func(ctx context.Context, d time.Duration) error {
		if c.now.After(parseTime(t, "2026-01-31T00:05:00+08:00")) {
			s.DB = db.App
		}
		return c.wait(ctx, d)
	}
	s.Run(ctx)
	require.Equal(t, "2026-01-31", dueDays(t, db))
}

// newWorker returns a worker whose source is the site's bulk download. ran counts the calls of After.
func newWorker(db *pgtest.DB, site *acratest.Site, after error) (w *acra.Worker, ran *int) {
	ran = new(int)
	return &acra.Worker{DB: db.App, Log: logging.Discard(),
		Source: func() (acra.Source, error) { return acra.Bulk(site.Service(), nil), nil },
		After:  func(context.Context, acra.Report) error { *ran++; return after }}, ran
}

func newJob(due time.Time) *river.Job[acra.JobArgs] {
	now := time.Now()
	return &river.Job[acra.JobArgs]{JobRow: &rivertype.JobRow{ID: 1, Attempt: 1, MaxAttempts: 20, AttemptedAt: &now},
		Args: acra.JobArgs{Due: due}}
}

func TestWorkerIngestsOncePerTick(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 500, acragen.Options{LiveOnly: true})
	db, site := pgtest.New(t), collection(t, text, 2)
	w, ran := newWorker(db, site, nil)
	due := parseTime(t, "2026-01-31T00:00:00+08:00")
	require.NoError(t, w.Work(t.Context(), newJob(due)))
	require.Equal(t, 1, *ran)
	require.Equal(t, int64(500), queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`))

	_, err := db.Owner.Exec(t.Context(), `INSERT INTO river.river_job (kind, args, state, max_attempts, finalized_at)
		VALUES ('acra_ingest', jsonb_build_object('due', $1::timestamptz), 'completed', 20, now())`, due)
	require.NoError(t, err)
	calls := site.Calls(acratest.Metadata)
	require.NoError(t, w.Work(t.Context(), newJob(due)))
	require.Equal(t, calls, site.Calls(acratest.Metadata), "the tick is completed: no further call")
	require.Equal(t, 1, *ran)
}

func TestWorkerKnowsWhatCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 200, acragen.Options{LiveOnly: true})
	due := parseTime(t, "2026-01-31T00:00:00+08:00")
	t.Run("After fails", func(t *testing.T) {
		t.Parallel()
		w, _ := newWorker(pgtest.New(t), collection(t, text, 1), fault.New(fault.Unavailable, "database"))
		err := w.Work(t.Context(), newJob(due))
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		require.NotErrorAs(t, err, new(*rivertype.JobCancelError))
	})
	t.Run("rejected register", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		w, ran := newWorker(db, collection(t, registerCSV("uen entity_name", "bad|x", "worse|y", "worst|z"), 1), nil)
		require.ErrorAs(t, w.Work(t.Context(), newJob(due)), new(*rivertype.JobCancelError))
		require.Zero(t, *ran)
	})
	t.Run("another ingestion runs", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		w, _ := newWorker(db, collection(t, text, 1), nil)
		conn, err := db.Owner.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
		_, err = conn.Exec(t.Context(), `SELECT pg_advisory_lock(x'61637261'::int, 1)`)
		require.NoError(t, err)
		require.ErrorAs(t, w.Work(t.Context(), newJob(due)), new(*rivertype.JobSnoozeError))
		_, err = conn.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`)
		require.NoError(t, err)
	})
	t.Run("stopping", func(t *testing.T) {
		t.Parallel()
		w, _ := newWorker(pgtest.New(t), collection(t, text, 1), nil)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		err := w.Work(ctx, newJob(due))
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, errors.As(err, new(*rivertype.JobCancelError)))
	})
}

// The job of a dead process is recognized within minutes; a working one keeps its hours.
func TestDeadIngestionIsRescuedSoon(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	w, _ := newWorker(db, nil, nil)
	old := newJob(time.Now())
	hourAgo := time.Now().Add(-time.Hour)
	require.Greater(t, w.Timeout(old), time.Hour, "the job has just begun")
	old.AttemptedAt = &hourAgo
	require.Greater(t, w.Timeout(old), time.Hour, "nothing shows that the process is dead")
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO acra_runs (source, state) VALUES ('bulk', 'running')`)
	require.NoError(t, err)
	require.Less(t, w.Timeout(old), time.Hour, "the run is unfinished, and no process holds the lock")
	release, ok, err := db.App.Lock(t.Context(), 0x61637261, 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.Greater(t, w.Timeout(old), time.Hour, "the process works")
	release()
}
