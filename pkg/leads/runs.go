package leads

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// States of leadctl's runs. Runs of other services may have others.
const (
	RunQueued  = "queued"
	RunRunning = "running"
	RunDone    = "done"
	RunFailed  = "failed"
)

// Run is one scoring or enrichment run of a tenant. RunID counts within the tenant.
type Run struct {
	RunID     int32           `json:"run_id" yaml:"run_id" db:"run_id"`
	TenantID  TenantID        `json:"tenant_id" yaml:"tenant_id" db:"tenant_id"`
	Status    string          `json:"status" yaml:"status" db:"status"`
	Source    string          `json:"source" yaml:"source" db:"source"`
	StartedAt time.Time       `json:"started_at" yaml:"started_at" db:"started_at"`
	EndedAt   *time.Time      `json:"ended_at" yaml:"ended_at" db:"ended_at"`
	Counts    json.RawMessage `json:"counts" yaml:"counts" db:"counts"`
	Error     *string         `json:"error" yaml:"error" db:"error"`
}

const runColumns = `run_id, tenant_id, status, source, started_at, ended_at, counts, error`

// startRun inserts a run that waits to be begun. ScoreOptions.RunID finishes it.
func startRun(ctx context.Context, tx postgres.TenantTx) (Run, error) {
	if err := lockTenant(ctx, tx, lockNumbers); err != nil {
		return Run{}, err
	}
	rows, err := tx.Query(ctx, `INSERT INTO public.enrichment_runs (tenant_id, run_id, status, source)
		SELECT $1, coalesce(max(run_id), 0) + 1, $2, $3 FROM public.enrichment_runs
		RETURNING `+runColumns, tx.Tenant(), RunQueued, Source)
	if err != nil {
		return Run{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Run])
}

// waitingRun is the run that waits to be begun, or a new one.
func waitingRun(ctx context.Context, tx postgres.TenantTx) (Run, error) {
	if err := lockTenant(ctx, tx, lockNumbers); err != nil {
		return Run{}, err
	}
	rows, err := tx.Query(ctx, `SELECT `+runColumns+` FROM public.enrichment_runs WHERE source = $1 AND status = $2
		ORDER BY started_at DESC, run_id DESC LIMIT 1`, Source, RunQueued)
	if err != nil {
		return Run{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Run])
	if errors.Is(err, pgx.ErrNoRows) {
		return startRun(ctx, tx)
	}
	return r, err
}

// beginRun marks a run as running and reports whether it is due. It waits for transactions that join the run, because
// the scoring must see their changes.
func beginRun(ctx context.Context, tx postgres.TenantTx, id int32) (due bool, err error) {
	if err := lockTenant(ctx, tx, lockNumbers); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, `UPDATE public.enrichment_runs SET status = $2, started_at = clock_timestamp(),
		counts = counts || jsonb_build_object('queued_seconds', round(extract(epoch
		FROM clock_timestamp() - started_at), 3))
		WHERE run_id = $1 AND source = $3 AND status IN ($4, $2)`, id, RunRunning, Source, RunQueued)
	return tag.RowsAffected() > 0, err
}

// failRun ends a run with the reason why it failed, unless it is done. The tenant sees the reason.
func failRun(ctx context.Context, tx postgres.TenantTx, id int32, reason string) error {
	_, err := tx.Exec(ctx, `UPDATE public.enrichment_runs SET status = $2, ended_at = now(), error = $3
		WHERE run_id = $1 AND status <> $4`,
		id, RunFailed, reason, RunDone)
	return err
}

// GetRun returns the tenant's run with that number. Fault: NotFound.
func GetRun(ctx context.Context, tx postgres.TenantTx, id int32) (Run, error) {
	rows, err := tx.Query(ctx, `SELECT `+runColumns+` FROM public.enrichment_runs WHERE run_id = $1`, id)
	if err != nil {
		return Run{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Run])
	if errors.Is(err, pgx.ErrNoRows) {
		return Run{}, fault.New(fault.NotFound, "run %d: no such run", id)
	}
	return r, err
}

// recordRun writes the outcome into run id, or into a new one when id is 0.
func recordRun(ctx context.Context, tx postgres.TenantTx, id int32, report ScoreReport, at progress) (int32, error) {
	if id == 0 {
		run, err := startRun(ctx, tx)
		if err != nil {
			return 0, err
		}
		id = run.RunID
	}
	report.RunID = id
	tag, err := tx.Exec(ctx, `UPDATE public.enrichment_runs
		SET status = $2, ended_at = clock_timestamp(), error = NULL, counts = counts || $3::jsonb || $4::jsonb
		WHERE run_id = $1`, id, RunDone, report, at)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.New(fault.NotFound, "run %d: no such run", id)
	}
	return id, err
}
