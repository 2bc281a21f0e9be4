package acra

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

var errNothingToDo = errors.New("the source has not been republished")

// beginRun opens the source and the run: a new run, or the latest one when it can be resumed.
func (in *ingestion) beginRun(ctx context.Context) error {
	in.run = Run{Source: in.opts.Source.sourceLabel(), State: StateRunning,
		StartedAt: time.Now().UTC(), Detail: in.runChoice()}
	fresh := in.run
	var at checkpoint
	err := in.db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		at, err = in.readEarlierRuns(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if in.stream, err = in.opts.Source.open(ctx, in.openOptions(at.At)); err != nil {
		return err
	}
	versions := in.stream.facts().versions
	if in.resumed && !maps.Equal(versions, in.run.Detail.Versions) {
		// The register was republished since. Resuming would silently keep rows of the old release.
		_ = in.stream.close()
		in.resumed, in.run, in.earlierSeconds, at = false, fresh, 0, checkpoint{}
		if in.stream, err = in.opts.Source.open(ctx, in.openOptions(at.At)); err != nil {
			return err
		}
	}
	if in.isUpToDate(versions) {
		in.run = *in.lastDone
		_ = in.stream.close()
		if err := in.recordStillCurrent(ctx); err != nil {
			return err
		}
		return errNothingToDo
	}
	in.run.Detail.Versions = versions
	return in.startRun(ctx, at)
}

// startRun writes the run's row and an audit line, unless this is a dry run.
func (in *ingestion) startRun(ctx context.Context, at checkpoint) error {
	in.savedBatch, in.savedAt = at.Batch, time.Now()
	if in.opts.DryRun {
		return nil
	}
	err := in.db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		if err := in.openRunRow(ctx, tx); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, in.opts.By, tenant.Act{Action: "acra.ingest",
			Object: strconv.FormatInt(in.run.ID, 10),
			Detail: map[string]any{"source": in.run.Source, "resumed": in.resumed}})
	})
	if err != nil {
		_ = in.stream.close()
	}
	return err
}

func (in *ingestion) openOptions(from Position) sourceOptions {
	o := sourceOptions{from: from, statuses: chosenStatuses(in.opts.Status)}
	if in.lastDone != nil && !in.opts.Force {
		o.loaded = in.lastDone.Detail.Versions
	}
	return o
}

// runChoice returns the options that a resumed run must share.
func (in *ingestion) runChoice() Detail {
	d := Detail{Status: chosenStatuses(in.opts.Status), Limit: in.opts.Limit}
	if !in.opts.Since.IsZero() {
		d.Since = in.opts.Since.Format(time.DateOnly)
	}
	return d
}

func (d Detail) sameChoice(o Detail) bool {
	return slices.Equal(d.Status, o.Status) && d.Since == o.Since && d.Limit == o.Limit
}

// readEarlierRuns reads the last finished runs of the source, and the run to resume when there is one.
func (in *ingestion) readEarlierRuns(ctx context.Context, tx postgres.SystemTx) (checkpoint, error) {
	done, _, err := readRun(ctx, tx, `WHERE state = 'done' AND source = $1 ORDER BY run_id DESC LIMIT 1`, in.run.Source)
	if err != nil {
		return checkpoint{}, err
	}
	if done != nil && done.Detail.sameChoice(in.run.Detail) {
		in.lastDone = done
	}
	whole, _, err := readRun(ctx, tx,
		`WHERE state = 'done' AND complete AND source = $1 ORDER BY run_id DESC LIMIT 1`, in.run.Source)
	if err != nil {
		return checkpoint{}, err
	}
	if whole != nil && whole.Detail.sameChoice(in.run.Detail) {
		in.lastComplete = whole
	}
	if in.opts.Resume && !in.opts.DryRun {
		latest, at, err := readRun(ctx, tx, `ORDER BY run_id DESC LIMIT 1`)
		if err != nil {
			return checkpoint{}, err
		}
		resumable := latest != nil && (latest.State == StateRunning || latest.State == StateFailed)
		if resumable && latest.Source == in.run.Source {
			return at, in.resumeRun(*latest)
		}
	}
	return checkpoint{}, nil
}

