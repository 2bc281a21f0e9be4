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
)

const (
	busyPause = 3 * time.Second // before asking again for a tenant that another worker holds
	maxPause  = 5 * time.Minute
)

// Work makes one tenant's workspace: every step in order, each recorded before and after. A step that cannot go on now
// ends the attempt and River tries again; one that cannot go on at all ends the job with status error.
//
// A job that was taken over while its first worker still lives (it stood still for long) would run twice; the session
// lock lets only one of them in. Who wakes up without it finds every step looked for before it is done.
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
	return w.runSteps(ctx, &task{worker: w, tenant: id}, job)
}

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
			return w.recordFailure(ctx, t, s, job, err)
		}
		w.Log.InfoContext(ctx, "onboarding step", "step", s.name, "took", w.now().Sub(start), "attempt", job.Attempt)
		err = w.DB.InSystem(ctx, "onboarding step", func(ctx context.Context, tx postgres.SystemTx) error {
			return w.stepDone(ctx, tx, t.tenant, s)
		})
		if err != nil {
			return err
		}
	}
	return w.DB.InSystem(ctx, "onboarding ready", func(ctx context.Context, tx postgres.SystemTx) error {
		// The status row is ours from here on: who signs in meanwhile waits for it, and then comes to a ready
		// workspace.
		if err := w.markReady(ctx, tx, t.tenant); err != nil {
			return err
		}
		return enqueueLateUsers(ctx, tx, t)
	})
}

// recordFailure records the failure and decides: again later, or an operator has to act.
func (w *Worker) recordFailure(ctx context.Context, t *task, s step, job *river.Job[Args], cause error) error {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return cause // this process is stopping; the job goes back unharmed
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
	// The attempt's own time may be what ran out: the record is written all the same.
	recordCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := w.DB.InSystem(recordCtx, "onboarding step", func(ctx context.Context, tx postgres.SystemTx) error {
		return w.stepFailed(ctx, tx, t.tenant, s, status, cause)
	})
	if permanent {
		return errors.Join(river.JobCancel(publicError(cause)), err)
	}
	return errors.Join(publicError(cause), err)
}

// errCancelled ends an onboarding that an operator stopped.
var errCancelled = fault.New(fault.Operator, "cancelled by an operator").WithHint(
	"signing in, or `leadctl tenant provision`, begins it again")

// publicError is what River keeps in its table: the words that are safe to show, never an upstream's answer.
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
	return time.Now()
}
