package acra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// When the database is unavailable for a moment (restart, lock, disk), a transaction is retried for about a minute.
// Then the run fails; its checkpoint stays, and Resume continues it.
const (
	tries      = 8
	firstPause = 300 * time.Millisecond
	longPause  = 15 * time.Second
)

// commitBatch commits one batch, with retries.
func (in *ingestion) commitBatch(ctx context.Context, b *batch) error {
	err := in.retryTransient(ctx, func() error { return in.tryCommitBatch(ctx, b) })
	if fault.Is(err, fault.Conflict) && in.snapshot.complete {
		in.snapshot = tableSnapshot{} // another process writes to the table too: look up every row from now on
		err = in.retryTransient(ctx, func() error { return in.tryCommitBatch(ctx, b) })
	}
	if err != nil {
		return err
	}
	return in.judgeRejects(earlySample)
}

// retryTransient calls do, which is one transaction, again while the database is unavailable.
func (in *ingestion) retryTransient(ctx context.Context, do func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil || !isTransient(err) || try == tries {
			return err
		}
		in.opts.Log.WarnContext(ctx, "register run: database unavailable, retrying",
			"run", in.run.ID, "try", try, "error", err)
		if err := sleepContext(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
		pause = min(2*pause, longPause)
		in.reacquireLock(ctx)
	}
}

// isTransient reports whether a database failure may pass soon. When a server crashes, its connections end in the
// middle of an answer.
func isTransient(err error) bool {
	return fault.Is(err, fault.Unavailable) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// reacquireLock takes the lock again after a database failure, since the connection that held it may be dead. While the
// lock is unavailable, the batch number in the run's row still excludes a second ingestion.
func (in *ingestion) reacquireLock(ctx context.Context) {
	if in.opts.DryRun {
		return
	}
	in.release()
	in.release = func() {}
	if release, ok, err := in.db.Lock(ctx, lockClass, lockObject); err == nil && ok {
		in.release = release
	}
}

func sleepContext(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryCommitBatch writes a batch, in one transaction if it writes anything. in.run includes the batch only after the
// commit.
func (in *ingestion) tryCommitBatch(ctx context.Context, b *batch) error {
	v, unsure := in.classifyBySnapshot(b)
	if !unsure && !in.mustSave(b, v) {
		in.run = in.runAfter(b, v)
		return nil
	}
	var after Run
	var applied, saved bool
	err := in.db.InSystem(ctx, "acra batch", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if applied, err = in.claimCheckpoint(ctx, tx, b.number); err != nil || applied {
			return err
		}
		if v, err = in.classifyByTable(ctx, tx, b); err != nil {
			return err
		}
		after = in.runAfter(b, v)
		if saved = in.mustSave(b, v); !saved {
			return nil
		}
		if err := writeRows(ctx, tx, b, v); err != nil {
			return err
		}
		if err := saveRejects(ctx, tx, after.ID, b.rejects); err != nil {
			return err
		}
		return saveRun(ctx, tx, &after, checkpoint{Batch: b.number, At: b.at})
	})
	if err != nil {
		if saved {
			in.runIfCommitted = after // the commit may have succeeded and only its answer been lost
		}
		return err
	}
	if applied {
		after = in.runIfCommitted
	}
	if in.run = after; applied || saved {
		in.savedBatch, in.savedAt = b.number, time.Now()
	}
	return nil
}

// mustSave reports whether a batch must be saved now.
func (in *ingestion) mustSave(b *batch, v verdict) bool {
	return !in.opts.DryRun && (len(v.inserts)+len(v.updates)+len(b.rejects) > 0 || b.doubt != "" ||
		time.Since(in.savedAt) > saveEvery)
}

// saveEvery bounds how long batches without writes may leave the checkpoint unsaved. After a crash they are read again,
// which costs less than a flush to disk for each.
const saveEvery = 2 * time.Second

// claimCheckpoint locks the run's row. applied reports that this batch is committed already: an earlier try succeeded
// and its answer was lost. Fault: Conflict when another ingestion has taken over the run.
func (in *ingestion) claimCheckpoint(ctx context.Context, tx postgres.SystemTx, n int64) (applied bool, err error) {
	if in.opts.DryRun {
		_, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY`)
		return false, err
	}
	committed, err := lockRun(ctx, tx, in.run.ID)
	if err != nil {
		return false, err
	}
	if committed != n && committed != in.savedBatch {
		return false, takenOverError(in.run.ID)
	}
	return committed == n, nil
}

func takenOverError(run int64) error {
	return fault.New(fault.Conflict, "register run %d: taken over by another ingestion", run)
}

// runAfter returns the run's state after the commit of b.
func (in *ingestion) runAfter(b *batch, v verdict) Run {
	run := in.run
	run.add(v.counts)
	run.At = b.at
	run.Detail.Seconds = in.secondsWorked()
	if b.doubt != "" {
		run.Detail.addDoubt(b.doubt)
	}
	run.Detail.Unknown, run.Detail.Missing = b.layout.unknown, b.layout.missing
	run.Detail.Warnings = addAll(run.Detail.Warnings, func(add func(string, int64)) {
		for w, n := range b.warnings {
			run.Warnings += n
			add(Warning(w).String(), n)
		}
	})
	run.Detail.Reasons = addAll(run.Detail.Reasons, func(add func(string, int64)) {
		for _, r := range b.rejects {
			add(reasonKind(r.Reason), 1)
		}
	})
	return run
}

// secondsWorked returns the seconds spent on the run by this call and the calls that it resumes.
func (in *ingestion) secondsWorked() float64 {
	return in.earlierSeconds + time.Since(in.startedAt).Seconds()
}

// writeRows copies new rows into the table and changed rows into acra_pending.
func writeRows(ctx context.Context, tx postgres.SystemTx, b *batch, v verdict) error {
	for _, to := range []struct {
		table string
		rows  []int32
	}{{"staging_acra_companies", v.inserts}, {"acra_pending", v.updates}} {
		if len(to.rows) == 0 {
			continue
		}
		sql := fmt.Sprintf(`COPY %s (%s, row_hash, run_id) FROM STDIN`, to.table, b.layout.columnList(""))
		n, err := tx.CopyFrom(ctx, b.linesReader(to.rows), sql)
		if err == nil && n != int64(len(to.rows)) {
			err = fault.New(fault.Internal, "batch %d: %d rows sent to %s, %d copied",
				b.number, len(to.rows), to.table, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *ingestion) keepRejects(b *batch) {
	const enough = 20
	if n := min(len(b.rejects), enough-len(in.rejects)); n > 0 {
		in.rejects = append(in.rejects, b.rejects[:n]...)
	}
}
