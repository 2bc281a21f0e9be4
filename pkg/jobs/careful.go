package jobs

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/fault"
)

// careful stands around every worker: what ends an attempt is logged whole and kept in River's table in words that are
// safe to show. A panic ends its attempt and nothing else.
type careful struct {
	river.MiddlewareDefaults
	log *slog.Logger
}

// Work implements rivertype.WorkerMiddleware.
func (c *careful) Work(ctx context.Context, job *rivertype.JobRow, inner func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.log.ErrorContext(ctx, "job panicked", "job_id", job.ID, "kind", job.Kind, "attempt", job.Attempt, "value",
				v, "stack", string(debug.Stack()))
			err = fault.New(fault.Unprocessable, "panic")
		}
	}()
	err = inner(ctx)
	var snoozed *rivertype.JobSnoozeError
	if err == nil || errors.As(err, &snoozed) {
		return err
	}
	if safe := fault.Text(err); safe != err.Error() {
		c.log.WarnContext(ctx, "job attempt ended", "job_id", job.ID, "kind", job.Kind, "attempt", job.Attempt, "error",
			err)
	}
	return shown{err}
}

// shown says what is safe to show of a cause, which stays in the chain: River looks there for cancellation.
type shown struct{ cause error }

// Error implements error.
func (s shown) Error() string { return fault.Text(s.cause) }

// Unwrap gives the cause to errors.Is and errors.As.
func (s shown) Unwrap() error { return s.cause }
