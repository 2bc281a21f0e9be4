package leads

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// JobQueue is the queue of scoring jobs, of which a process runs at most JobsAtOnce at a time. A change of the register
// adds one job for each tenant, and these must not delay a first sign-in.
const (
	JobQueue   = "scoring"
	JobsAtOnce = 2
)

const (
	longestJob  = 20 * time.Minute
	maxAttempts = 12 // with the pauses of NextRetry about three hours
	maxPause    = 30 * time.Minute
)

// JobArgs are the arguments of a scoring job: the tenant, and either the requested run or the time when the companies
// changed. Each run and each change has its own job, because a running job may have read the rules before the change.
type JobArgs struct {
	Tenant    TenantID   `json:"tenant_id"`
	Run       int32      `json:"run_id,omitempty"`
	Companies *time.Time `json:"companies,omitempty"`
}

// Kind implements river.JobArgs.
func (JobArgs) Kind() string { return "leads_score" }

// InsertOpts gives requested runs priority over those after a change of the register.
func (a JobArgs) InsertOpts() river.InsertOpts {
	priority := 2
	if a.Run != 0 {
		priority = 1
	}
	return river.InsertOpts{Queue: JobQueue, Priority: priority, MaxAttempts: maxAttempts,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: jobs.Active()}}
}

// RequestRun requests a run that rescores the tenant. It returns a new run, or the one that waits already. The run and
// its job exist once the caller's transaction is committed.
func RequestRun(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id TenantID, by tenant.By) (Run, error) {
	run, err := enqueueRun(ctx, tx, queue, id)
	if err != nil {
		return Run{}, err
	}
	err = tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "run.request",
		Object: strconv.Itoa(int(run.RunID))})
	if err == nil {
		err = by.StillMay(ctx, tx, id)
	}
	return run, err
}

// enqueueRun is RequestRun without the line in the audit log, for a caller that records the reason for the run.
func enqueueRun(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id TenantID) (run Run, err error) {
	err = tx.AsTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		run, err = waitingRun(ctx, tx)
		return err
	})
	if err != nil {
		return Run{}, err
	}
	// Enqueued even for a queued run, because its job may have been cancelled.
	_, _, err = queue.Enqueue(ctx, tx, JobArgs{Tenant: id, Run: run.RunID})
	return run, err
}

// FollowRegister updates the companies from the staged register. If that changes any, it enqueues a scoring job for
// every active tenant. Unless changed is true, it first checks whether the register has changed.
func FollowRegister(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, changed bool) (CompaniesReport,
	error) {
	refresh := refreshStaleCompanies
	if changed {
		refresh = RefreshCompanies
	}
	report, err := refresh(ctx, tx)
	if err != nil || report.Added+report.Updated == 0 {
		return report, err
	}
	tenants, err := tenant.List(ctx, tx)
	if err != nil {
		return report, err
	}
	var at time.Time
	if err := tx.QueryRow(ctx, `SELECT max(updated_at) FROM public.companies`).Scan(&at); err != nil {
		return report, err
	}
	var due []river.JobArgs
	for _, t := range tenants {
		if t.Status == tenant.Active {
			due = append(due, JobArgs{Tenant: t.ID, Companies: &at})
		}
	}
	_, err = queue.EnqueueAll(ctx, tx, due)
	return report, err
}

// Worker runs scoring jobs.
type Worker struct {
	river.WorkerDefaults[JobArgs]

	DB      *postgres.DB
	Weights func() (Weights, error)
	// After runs in the transaction of a run that changed rows. It may be nil.
	After func(ctx context.Context, tx postgres.SystemTx, id TenantID) error
	Log   *slog.Logger
}

// Work scores the tenant of the job, like `leadctl leads score`. It fails for a suspended or deleted tenant.
func (w *Worker) Work(ctx context.Context, job *river.Job[JobArgs]) error {
	args := job.Args
	ctx = logging.With(ctx, slog.String("tenant_id", args.Tenant.String()), slog.Int64("job_id", job.ID))
	due, err := w.beginJob(ctx, args)
	if err != nil {
		return w.handleFailure(ctx, job, err)
	}
	if !due {
		return nil
	}
	ctx, stop := tenant.WhileActive(ctx, w.DB, args.Tenant)
	defer stop()
	report, err := w.scoreJob(ctx, args)
	if err != nil {
		return w.handleFailure(ctx, job, tenant.EndReason(ctx, err))
	}
	w.Log.InfoContext(ctx, "leads scored", "run_id", report.RunID, "full", report.Full, "candidates", report.Candidates,
		"added", report.Added,
		"changed", report.Changed, "removed", report.Removed, "unreadable_rules", report.Skipped,
		"attempt", job.Attempt)
	return nil
}

// beginJob checks that the tenant is active and marks the requested run as running. due is false if the run is done.
func (w *Worker) beginJob(ctx context.Context, args JobArgs) (due bool, err error) {
	err = w.DB.InSystem(ctx, "begin scoring", func(ctx context.Context, tx postgres.SystemTx) error {
		found, err := tenant.Find(ctx, tx, args.Tenant.String())
		if err == nil {
			err = found.Usable()
		}
		if err != nil || args.Run == 0 {
			due = true
			return err
		}
		return tx.AsTenant(ctx, args.Tenant, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			due, err = beginRun(ctx, tx, args.Run)
			return err
		})
	})
	return due, err
}

func (w *Worker) scoreJob(ctx context.Context, args JobArgs) (report ScoreReport, err error) {
	weights, err := w.Weights()
	if err != nil {
		return report, err
	}
	err = w.DB.InSystem(ctx, "score leads", func(ctx context.Context, tx postgres.SystemTx) error {
		err := tx.AsTenant(ctx, args.Tenant, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			report, err = scoreTenant(ctx, tx, ScoreOptions{Weights: weights, RunID: args.Run})
			return err
		})
		if err == nil && w.After != nil && report.Added+report.Changed+report.Removed > 0 {
			err = w.After(ctx, tx, args.Tenant)
		}
		if err != nil {
			return err
		}
		return tenant.RequireActive(ctx, tx, args.Tenant)
	})
	return report, err
}

// handleFailure decides between a retry and the end of the run. It stores the reason, which the tenant sees.
func (w *Worker) handleFailure(ctx context.Context, job *river.Job[JobArgs], cause error) error {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) && job.Attempt < job.MaxAttempts {
		return cause // this process is stopping; the job goes back
	}
	if jobs.Transient(cause) && job.Attempt < job.MaxAttempts {
		return cause
	}
	w.Log.WarnContext(ctx, "scoring given up", "run_id", job.Args.Run, "attempt", job.Attempt, "kind",
		fault.KindOf(cause).String(), "error", cause)
	if job.Args.Run == 0 {
		return river.JobCancel(cause)
	}
	// A context of its own, because the attempt's may have ended by its timeout.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(river.JobCancel(cause), w.DB.InTenant(ctx, job.Args.Tenant,
		func(ctx context.Context, tx postgres.TenantTx) error {
			return failRun(ctx, tx, job.Args.Run, fault.Text(cause))
		}))
}

// NextRetry backs off from ten seconds to half an hour, with jitter.
func (w *Worker) NextRetry(job *river.Job[JobArgs]) time.Time {
	return jobs.Now().Add(jobs.Backoff(job.Attempt, 10*time.Second, maxPause))
}

// Timeout implements river.Worker.
func (w *Worker) Timeout(*river.Job[JobArgs]) time.Duration { return longestJob }