func (in *ingestion) resumeRun(latest Run) error {
	if !latest.Detail.sameChoice(in.run.Detail) {
		return fault.New(fault.Invalid, "register run %d: started with a different status, since or limit", latest.ID).
			WithHint("resume it with the options that it was started with, or start a new run without --resume")
	}
	in.run, in.resumed = latest, true
	in.run.State, in.run.Error = StateRunning, ""
	in.earlierSeconds = latest.Detail.Seconds
	return nil
}

// isUpToDate reports whether the last finished run loaded exactly these releases.
func (in *ingestion) isUpToDate(versions map[string]string) bool {
	return len(versions) > 0 && in.lastDone != nil && !in.opts.Force && !in.resumed &&
		maps.Equal(versions, in.lastDone.Detail.Versions)
}

// recordStillCurrent updates the time of the run that loaded the current release; ReadAge reads it.
func (in *ingestion) recordStillCurrent(ctx context.Context) error {
	if in.opts.DryRun {
		return nil
	}
	return in.db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `UPDATE acra_runs SET updated_at = now() WHERE run_id = $1
			RETURNING updated_at`, in.run.ID).Scan(&in.run.UpdatedAt)
	})
}

// openRunRow writes the run's row. It drops the pending rows of an earlier run: this run finds them again.
func (in *ingestion) openRunRow(ctx context.Context, tx postgres.SystemTx) error {
	if in.resumed {
		_, err := tx.Exec(ctx, `UPDATE acra_runs SET state = 'running', error = NULL, finished_at = NULL
			WHERE run_id = $1`, in.run.ID)
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE acra_runs SET state = 'failed', error = 'interrupted', finished_at = now()
		WHERE state = 'running'`); err != nil {
		return err
	}
	if err := dropPending(ctx, tx); err != nil {
		return err
	}
	return tx.QueryRow(ctx, `INSERT INTO acra_runs (source, state, checkpoint, detail) VALUES ($1, 'running', $2, $3)
		RETURNING run_id, started_at, updated_at`, in.run.Source, checkpoint{}, in.run.Detail).
		Scan(&in.run.ID, &in.run.StartedAt, &in.run.UpdatedAt)
}

// dropPending empties acra_pending, unless it is empty already.
func dropPending(ctx context.Context, tx postgres.SystemTx) error {
	var left bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM acra_pending)`).Scan(&left); err != nil || !left {
		return err
	}
	_, err := tx.Exec(ctx, `TRUNCATE acra_pending`)
	return err
}

// readRun reads the first run that the clause where finds, nil when it finds none.
func readRun(ctx context.Context, tx postgres.SystemTx, where string, args ...any) (*Run, checkpoint, error) {
	rows, err := tx.Query(ctx, `SELECT `+runColumns+` FROM acra_runs `+where, args...)
	if err != nil {
		return nil, checkpoint{}, err
	}
	var at checkpoint
	run, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (r Run, err error) {
		r, at, err = scanRun(row)
		return r, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, checkpoint{}, nil
	}
	return &run, at, err
}

// newReader returns the reader of this run.
func (in *ingestion) newReader() *reader {
	r := &reader{stream: in.stream, number: in.savedBatch, read: in.run.Read, limit: in.opts.Limit, size: defaultBatch,
		vouched: in.opts.Complete, columns: in.columns}
	if in.resumed {
		r.from, r.at = in.run.At, in.run.At
	}
	switch facts := in.stream.facts(); {
	case in.opts.BatchRows > 0:
		r.size = in.opts.BatchRows
	case facts.batch > 0:
		r.size = facts.batch
	}
	return r
}
