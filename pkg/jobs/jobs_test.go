package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging/logtest"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// chore is a job with an outcome that its argument selects.
type chore struct {
	Tenant tenantid.ID `json:"tenant_id"`
	Do     string      `json:"do"`
}

func (chore) Kind() string { return "chore" }

func (c chore) InsertOpts() river.InsertOpts {
	opts := river.InsertOpts{MaxAttempts: 2, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: jobs.Active()}}
	return opts
}

type choreWorker struct {
	river.WorkerDefaults[chore]
	began chan struct{}
}

func (w *choreWorker) Work(ctx context.Context, job *river.Job[chore]) error {
	switch job.Args.Do {
	case "panic":
		panic("CANARY-PANIC")
	case "fail":
		return fault.New(fault.Unavailable, "Odoo: %w", errors.New("dial CANARY-HOST"))
	case "bug":
		return errors.New("CANARY-SQL")
	case "hang":
		w.began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (w *choreWorker) NextRetry(*river.Job[chore]) time.Time { return jobs.Now() }

type rig struct {
	*jobs.Client
	db    *pgtest.DB
	log   *logtest.Journal
	began chan struct{}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{db: pgtest.New(t), log: &logtest.Journal{}, began: make(chan struct{}, 1)}
	workers := river.NewWorkers()
	river.AddWorker(workers, &choreWorker{began: r.began})
	client, err := jobs.New(t.Context(), r.db.App,
		jobs.Options{Workers: workers, Log: slog.New(slog.NewJSONHandler(r.log, nil))})
	require.NoError(t, err)
	r.Client = client
	return r
}

func (r *rig) start(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, r.Stop(context.WithoutCancel(t.Context()))) })
}

func (r *rig) tx(t *testing.T, fn func(context.Context, postgres.SystemTx) error) error {
	t.Helper()
	return r.db.App.InSystem(t.Context(), "test", fn)
}

func (r *rig) add(t *testing.T, c chore) (id int64) {
	t.Helper()
	require.NoError(t, r.tx(t, func(ctx context.Context, tx postgres.SystemTx) (err error) {
		id, _, err = r.Enqueue(ctx, tx, c)
		return err
	}))
	return id
}

func (r *rig) get(t *testing.T, id int64) (d jobs.Detail) {
	t.Helper()
	require.NoError(t, r.tx(t, func(ctx context.Context, tx postgres.SystemTx) (err error) {
		d, err = r.Get(ctx, tx, id)
		return err
	}))
	return d
}

func (r *rig) change(t *testing.T, id int64, how func(context.Context, postgres.SystemTx, int64, tenant.By) (jobs.Job,
	error)) (j jobs.Job, err error) {
	t.Helper()
	err = r.tx(t, func(ctx context.Context, tx postgres.SystemTx) (err error) {
		j, err = how(ctx, tx, id, tenant.By{Actor: "test"})
		return err
	})
	return j, err
}

// waitForState polls until the job is in state. The time limit only ends a broken test.
func (r *rig) waitForState(t *testing.T, id int64, state rivertype.JobState) jobs.Detail {
	t.Helper()
	require.Eventually(t, func() bool { return r.get(t, id).State == string(state) }, time.Minute, 20*time.Millisecond,
		"job %d: %s", id, state)
	return r.get(t, id)
}

// D-017: a job that always fails ends after its attempts, with a safe reason, and other jobs still run.
func TestFailingJobsEndWithSafeReason(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	failing := map[string]int64{}
	for i, do := range []string{"panic", "fail", "bug"} {
		failing[do] = r.add(t, chore{Tenant: tenantid.ID(i + 1), Do: do})
	}
	_, err := r.db.Owner.Exec(t.Context(), `INSERT INTO river.river_job
			(kind, args, max_attempts, queue, state, metadata) VALUES
		('chore', '"no object"', 1, 'default', 'available', '{"leadctl": {"version": "v9.9.9"}}'),
		('unknown kind', '{}', 1, 'default', 'available', '{}')`)
	require.NoError(t, err)
	r.start(t)
	good := r.add(t, chore{Tenant: 9, Do: "well"})
	require.Empty(t, r.waitForState(t, good, rivertype.JobStateCompleted).LastError)

	for do, want := range map[string]string{"panic": "panic", "fail": "Odoo", "bug": "internal error"} {
		d := r.waitForState(t, failing[do], rivertype.JobStateDiscarded)
		require.Equal(t, want, d.LastError, do)
		require.Len(t, d.Errors, 2)
		require.Equal(t, 2, d.Attempt)
		require.NotNil(t, d.Ended)
	}
	require.Eventually(t, func() bool {
		var open int
		require.NoError(t, r.db.Owner.QueryRow(t.Context(),
			`SELECT count(*) FROM river.river_job WHERE state NOT IN ('completed', 'discarded')`).Scan(&open))
		return open == 0
	}, time.Minute, 20*time.Millisecond)
	var kept string
	require.NoError(t, r.db.Owner.QueryRow(t.Context(),
		`SELECT string_agg(errors::text, ' ') FROM river.river_job`).Scan(&kept))
	require.NotContains(t, kept, "CANARY")
	require.Contains(t, kept, "job of kind chore, written by leadctl v9.9.9: cannot read its arguments")
	require.Contains(t, kept, "unknown kind")
	for _, canary := range []string{"CANARY-PANIC", "CANARY-HOST", "CANARY-SQL"} {
		require.Contains(t, r.log.String(), canary, "the log has the whole reason")
	}
}

