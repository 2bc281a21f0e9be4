package onboarding

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// The statuses, in this order. Failed can follow any but Ready.
const (
	Provisioning = "provisioning" // the workspace is being made
	Syncing      = "syncing"      // the workspace exists and gets its first data and rules
	Ready        = "ready"
	Failed       = "error"
)

// State of one step.
const (
	StepRunning = "running"
	StepDone    = "done"
	StepFailed  = "failed"
)

// Status of one tenant's onboarding. Error has no text from Odoo.
type Status struct {
	Tenant    tenantid.ID `json:"tenant_id" db:"tenant_id"`
	Status    string      `json:"status" db:"status"`
	Step      *string     `json:"step" db:"step"`
	Error     *string     `json:"error" db:"error"`
	Attempt   int         `json:"attempt" db:"attempt"`
	UpdatedAt time.Time   `json:"updated_at" db:"updated_at"`
}

// Step is one line of the timeline.
type Step struct {
	Name     string     `json:"step" yaml:"step" db:"step"`
	State    string     `json:"state" yaml:"state" db:"state"`
	Attempt  int        `json:"attempt" yaml:"attempt" db:"attempt"`
	Started  *time.Time `json:"started_at" yaml:"started_at" db:"started_at"`
	Finished *time.Time `json:"finished_at" yaml:"finished_at" db:"finished_at"`
	Error    *string    `json:"error,omitempty" yaml:"error,omitempty" db:"error"`
	Hint     *string    `json:"hint,omitempty" yaml:"hint,omitempty" db:"hint"`
}

// Took returns how long the step ran, 0 while it runs.
func (s Step) Took() time.Duration {
	if s.Started == nil || s.Finished == nil {
		return 0
	}
	return s.Finished.Sub(*s.Started)
}

const (
	selectStatus = `SELECT tenant_id, status, step, error, attempt, updated_at
		FROM onboarding_status WHERE tenant_id = $1`
	selectSteps = `SELECT step, state, attempt, started_at, finished_at, error, hint
		FROM onboarding_steps WHERE tenant_id = $1 ORDER BY position`
)

// ReadStatus reads the tenant's own status. It returns a NotFound fault when onboarding never started.
func ReadStatus(ctx context.Context, tx postgres.TenantTx) (Status, error) {
	rows, err := tx.Query(ctx, selectStatus, tx.Tenant())
	if err != nil {
		return Status{}, err
	}
	return oneStatus(rows, tx.Tenant())
}

// ReadTimeline reads the tenant's own steps in order.
func ReadTimeline(ctx context.Context, tx postgres.TenantTx) ([]Step, error) {
	rows, err := tx.Query(ctx, selectSteps, tx.Tenant())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Step])
}

// Progress reads status and steps of any tenant, for an operator.
func Progress(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) (Status, []Step, error) {
	rows, err := tx.Query(ctx, selectStatus, id)
	if err != nil {
		return Status{}, nil, err
	}
	st, err := oneStatus(rows, id)
	if err != nil {
		return Status{}, nil, err
	}
	if rows, err = tx.Query(ctx, selectSteps, id); err != nil {
		return Status{}, nil, err
	}
	steps, err := pgx.CollectRows(rows, pgx.RowToStructByName[Step])
	return st, steps, err
}

func oneStatus(rows pgx.Rows, id tenantid.ID) (Status, error) {
	st, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Status])
	if errors.Is(err, pgx.ErrNoRows) {
		return Status{}, fault.New(fault.NotFound, "onboarding of tenant %s was never started", id).
			WithHint("POST /onboarding/first_login starts it")
	}
	return st, err
}

// beginOnboarding sets the tenant's status to provisioning, unless it is ready or under way. With restart it also
// resets a ready one. The caller enqueues the job in the same transaction; River keeps it unique. ended reports whether
// an earlier onboarding had ended, in Ready or in Failed.
func beginOnboarding(
	ctx context.Context, tx postgres.SystemTx, id tenantid.ID, restart bool,
) (st Status, ended bool, err error) {
	var before string
	err = tx.QueryRow(ctx, `SELECT status FROM onboarding_status WHERE tenant_id = $1 FOR UPDATE`, id).Scan(&before)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Status{}, false, err
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO onboarding_status AS s (tenant_id, status, attempt) VALUES ($1, 'provisioning', 0)
		ON CONFLICT (tenant_id) DO UPDATE SET
			status = CASE WHEN s.status = 'error' OR ($2 AND s.status = 'ready') THEN 'provisioning' ELSE s.status END,
			error = CASE WHEN s.status = 'error' THEN NULL ELSE s.error END, updated_at = now()
		RETURNING tenant_id, status, step, error, attempt, updated_at`, id, restart)
	if err == nil {
		st, err = oneStatus(rows, id)
	}
	return st, before == Failed || before == Ready, err
}

// onward is the status $2, but never provisioning after syncing: a later attempt runs the first steps again, although
// the workspace exists.
const onward = `CASE WHEN status = 'syncing' AND $2 = 'provisioning' THEN status ELSE $2 END`

func (w *Worker) stepStarted(
	ctx context.Context, tx postgres.SystemTx, id tenantid.ID, position, attempt int, s step,
) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO onboarding_steps (tenant_id, step, position, state, attempt, started_at)
		VALUES ($1, $2, $3, 'running', $4, $5)
		ON CONFLICT (tenant_id, step) DO UPDATE SET
			position = $3, state = 'running', attempt = $4, started_at = $5, finished_at = NULL,
			error = NULL, hint = NULL`,
		id, s.name, position, attempt, w.now())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE onboarding_status
		SET status = `+onward+`, step = $3, error = NULL, attempt = $4, updated_at = $5 WHERE tenant_id = $1`,
		id, s.status, s.name, attempt, w.now())
	return err
}

func (w *Worker) stepDone(ctx context.Context, tx postgres.SystemTx, id tenantid.ID, s step) error {
	_, err := tx.Exec(ctx,
		`UPDATE onboarding_steps SET state = 'done', finished_at = $3 WHERE tenant_id = $1 AND step = $2`, id, s.name,
		w.now())
	return err
}

// stepFailed records the failure of a step, without text from Odoo. status is Failed, or that of the step when the job
// is retried.
func (w *Worker) stepFailed(
	ctx context.Context, tx postgres.SystemTx, id tenantid.ID, s step, status string, cause error,
) error {
	_, err := tx.Exec(ctx, `UPDATE onboarding_steps
		SET state = 'failed', finished_at = $3, error = $4, hint = NULLIF($5, '') WHERE tenant_id = $1 AND step = $2`,
		id, s.name, w.now(), fault.Text(cause), fault.Hint(cause))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx,
		`UPDATE onboarding_status SET status = `+onward+`, step = $3, error = $4, updated_at = $5 WHERE tenant_id = $1`,
		id, status, s.name, fault.Text(cause), w.now())
	return err
}

func (w *Worker) markReady(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
	_, err := tx.Exec(ctx,
		`UPDATE onboarding_status SET status = 'ready', error = NULL, updated_at = $2 WHERE tenant_id = $1`, id,
		w.now())
	return err
}
