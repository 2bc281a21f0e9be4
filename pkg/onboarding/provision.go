package onboarding

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

const (
	busyPause = 3 * time.Second // until the next attempt, while another worker holds the workspace lock
	maxPause  = 5 * time.Minute // between two attempts
)

// Work makes a tenant's workspace: it runs the steps in order and records each before and after. When a step fails with
// a transient fault, River retries the job. After any other fault the job ends and the onboarding has status error.
//
// River may rescue a job whose first worker is only slow. The workspace lock then keeps the second worker out. If the
// first worker lost the lock, it does no harm, because each step checks before it acts.
func (w *Worker) Work(ctx context.Context, job *river.Job[Args]) error {
	id := job.Args.Tenant
	ctx = logging.With(ctx, slog.String("tenant_id", id.String()), slog.Int64("job_id", job.ID))
	release, ok, err := w.Workspaces.TryLock(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return river.JobSnooze(busyPause)
	}
	defer release()
	ctx, stop := tenant.WhileActive(ctx, w.DB, id)
	defer stop()
	return w.runSteps(ctx, &task{worker: w, tenant: id}, job)
}

// runSteps runs one attempt of the job.
func (w *Worker) runSteps(ctx context.Context, t *task, job *river.Job[Args]) error {
	for i, s := range w.orderedSteps() {
		err := w.DB.InSystem(ctx, "onboarding step", func(ctx context.Context, tx postgres.SystemTx) error {
			return w.stepStarted(ctx, tx, t.tenant, i, job.Attempt, s)
		})
		if err != nil {
			return err
		}
		start := w.now()
		if err := s.run(ctx, t); err != nil {
			return w.recordFailure(ctx, t, s, job, tenant.EndReason(ctx, err))
		}
		w.Log.InfoContext(ctx, "onboarding step", "step", s.name, "took", w.now().Sub(start), "attempt", job.Attempt)
		err = w.DB.InSystem(ctx, "onboarding step", func(ctx context.Context, tx postgres.SystemTx) error {
			return w.stepDone(ctx, tx, t.tenant, s)
		})
		if err != nil {
			return err
		}
	}
	err := w.DB.InSystem(ctx, "onboarding ready", func(ctx context.Context, tx postgres.SystemTx) error {
		// First, in the order in which a sign-in locks these rows.
		if err := tenant.RequireActive(ctx, tx, t.tenant); err != nil {
			return err
		}
		// This locks the status row: a concurrent sign-in waits for it, and then finds a ready workspace.
		if err := w.markReady(ctx, tx, t.tenant); err != nil {
			return err
		}
		if err := enqueueGoneUsers(ctx, tx, t); err != nil {
			return err
		}
		return enqueueLateUsers(ctx, tx, t)
	})
	if fault.Is(err, fault.Denied) {
		steps := w.orderedSteps()
		return w.recordFailure(ctx, t, steps[len(steps)-1], job, err)
	}
	return err
}

// recordFailure records the failed step. It returns an error that makes River retry the job, or cancel it when no retry
// can help.
func (w *Worker) recordFailure(ctx context.Context, t *task, s step, job *river.Job[Args], cause error) error {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return cause // this process is stopping; River gives the job to another
	}
	if errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely) {
		cause = errCancelled
	}
	status, last := s.status, job.Attempt >= job.MaxAttempts
	permanent := !jobs.Transient(cause) || last
	if permanent {
		status = Failed
	}
	w.Log.WarnContext(ctx, "onboarding step failed", "step", s.name, "attempt", job.Attempt, "again", !permanent,
		"kind", fault.KindOf(cause).String(), "error", cause)
	// ctx may be over; the failure is recorded nevertheless.
	recordCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := w.DB.InSystem(recordCtx, "onboarding step", func(ctx context.Context, tx postgres.SystemTx) error {
		if fault.Code(cause) == "TENANT_SUSPENDED" && !last && tenant.RequireActive(ctx, tx, t.tenant) == nil {
			status, permanent = s.status, false // resumed meanwhile, which found this job and added no other
		}
		return w.stepFailed(ctx, tx, t.tenant, s, status, cause)
	})
	if permanent {
		return errors.Join(river.JobCancel(publicError(cause)), err)
	}
	return errors.Join(publicError(cause), err)
}

// errCancelled is the error of an onboarding whose job an operator cancelled.
var errCancelled = fault.New(fault.Operator, "cancelled by an operator").
	WithHint("sign in again, or run `leadctl tenant provision`, to start it again")

// publicError returns the error that River stores in its table, without text from Odoo.
func publicError(cause error) error {
	return fault.New(fault.KindOf(cause), "%s", fault.Text(cause)).WithCode(fault.Code(cause)).WithHint("%s",
		fault.Hint(cause))
}

// NextRetry backs off from one second to five minutes.
func (w *Worker) NextRetry(job *river.Job[Args]) time.Time {
	return w.now().Add(jobs.Backoff(job.Attempt, time.Second, maxPause))
}

// Timeout implements river.Worker.
func (w *Worker) Timeout(*river.Job[Args]) time.Duration { return 0 }

func (w *Worker) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return jobs.Now()
}