func TestListFilter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first, second := r.add(t, chore{Tenant: 1, Do: "a"}), r.add(t, chore{Tenant: 2, Do: "b"})
	third := r.add(t, chore{Tenant: 1, Do: "c"})
	_, err := r.change(t, third, r.Cancel)
	require.NoError(t, err)
	for _, c := range []struct {
		filter jobs.Filter
		want   []int64
	}{
		{jobs.Filter{}, []int64{third, second, first}},
		{jobs.Filter{Tenant: 1}, []int64{third, first}},
		{jobs.Filter{Tenant: 1, States: []string{"available"}}, []int64{first}},
		{jobs.Filter{Kind: "chore", Limit: 2}, []int64{third, second}},
		{jobs.Filter{Kind: "other"}, []int64{}},
		{jobs.Filter{States: []string{"cancelled", "running"}}, []int64{third}},
	} {
		ids := []int64{}
		require.NoError(t, r.tx(t, func(ctx context.Context, tx postgres.SystemTx) error {
			list, err := r.List(ctx, tx, c.filter)
			for _, j := range list {
				ids = append(ids, j.ID)
			}
			return err
		}))
		require.Equal(t, c.want, ids, "%+v", c.filter)
	}
	j := r.get(t, first)
	require.NotNil(t, j.Next)
	require.Equal(t, tenantid.ID(1), *j.Tenant)
	require.Nil(t, r.get(t, third).Next)
}

func TestCancelRunningJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(t)
	id := r.add(t, chore{Do: "hang"})
	<-r.began
	_, err := r.change(t, id, r.Retry)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	_, err = r.change(t, id, r.Cancel)
	require.NoError(t, err)
	r.waitForState(t, id, rivertype.JobStateCancelled)
}

// D-018: a job exists exactly when its transaction committed.
func TestEnqueueInTransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	refused := errors.New("refused")
	require.ErrorIs(t, r.tx(t, func(ctx context.Context, tx postgres.SystemTx) error {
		_, fresh, err := r.Enqueue(ctx, tx, chore{Do: "a"})
		require.NoError(t, err)
		require.True(t, fresh)
		return refused
	}), refused)
	var n int
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job`).Scan(&n))
	require.Zero(t, n)
}

// D-019: many enqueues of the same work by two clients are one job.
func TestParallelEnqueuesMakeOneJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other, err := jobs.New(t.Context(), r.db.App, jobs.Options{})
	require.NoError(t, err)
	var all sync.WaitGroup
	results := make(chan error, 100)
	for i := range 100 {
		client := []*jobs.Client{r.Client, other}[i%2]
		all.Go(func() {
			results <- r.db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
				_, _, err := client.Enqueue(ctx, tx, chore{Tenant: 1, Do: "once"})
				return err
			})
		})
	}
	all.Wait()
	for range 100 {
		require.NoError(t, <-results)
	}
	var n int
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job`).Scan(&n))
	require.Equal(t, 1, n)
}

// D-016: the job of a killed process is run again as the next attempt.
func TestJobOfKilledProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.add(t, chore{Do: "well"})
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE river.river_job
		SET state = 'running', attempt = 1, attempted_at = now() - interval '1 hour', attempted_by = '{dead}'
		WHERE id = $1`, id)
	require.NoError(t, err)
	r.start(t)
	d := r.waitForState(t, id, rivertype.JobStateCompleted)
	require.Equal(t, 2, d.Attempt)
}
