package acra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// earlySample is the number of records from which the share of rejects is representative.
const earlySample = 10_000

// refusal wraps the reason why a run must not be published.
type refusal struct{ cause error }

func (r refusal) Error() string { return r.cause.Error() }
func (r refusal) Unwrap() error { return r.cause }

// judgeRejects aborts the run when too many of its rows were rejected. It says nothing before sample rows were read.
func (in *ingestion) judgeRejects(sample int64) error {
	r := in.run
	if r.Read < sample || float64(r.Rejected) <= in.opts.MaxRejects*float64(r.Read) {
		return nil
	}
	return refusal{fault.New(fault.Unprocessable, "%s: %d of %d rows rejected, more than %.3g %%",
		r.Source, r.Rejected, r.Read, 100*in.opts.MaxRejects).
		WithHint("nothing was published; see why with `leadctl acra rejects`, or raise the limit with --max-rejects")}
}

// judgeRun decides whether the run as a whole may be published.
func (in *ingestion) judgeRun(complete bool) error {
	r := in.run
	if r.Read == 0 {
		return refusal{fault.New(fault.Unprocessable, "%s: no rows", r.Source).WithHint("nothing was changed")}
	}
	if err := in.judgeRejects(1); err != nil {
		return err
	}
	if complete && in.lastComplete != nil && r.Read*2 < in.lastComplete.Read && !in.opts.Force {
		return refusal{fault.New(fault.Unprocessable, "%s: only %d rows, run %d read %d",
			r.Source, r.Read, in.lastComplete.ID, in.lastComplete.Read).
			WithHint("nothing was published; if the register is really this small, use --force")}
	}
	return nil
}

// finishRun checks the run, publishes the changes and ends the run, in one transaction.
func (in *ingestion) finishRun(ctx context.Context) error {
	known, note := in.stream.finalFacts(ctx)
	in.run.Detail.Versions = known.versions
	if note != "" {
		in.run.Detail.Notes = append(in.run.Detail.Notes, note)
	}
	if c := in.run.Counts; c.Filtered > 0 && c.Inserted+c.Updated+c.Unchanged == 0 {
		in.run.Detail.Notes = append(in.run.Detail.Notes,
			fmt.Sprintf("none of %d rows matched the filter; check the spelling of the status, and the date", c.Read))
	}
	vouched := known.uncounted && (in.opts.Complete || in.opts.ExpectRows > 0)
	complete := (known.complete || vouched) && in.opts.Limit == 0 && in.opts.Since.IsZero()
	if err := in.judgeRun(complete && len(in.run.Detail.Doubts) == 0); err != nil {
		return err
	}
	in.addDoubts(complete && len(in.run.Detail.Doubts) == 0)
	complete = complete && len(in.run.Detail.Doubts) == 0
	if in.opts.DryRun {
		in.run.State = stateDry
		return nil
	}
	after := in.run
	err := in.retryTransient(ctx, func() error {
		return in.db.InSystem(ctx, "acra publish", func(ctx context.Context, tx postgres.SystemTx) error {
			after = in.run
			return in.publishRun(ctx, tx, &after, complete && !in.resumed, known.filtered)
		})
	})
	if err == nil {
		in.run = after
	}
	return err
}

func (in *ingestion) publishRun(ctx context.Context, tx postgres.SystemTx, r *Run, complete, filtered bool) error {
	done, _, err := readRun(ctx, tx, `WHERE run_id = $1 AND state IN ('done', 'incomplete')`, r.ID)
	if err != nil || done != nil {
		if done != nil {
			*r = *done // an earlier try succeeded and its answer was lost
		}
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'`); err != nil {
		return err
	}
	if _, err := lockRun(ctx, tx, r.ID); err != nil {
		return err
	}
	updated, err := publishChanges(ctx, tx, r)
	if err != nil {
		return err
	}
	r.Updated = updated
	r.Unchanged = r.Read - r.Inserted - r.Updated - r.Duplicates - r.Rejected - r.Filtered
	if complete && !in.seen.full {
		r.Complete = true
		if err := in.markAbsent(ctx, tx, r, filtered); err != nil {
			return err
		}
	}
	if err := dropPending(ctx, tx); err != nil {
		return err
	}
	r.State, r.Detail.Seconds = StateDone, in.secondsWorked()
	if len(r.Detail.Doubts) > 0 {
		r.State, r.Complete, r.Error = StateIncomplete, false, clipText(strings.Join(r.Detail.Doubts, "; "), 500)
	}
	return saveRun(ctx, tx, r, checkpoint{At: r.At})
}

// publishChanges applies the rows of acra_pending to the table, for each UEN the last one. It returns the number of
// companies that now differ from their state before the run.
func publishChanges(ctx context.Context, tx postgres.SystemTx, r *Run) (updated int64, err error) {
	var sets []string
	for _, c := range Columns()[1:] {
		if !slices.Contains(r.Detail.Missing, c) {
			sets = append(sets, c+" = p."+c)
		}
	}
	sql := fmt.Sprintf(`WITH published AS (
		UPDATE staging_acra_companies s
		SET %s, row_hash = p.row_hash, last_seen = now(), run_id = p.run_id, absent_since = NULL
		FROM acra_pending p
		WHERE s.uen = p.uen AND s.row_hash IS DISTINCT FROM p.row_hash
			AND NOT EXISTS (SELECT 1 FROM acra_pending later WHERE later.uen = p.uen AND later.seq > p.seq)
		RETURNING s.first_seen)
		SELECT count(*) FILTER (WHERE first_seen < $1) FROM published`, strings.Join(sets, ", "))
	err = tx.QueryRow(ctx, sql, r.StartedAt).Scan(&updated)
	return updated, err
}

