package acra

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// States of a run.
const (
	StateRunning     = "running"
	StateInterrupted = "interrupted" // unfinished, and no process works on it; Resume continues it. Never stored
	StateDone        = "done"
	StateIncomplete  = "incomplete" // read and published, but not proven to be whole: nothing is marked absent
	StateFailed      = "failed"     // stopped; Resume continues it
	StateAborted     = "aborted"    // rejected: too many rejects or too few rows; nothing of it was published
	stateDry         = "dry run"    // read to the end, nothing written
)

const runColumns = `run_id, source, state, started_at, updated_at, finished_at, checkpoint, rows_read, inserted,
	updated, unchanged, duplicates, rejected, filtered, warnings, absent, complete, detail, coalesce(error, '')`

// checkpoint is the value of acra_runs.checkpoint.
type checkpoint struct {
	Batch int64    `json:"batch"` // number of the last batch committed
	At    Position `json:"at"`
}

// Runs lists the latest n runs, newest first.
func Runs(ctx context.Context, db *postgres.DB, n int) ([]Run, error) {
	var runs []Run
	err := db.InSystem(ctx, "acra status", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		runs, err = listRuns(ctx, tx, `ORDER BY run_id DESC LIMIT $1`, n)
		return err
	})
	return runs, err
}

// OneRun reads a run. Fault: NotFound.
func OneRun(ctx context.Context, db *postgres.DB, id int64) (Run, error) {
	var runs []Run
	err := db.InSystem(ctx, "acra status", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		runs, err = listRuns(ctx, tx, `WHERE run_id = $1`, id)
		return err
	})
	if err == nil && len(runs) == 0 {
		err = noSuchRun(id)
	}
	if err != nil {
		return Run{}, err
	}
	return runs[0], nil
}

func noSuchRun(id int64) error {
	return fault.New(fault.NotFound, "register run %d: does not exist", id).
		WithHint("list them with `leadctl acra status`")
}

func noRunYet() error {
	return fault.New(fault.NotFound, "register run: none exists yet").WithHint("start one with `leadctl acra ingest`")
}

// Watch passes the latest run to tell every second while it is running, and returns it when it is not. Fault: NotFound
// when there is no run.
func Watch(ctx context.Context, db *postgres.DB, tell func(Run)) (Run, error) {
	for {
		runs, err := Runs(ctx, db, 1)
		switch {
		case err != nil:
			return Run{}, err
		case len(runs) == 0:
			return Run{}, noRunYet()
		case runs[0].State != StateRunning:
			return runs[0], nil
		}
		tell(runs[0])
		if err := sleepContext(ctx, time.Second); err != nil {
			return runs[0], err
		}
	}
}

func listRuns(ctx context.Context, tx postgres.SystemTx, where string, args ...any) ([]Run, error) {
	rows, err := tx.Query(ctx, `SELECT `+runColumns+` FROM acra_runs `+where, args...)
	if err != nil {
		return nil, err
	}
	runs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Run, error) {
		r, _, err := scanRun(row)
		return r, err
	})
	if err != nil {
		return nil, err
	}
	for i := range runs {
		if runs[i].State == StateRunning {
			if runs[i].State, err = liveState(ctx, tx); err != nil {
				return nil, err
			}
		}
	}
	return runs, nil
}

// liveState distinguishes a run in progress from one whose process is gone: the former holds the lock of ingestion.
func liveState(ctx context.Context, tx postgres.SystemTx) (string, error) {
	var held bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2 AND objsubid = 2
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`, lockClass, lockObject).
		Scan(&held)
	if held {
		return StateRunning, err
	}
	return StateInterrupted, err
}

// Rejects lists at most n rejected rows of a run, in the order of the source. run 0 is the latest run. Fault: NotFound
// when there is no such run.
func Rejects(ctx context.Context, db *postgres.DB, run int64, n int) ([]Reject, error) {
	var list []Reject
	err := db.InSystem(ctx, "acra rejects", func(ctx context.Context, tx postgres.SystemTx) error {
		err := tx.QueryRow(ctx, `SELECT run_id FROM acra_runs WHERE run_id = $1 OR $1 = 0
			ORDER BY run_id DESC LIMIT 1`, run).Scan(&run)
		if errors.Is(err, pgx.ErrNoRows) && run == 0 {
			return noRunYet()
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return noSuchRun(run)
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT run_id, part, line, coalesce(uen, '') AS uen, reason, raw FROM acra_rejects
			WHERE run_id = $1 ORDER BY part, line LIMIT $2`, run, n)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Reject])
		return err
	})
	return list, err
}

