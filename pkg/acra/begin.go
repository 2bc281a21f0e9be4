package acra

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

var errNothingToDo = errors.New("the source has not been republished")

// beginRun opens the source, and the run: a new one, or the latest when that can be resumed.
func (in *ingestion) beginRun(ctx context.Context) error {
	in.run = Run{Source: in.opts.Source.sourceLabel(), State: StateRunning, StartedAt: time.Now().UTC(), Detail: in.runChoice()}
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
		// The register was published anew meanwhile. Going on would leave what was read before it as it was, unnoticed.
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

// startRun makes the run's row current.
func (in *ingestion) startRun(ctx context.Context, at checkpoint) error {
	in.savedBatch, in.savedAt = at.Batch, time.Now()
	if in.opts.DryRun {
		return nil
	}
	err := in.db.InSystem(ctx, "acra begin", in.openRunRow)
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

// runChoice is the part of the options that a resumed run must share.
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

// readEarlierRuns reads what earlier runs left: the one to resume, if it is, and the last that finished.
func (in *ingestion) readEarlierRuns(ctx context.Context, tx postgres.SystemTx) (checkpoint, error) {
	done, _, err := readRun(ctx, tx, `WHERE state = 'done' AND source = $1 ORDER BY run_id DESC LIMIT 1`, in.run.Source)
	if err != nil {
		return checkpoint{}, err
	}
	if done != nil && done.Detail.sameChoice(in.run.Detail) {
		in.lastDone = done
	}
	whole, _, err := readRun(ctx, tx, `WHERE state = 'done' AND complete AND source = $1 ORDER BY run_id DESC LIMIT 1`, in.run.Source)
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
		if latest != nil && latest.Source == in.run.Source && (latest.State == StateRunning || latest.State == StateFailed) {
			return at, in.resumeRun(*latest)
		}
	}
	return checkpoint{}, nil
}

func (in *ingestion) resumeRun(latest Run) error {
	if !latest.Detail.sameChoice(in.run.Detail) {
		return fault.New(fault.Invalid, "register run %d: begun with another status, since or limit", latest.ID).
			WithHint("resume it with the options it was begun with, or start a new run without --resume")
	}
	in.run, in.resumed = latest, true
	in.run.State, in.run.Error = StateRunning, ""
	in.earlierSeconds = latest.Detail.Seconds
	return nil
}

// isUpToDate reports whether the publisher's releases are those that were loaded last.
func (in *ingestion) isUpToDate(versions map[string]string) bool {
	return len(versions) > 0 && in.lastDone != nil && !in.opts.Force && !in.resumed && maps.Equal(versions, in.lastDone.Detail.Versions)
}

// recordStillCurrent notes on the run that loaded the publisher's release when it was last found to be the latest, see Age.
func (in *ingestion) recordStillCurrent(ctx context.Context) error {
	if in.opts.DryRun {
		return nil
	}
	return in.db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `UPDATE acra_runs SET updated_at = now() WHERE run_id = $1 RETURNING updated_at`, in.run.ID).Scan(&in.run.UpdatedAt)
	})
}

// openRunRow writes the run's row. What an earlier run left unpublished is dropped: this run will find it again.
func (in *ingestion) openRunRow(ctx context.Context, tx postgres.SystemTx) error {
	if in.resumed {
		_, err := tx.Exec(ctx, `UPDATE acra_runs SET state = 'running', error = NULL, finished_at = NULL WHERE run_id = $1`, in.run.ID)
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE acra_runs SET state = 'failed', error = 'interrupted', finished_at = now() WHERE state = 'running'`); err != nil {
		return err
	}
	if err := dropPending(ctx, tx); err != nil {
		return err
	}
	return tx.QueryRow(ctx, `INSERT INTO acra_runs (source, state, checkpoint, detail) VALUES ($1, 'running', $2, $3)
		RETURNING run_id, started_at, updated_at`, in.run.Source, checkpoint{}, in.run.Detail).
		Scan(&in.run.ID, &in.run.StartedAt, &in.run.UpdatedAt)
}

// dropPending empties acra_pending if there is anything in it.
func dropPending(ctx context.Context, tx postgres.SystemTx) error {
	var left bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM acra_pending)`).Scan(&left); err != nil || !left {
		return err
	}
	_, err := tx.Exec(ctx, `TRUNCATE acra_pending`)
	return err
}

// readRun reads the first run that where finds, nil when it finds none.
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

// newReader makes the reader of this run.
func (in *ingestion) newReader() *reader {
	r := &reader{stream: in.stream, number: in.savedBatch, read: in.run.Read, limit: in.opts.Limit, size: defaultBatch}
	if in.resumed {
		r.from = in.run.At
	}
	switch facts := in.stream.facts(); {
	case in.opts.BatchRows > 0:
		r.size = in.opts.BatchRows
	case facts.batch > 0:
		r.size = facts.batch
	}
	return r
}
