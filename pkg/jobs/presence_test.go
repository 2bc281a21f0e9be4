package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

type errand struct{}

func (errand) Kind() string { return "errand" }

// errandWorker reports each attempt. The first attempt ends only when the test ends.
type errandWorker struct {
	river.WorkerDefaults[errand]
	attempts chan int
	ended    chan struct{}
}

func (w *errandWorker) Work(_ context.Context, job *river.Job[errand]) error {
	w.attempts <- job.Attempt
	if job.Attempt == 1 {
		<-w.ended
	}
	return nil
}

// startProcess starts a client that the queue treats as a separate process.
func startProcess(t *testing.T, db *pgtest.DB, attempts chan int) *Client {
	t.Helper()
	own, err := postgres.Open(t.Context(), db.LoginDSN, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(own.Close)
	workers, ended := river.NewWorkers(), make(chan struct{})
	river.AddWorker(workers, &errandWorker{attempts: attempts, ended: ended})
	c, err := New(t.Context(), own, Options{Workers: workers})
	require.NoError(t, err)
	c.presence.every = 50 * time.Millisecond
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() {
		close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, c.Stop(ctx))
	})
	return c
}

// startErrand enqueues an errand and waits until a process runs it.
func startErrand(t *testing.T, c *Client, attempts chan int) {
	t.Helper()
	require.NoError(t, c.presence.db.InSystem(t.Context(), "test",
		func(ctx context.Context, tx postgres.SystemTx) error {
			_, _, err := c.Enqueue(ctx, tx, errand{})
			return err
		}))
	require.Equal(t, 1, <-attempts)
}

// D-016: the process that runs a job dies. Another process runs the next attempt.
func TestJobsOfDeadProcesses(t *testing.T) {
	t.Parallel()
	t.Run("D-016", func(t *testing.T) {
		t.Parallel()
		db, attempts := pgtest.New(t), make(chan int, 9)
		dead := startProcess(t, db, attempts)
		startErrand(t, dead, attempts)
		dead.stopPresence() // like a dead process: the session with the lock ends
		startProcess(t, db, attempts)
		require.Equal(t, 2, <-attempts)
		var reason string
		require.NoError(t, db.Owner.QueryRow(t.Context(),
			`SELECT errors[1]->>'error' FROM `+schema.JobsSchema+`.river_job`).Scan(&reason))
		require.Equal(t, "the process that ran it died", reason)
	})
}

// TestBrokenSessionKeepsJobs: a process whose session breaks takes its lock again and keeps its jobs.
func TestBrokenSessionKeepsJobs(t *testing.T) {
	t.Parallel()
	db, attempts := pgtest.New(t), make(chan int, 9)
	alive := startProcess(t, db, attempts)
	startErrand(t, alive, attempts)
	for range 3 {
		killed := lockSession(t, db, alive)
		_, err := db.Owner.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, killed)
		require.NoError(t, err)
		for again := killed; again == killed || again == 0; again = lockSession(t, db, alive) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	observer := newPresence(alive.presence.db, alive.presence.log)
	require.NoError(t, observer.requeueOrphans(t.Context()))
	require.Empty(t, observer.absent)
	observer.releaseLock()
}

// lockSession returns the pid of the session that holds a process's lock, or 0.
func lockSession(t *testing.T, db *pgtest.DB, c *Client) (pid int) {
	t.Helper()
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT coalesce(max(pid), 0) FROM pg_locks
		WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = $2::int::oid`,
		presenceClass, c.presence.key).Scan(&pid))
	return pid
}
