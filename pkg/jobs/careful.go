package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/fault"
)

// careful is the middleware of every worker. It logs the whole error of an attempt and lets River store only the text
// that is safe to show. A panic ends its attempt but not the process.
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
	err = explainUnreadable(job, inner(ctx))
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

// explainUnreadable returns a fault that names kind and version of a job whose arguments River cannot decode: another
// version of leadctl wrote it. The errors of workers are faults or wrapped, so they are not changed.
func explainUnreadable(job *rivertype.JobRow, err error) error {
	switch err.(type) { //nolint:errorlint // a wrapped error is a worker's own
	case *json.SyntaxError, *json.UnmarshalTypeError:
		return fault.New(fault.Unprocessable, "job of kind %s, written by leadctl %s: cannot read its arguments",
			job.Kind, cmp.Or(readOrigin(job)[versionKey], "(unknown version)"))
	}
	return err
}

// shown is an error with the text of cause that is safe to show. It wraps cause, because River looks for its own errors
// in the chain.
type shown struct{ cause error }

// Error implements error.
func (s shown) Error() string { return fault.Text(s.cause) }

// Unwrap returns the cause.
func (s shown) Unwrap() error { return s.cause }
