package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"
)

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("D-020", func(t *testing.T) { t.Parallel(); checkLostNotifications(t) })
	t.Run("D-024", func(t *testing.T) { t.Parallel(); checkLongQueue(t) })
	t.Run("D-062", func(t *testing.T) { t.Parallel(); checkCleanup(t) })
}

// exec runs a statement on the queue. It sends no notification.
func (r *rig) exec(t *testing.T, sql string) {
	t.Helper()
	_, err := r.db.Owner.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func (r *rig) value(t *testing.T, sql string) (n int64) {
	t.Helper()
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), sql).Scan(&n))
	return n
}

// checkLostNotifications: the listening session is terminated repeatedly. Jobs without a notification still start,
// because the client also polls, and it listens again.
func checkLostNotifications(t *testing.T) {
	r := newRig(t)
	r.start(t)
	const listener = `SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = current_database()
		AND query ILIKE 'listen %'`
	listening := func(before int64) (pid int64) {
		require.Eventually(t, func() bool {
			pid = r.value(t, listener)
			return pid != 0 && pid != before
		}, time.Minute, 20*time.Millisecond)
		return pid
	}
	pid := listening(0)
	for range 3 {
		r.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
			AND query ILIKE 'listen %'`)
		id := r.value(t, `INSERT INTO river.river_job (kind, args, max_attempts, queue, state)
			VALUES ('chore', '{"do": "well"}', 2, 'default', 'available') RETURNING id`)
		r.waitForState(t, id, rivertype.JobStateCompleted)
		pid = listening(pid)
	}
}

// checkLongQueue: jobs are found by an index in a long queue. A single sequential scan fails the test.
func checkLongQueue(t *testing.T) {
	const jobs = 200_000
	r := newRig(t)
	r.exec(t, `INSERT INTO river.river_job (kind, args, max_attempts, queue, state)
		SELECT 'chore', '{"do": "well"}', 2, 'default', 'available' FROM generate_series(1, 200000)`)
	r.exec(t, `ANALYZE river.river_job`)
	const read = `SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'river_job'`
	before := r.value(t, read)
	first := r.value(t, `SELECT id FROM river.river_job ORDER BY id LIMIT 1`)
	require.NoError(t, r.Start(t.Context()))
	r.waitForState(t, first, rivertype.JobStateCompleted)
	require.NoError(t, r.Stop(context.WithoutCancel(t.Context())))
	r.db.App.Close() // sessions report their statistics before they end
	require.Eventually(t, func() bool {
		return r.value(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
			AND application_name = 'leadctl'`) == 0
	}, time.Minute, 50*time.Millisecond)
	require.Positive(t, r.value(t, `SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'river_job'`))
	require.Less(t, r.value(t, read)-before, int64(jobs))
}

// checkCleanup requires that jobs which ended more than seven days ago are deleted, and no others.
func checkCleanup(t *testing.T) {
	r := newRig(t)
	r.exec(t, `INSERT INTO river.river_job (kind, args, max_attempts, queue, state, created_at, finalized_at,
		scheduled_at, attempted_at, attempt)
		SELECT 'old ' || state, '{}', 9, 'elsewhere', state::river.river_job_state, now() - interval '30 days', ended,
		now() + interval '1 day', now(), 1
		FROM (VALUES ('available', NULL::timestamptz), ('pending', NULL), ('scheduled', NULL), ('retryable', NULL),
		('running', NULL),
			('completed', now() - interval '8 days'), ('cancelled', now() - interval '8 days'), ('discarded',
			now() - interval '8 days')) v(state, ended)`)
	r.exec(t, `INSERT INTO river.river_job (kind, args, max_attempts, queue, state, finalized_at)
		SELECT 'new ' || state, '{}', 9, 'elsewhere', state::river.river_job_state, now() - interval '6 days'
		FROM unnest('{completed,cancelled,discarded}'::text[]) state`)
	r.start(t)
	require.Eventually(t, func() bool {
		return r.value(t, `SELECT count(*) FROM river.river_job WHERE kind LIKE 'old %'
			AND finalized_at IS NOT NULL`) == 0
	}, time.Minute, 50*time.Millisecond)
	require.EqualValues(t, 5, r.value(t, `SELECT count(*) FROM river.river_job WHERE kind LIKE 'old %'`))
	require.EqualValues(t, 3, r.value(t, `SELECT count(*) FROM river.river_job WHERE kind LIKE 'new %'`))
}