func scanRun(row pgx.CollectableRow) (Run, checkpoint, error) {
	var r Run
	var cp checkpoint
	var cpText, detail []byte
	err := row.Scan(&r.ID, &r.Source, &r.State, &r.StartedAt, &r.UpdatedAt, &r.FinishedAt, &cpText, &r.Read,
		&r.Inserted, &r.Updated, &r.Unchanged, &r.Duplicates, &r.Rejected, &r.Filtered, &r.Warnings, &r.Absent,
		&r.Complete, &detail, &r.Error)
	if err != nil {
		return r, cp, err
	}
	if err := errors.Join(json.Unmarshal(cpText, &cp), json.Unmarshal(detail, &r.Detail)); err != nil {
		return r, cp, fault.New(fault.Internal, "register run %d: checkpoint: %w", r.ID, err)
	}
	r.At = cp.At
	return r, cp, nil
}

// lockRun locks the row of a running run for this transaction and returns the number of its last batch. It also turns
// synchronous_commit on for the transaction, so that every row that a run counts is on disk.
func lockRun(ctx context.Context, tx postgres.SystemTx, run int64) (batch int64, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce((checkpoint->>'batch')::bigint, 0) FROM acra_runs,
			(SELECT CASE WHEN current_setting('synchronous_commit') = 'off'
				THEN set_config('synchronous_commit', 'local', true) END) AS durable
		WHERE run_id = $1 AND state = 'running' FOR UPDATE OF acra_runs`, run).Scan(&batch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, takenOverError(run)
	}
	return batch, err
}

// saveRun writes the run with checkpoint cp, and reads back its times.
func saveRun(ctx context.Context, tx postgres.SystemTx, r *Run, cp checkpoint) error {
	return tx.QueryRow(ctx, `UPDATE acra_runs SET updated_at = clock_timestamp(), checkpoint = $2, rows_read = $3,
		inserted = $4, updated = $5, unchanged = $6, duplicates = $7, rejected = $8, filtered = $9, warnings = $10,
		detail = $11, state = $12, error = nullif($13, ''),
		absent = $14, complete = $15, finished_at = CASE WHEN $12 = 'running' THEN NULL ELSE clock_timestamp() END
		WHERE run_id = $1 RETURNING updated_at, finished_at`,
		r.ID, cp, r.Read, r.Inserted, r.Updated, r.Unchanged, r.Duplicates, r.Rejected, r.Filtered, r.Warnings,
		r.Detail, r.State, r.Error, r.Absent, r.Complete).Scan(&r.UpdatedAt, &r.FinishedAt)
}

// saveRejects stores a batch's rejected rows.
func saveRejects(ctx context.Context, tx postgres.SystemTx, run int64, rejects []Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	var parts, uens, reasons, raws []string
	var lines []int64
	for _, r := range rejects {
		parts, uens, reasons = append(parts, r.Part), append(uens, r.UEN), append(reasons, r.Reason)
		raws, lines = append(raws, r.Raw), append(lines, r.Line)
	}
	_, err := tx.Exec(ctx, `INSERT INTO acra_rejects (run_id, part, line, uen, reason, raw)
		SELECT DISTINCT ON (part, line) $1, part, line, nullif(uen, ''), reason, raw
		FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[]) AS r(part, line, uen, reason, raw)
		ON CONFLICT (run_id, part, line)
			DO UPDATE SET uen = EXCLUDED.uen, reason = EXCLUDED.reason, raw = EXCLUDED.raw`,
		run, parts, lines, uens, reasons, raws)
	return err
}

// addAll returns a copy of old plus what fill adds. It copies because a retry counts the batch again.
func addAll(old map[string]int64, fill func(add func(string, int64))) map[string]int64 {
	sum := maps.Clone(old)
	if sum == nil {
		sum = map[string]int64{}
	}
	fill(func(key string, n int64) {
		if n > 0 {
			sum[key] += n
		}
	})
	return sum
}

// reasonKind returns a reject reason without the quoted value in it.
func reasonKind(reason string) string {
	before, after, quoted := strings.Cut(reason, ` "`)
	if !quoted {
		return reason
	}
	if i := strings.LastIndex(after, `":`); i >= 0 {
		return before + after[i+1:]
	}
	return before
}