// markAbsent marks the companies that a complete run did not find, and unmarks those that it found again. It deletes
// nothing. When more than MaxShrink of the unmarked companies are missing, it marks none and the run is incomplete.
// Companies that an earlier run marked do not count for that: they are missing from every later run too.
func (in *ingestion) markAbsent(ctx context.Context, tx postgres.SystemTx, r *Run, filtered bool) error {
	var gone, back []string
	var missing, unmarked int64 // of the companies without a mark: how many the run did not find, and all
	where := `true`
	args := []any{}
	if filtered {
		where, args = `lower(entity_status_description) = ANY ($1)`, []any{lowerAll(r.Detail.Status)}
	}
	rows, err := tx.Query(ctx, `SELECT uen, absent_since IS NOT NULL FROM staging_acra_companies WHERE `+where, args...)
	if err != nil {
		return err
	}
	var uen string
	var marked bool
	_, err = pgx.ForEachRow(rows, []any{&uen, &marked}, func() error {
		here := in.seen.hasUEN(uen)
		if !here {
			r.Absent++
		}
		if !marked {
			unmarked++
		}
		switch {
		case here && marked:
			back = append(back, uen)
		case !here && !marked:
			if missing++; len(gone) < maxGone {
				gone = append(gone, uen)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if missing > 100 && float64(missing) > in.opts.MaxShrink*float64(unmarked) && !in.opts.Force {
		r.Detail.addDoubt(fmt.Sprintf("%d of %d companies are not in the source", missing, unmarked))
		gone, in.shrunk = nil, true
	}
	if len(gone)+len(back) == 0 {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE staging_acra_companies SET absent_since = now(), run_id = $2
		WHERE uen = ANY ($1)`, gone, r.ID)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE staging_acra_companies SET absent_since = NULL, last_seen = now(), run_id = $2
			WHERE uen = ANY ($1)`, back, r.ID)
	}
	return err
}

// maxGone bounds the number of companies that one run marks absent. The next complete run marks the rest.
const maxGone = 150_000

func lowerAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// recordFailure records why the run stopped, and returns the error for the caller. An aborted run is undone: its
// inserted rows are deleted and its pending rows dropped.
func (in *ingestion) recordFailure(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	defer cancel()
	var refused refusal
	isRefusal := errors.As(cause, &refused)
	if isRefusal {
		cause = refused.cause
	} else {
		cause = in.addResumeHint(cause)
	}
	err := in.db.InSystem(ctx, "acra end", func(ctx context.Context, tx postgres.SystemTx) error {
		if isRefusal {
			return in.undoRun(ctx, tx, cause)
		}
		_, err := tx.Exec(ctx, `UPDATE acra_runs SET state = 'failed', error = $2, finished_at = now()
			WHERE run_id = $1 AND state = 'running'`,
			in.run.ID, clipText(cause.Error(), 500))
		return err
	})
	if err != nil {
		in.opts.Log.ErrorContext(ctx, "register run: its end was not recorded", "run", in.run.ID, "error", err)
		return cause
	}
	in.run.State, in.run.Error = StateFailed, clipText(cause.Error(), 500)
	if isRefusal {
		in.run.State = StateAborted
	}
	return cause
}

// addResumeHint adds to the error of a resumable run how to resume it.
func (in *ingestion) addResumeHint(cause error) error {
	var f *fault.Error
	switch kind := fault.KindOf(cause); {
	case kind == fault.Interrupted:
		return fault.New(kind, "register run %d: interrupted after %d rows: %w", in.run.ID, in.run.Read, cause).
			WithHint(hintResume)
	case kind == fault.Unavailable && fault.Hint(cause) == "" && errors.As(cause, &f):
		return f.WithHint(hintResume)
	}
	return cause
}

const hintResume = "the rows read so far are kept; continue with --resume"

func (in *ingestion) undoRun(ctx context.Context, tx postgres.SystemTx, cause error) error {
	if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
		return err
	}
	if _, err := lockRun(ctx, tx, in.run.ID); err != nil {
		return err
	}
	// In an adopted database, older rows may carry the same run_id; first_seen protects them.
	if _, err := tx.Exec(ctx, `DELETE FROM staging_acra_companies WHERE run_id = $1 AND first_seen >= $2`,
		in.run.ID, in.run.StartedAt); err != nil {
		return err
	}
	if err := dropPending(ctx, tx); err != nil {
		return err
	}
	r := in.run
	r.State, r.Error = StateAborted, clipText(cause.Error(), 500)
	return saveRun(ctx, tx, &r, checkpoint{At: r.At})
}
