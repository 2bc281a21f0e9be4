package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Job is one job as an operator sees it.
type Job struct {
	ID     int64        `json:"job_id"`
	Kind   string       `json:"kind"`
	Tenant *tenantid.ID `json:"tenant_id"` // nil: not of a tenant
	// available, pending, scheduled, running, retryable, completed, cancelled or discarded
	State       string     `json:"state"`
	Attempt     int        `json:"attempt"`
	MaxAttempts int        `json:"max_attempts"`
	Created     time.Time  `json:"created_at"`
	Next        *time.Time `json:"next_try_at"` // nil if it is running or has ended
	Ended       *time.Time `json:"ended_at"`
	LastError   string     `json:"last_error"`
}

// Detail is a job with the errors of its attempts.
type Detail struct {
	Job
	Errors []AttemptError `json:"errors"`
}

// AttemptError is the error of one attempt, as text that is safe to show.
type AttemptError struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
}

// Filter selects jobs. A zero field selects all.
type Filter struct {
	Kind   string
	Tenant tenantid.ID
	States []string
	Limit  int // 1 to 10,000; 0 means 50
}

const defaultLimit, maxLimit = 50, 10_000

// List returns jobs, newest first. Fault: Invalid for an unknown state or a limit out of range.
func (c *Client) List(ctx context.Context, tx postgres.SystemTx, f Filter) ([]Job, error) {
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if f.Limit < 1 || f.Limit > maxLimit {
		return nil, fault.New(fault.Invalid, "limit %d: must be between 1 and %d", f.Limit, maxLimit)
	}
	params := river.NewJobListParams().First(f.Limit).OrderBy(river.JobListOrderByID, river.SortOrderDesc)
	states, err := parseStates(f.States)
	if err != nil {
		return nil, err
	}
	params = params.States(states...)
	if f.Kind != "" {
		params = params.Kinds(f.Kind)
	}
	if f.Tenant != 0 {
		params = params.Where(`args->>'tenant_id' = @tenant`, river.NamedArgs{"tenant": f.Tenant.String()})
	}
	found, err := c.river.JobListTx(ctx, tx.Tx(), params)
	if err != nil {
		return nil, err
	}
	list := make([]Job, len(found.Jobs))
	for i, row := range found.Jobs {
		list[i] = jobOf(row)
	}
	return list, nil
}

// Get returns one job. Fault: NotFound.
func (c *Client) Get(ctx context.Context, tx postgres.SystemTx, id int64) (Detail, error) {
	row, err := c.river.JobGetTx(ctx, tx.Tx(), id)
	if err != nil {
		return Detail{}, jobFault(err, id)
	}
	d := Detail{Job: jobOf(row), Errors: []AttemptError{}}
	for _, e := range row.Errors {
		d.Errors = append(d.Errors, AttemptError{Attempt: e.Attempt, At: e.At, Error: shownText(e)})
	}
	return d, nil
}

// Retry makes a queued or ended job run now. Faults: NotFound; Conflict when it is running, or when the same work is
// queued or running as another job.
func (c *Client) Retry(ctx context.Context, tx postgres.SystemTx, id int64, by tenant.By) (Job, error) {
	row, err := c.river.JobRetryTx(ctx, tx.Tx(), id)
	if err != nil {
		return Job{}, jobFault(err, id)
	}
	if row.State == rivertype.JobStateRunning {
		return Job{}, fault.New(fault.Conflict, "job %d: already running",
			id).WithHint("wait until it ends, or stop it with `leadctl jobs cancel %d`", id)
	}
	return recordChange(ctx, tx, "job.retry", jobOf(row), by)
}

// Cancel ends a job for good. A running job is asked to stop and is cancelled when it does. A cancelled job is left
// unchanged. Faults: NotFound; Conflict when it is completed or discarded.
func (c *Client) Cancel(ctx context.Context, tx postgres.SystemTx, id int64, by tenant.By) (Job, error) {
	row, err := c.river.JobCancelTx(ctx, tx.Tx(), id)
	if err != nil {
		return Job{}, jobFault(err, id)
	}
	if row.State == rivertype.JobStateCompleted || row.State == rivertype.JobStateDiscarded {
		return Job{}, fault.New(fault.Conflict, "job %d: already ended (%s)", id, row.State)
	}
	return recordChange(ctx, tx, "job.cancel", jobOf(row), by)
}

// recordChange writes the change of a job to the audit log, with the job's tenant if it has one.
func recordChange(ctx context.Context, tx postgres.SystemTx, action string, job Job, by tenant.By) (Job, error) {
	act := tenant.Act{Action: action, Object: strconv.FormatInt(job.ID, 10), Detail: map[string]any{"kind": job.Kind}}
	if job.Tenant != nil {
		act.Tenant = *job.Tenant
	}
	return job, tenant.Record(ctx, tx, by, act)
}

// Completed reports whether a job of the kind was completed whose argument "due" is the given time or later.
func Completed(ctx context.Context, tx postgres.SystemTx, kind string, due time.Time) (done bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+schema.JobsSchema+`.river_job WHERE kind = $1
		AND state = 'completed' AND (args->>'due')::timestamptz >= $2)`, kind, due).Scan(&done)
	return done, err
}

func parseStates(names []string) ([]rivertype.JobState, error) {
	all := rivertype.JobStates()
	if len(names) == 0 {
		return all, nil
	}
	var states []rivertype.JobState
	for _, name := range names {
		var known []string
		before := len(states)
		for _, s := range all {
			if known = append(known, string(s)); string(s) == name {
				states = append(states, s)
			}
		}
		if len(states) == before {
			return nil, fault.New(fault.Invalid, "state %q: must be one of %s", name, strings.Join(known, ", "))
		}
	}
	return states, nil
}

func jobFault(err error, id int64) error {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, rivertype.ErrNotFound):
		return fault.New(fault.NotFound, "job %d: no such job",
			id).WithHint("`leadctl jobs list` shows all jobs; ended jobs are deleted after a week")
	case errors.As(err, &pg) && pg.Code == "23505":
		return fault.New(fault.Conflict, "job %d: the same work is queued or running as another job",
			id).WithHint("`leadctl jobs list` shows the other job")
	}
	return err
}

func jobOf(row *rivertype.JobRow) Job {
	j := Job{ID: row.ID, Kind: row.Kind, Tenant: tenantOf(row.EncodedArgs), State: string(row.State),
		Attempt: row.Attempt, MaxAttempts: row.MaxAttempts,
		Created: row.CreatedAt, Ended: row.FinalizedAt}
	switch row.State {
	case rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateScheduled,
		rivertype.JobStateRetryable:
		j.Next = &row.ScheduledAt
	}
	if n := len(row.Errors); n > 0 {
		j.LastError = shownText(row.Errors[n-1])
	}
	return j
}

// tenantOf reads the tenant from the arguments of a job. It returns nil for arguments that it cannot read.
func tenantOf(args []byte) *tenantid.ID {
	var a struct {
		Tenant *tenantid.ID `json:"tenant_id"`
	}
	if json.Unmarshal(args, &a) != nil {
		return nil
	}
	return a.Tenant
}

// shownText returns the stored error of an attempt, on one line. The errors of workers are safe already (careful.go);
// shownText shortens those of River itself and of older versions.
func shownText(e rivertype.AttemptError) string {
	const most = 300
	if e.Trace != "" {
		return "panic"
	}
	text := strings.TrimPrefix(strings.Join(strings.Fields(e.Error), " "), "JobCancelError: ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
