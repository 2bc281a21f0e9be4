package acra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// What the database cannot take just now (restart, lock, disk) is tried again for about a minute. After that the run fails;
// its checkpoint stands and Resume continues it.
const (
	tries      = 8
	firstPause = 300 * time.Millisecond
	longPause  = 15 * time.Second
)

// commitBatch commits one batch, however often that takes.
func (in *ingestion) commitBatch(ctx context.Context, b *batch) error {
	err := in.retryTransient(ctx, func() error { return in.tryCommitBatch(ctx, b) })
	if fault.Is(err, fault.Conflict) && in.snapshot.complete {
		in.snapshot = tableSnapshot{} // somebody else writes to the table as well: ask it about every row from now on
		err = in.retryTransient(ctx, func() error { return in.tryCommitBatch(ctx, b) })
	}
	if err != nil {
		return err
	}
	return in.judgeRejects(earlySample)
}

// retryTransient does what is a transaction, again when the database was away.
func (in *ingestion) retryTransient(ctx context.Context, do func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil || !isTransient(err) || try == tries {
			return err
		}
		in.opts.Log.WarnContext(ctx, "register run: database not to be had", "run", in.run.ID, "try", try, "error", err)
		if err := sleepContext(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
		pause = min(2*pause, longPause)
		in.reacquireLock(ctx)
	}
}

// isTransient reports whether a failure of the database may be over soon. A connection that ends in the middle of an answer is
// how a server that crashes looks.
func isTransient(err error) bool {
	return fault.Is(err, fault.Unavailable) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// reacquireLock takes the lock anew after the database was away, since the connection that held it may have died unnoticed.
// While it is not to be had, the batch number in the run's row still keeps a second ingestion from mixing with this one.
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

// tryCommitBatch writes a batch, in one transaction if it needs any. What it counted becomes the run's only when it committed.
func (in *ingestion) tryCommitBatch(ctx context.Context, b *batch) error {
	fate, unsure := in.classifyBySnapshot(b)
	if !unsure && !in.mustSave(b, fate) {
		in.run = in.runAfter(b, fate)
		return nil
	}
	var after Run
	var applied, saved bool
	err := in.db.InSystem(ctx, "acra batch", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if applied, err = in.claimCheckpoint(ctx, tx, b.number); err != nil || applied {
			return err
		}
		if fate, err = in.classifyByTable(ctx, tx, b); err != nil {
			return err
		}
		after = in.runAfter(b, fate)
		if saved = in.mustSave(b, fate); !saved {
			return nil
		}
		if err := writeRows(ctx, tx, b, fate); err != nil {
			return err
		}
		if err := saveRejects(ctx, tx, after.ID, b.rejects); err != nil {
			return err
		}
		return saveRun(ctx, tx, &after, checkpoint{Batch: b.number, At: b.at})
	})
	if err != nil {
		if saved {
			in.runIfCommitted = after // should the commit have gone through without our hearing of it
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
func (in *ingestion) mustSave(b *batch, f verdict) bool {
	return !in.opts.DryRun && (len(f.inserts)+len(f.updates)+len(b.rejects) > 0 || time.Since(in.savedAt) > saveEvery)
}

// saveEvery bounds how far the checkpoint may lag behind batches that had nothing to write. They are read again after a
// crash, which costs less than a flush to disk for each.
const saveEvery = 2 * time.Second

// claimCheckpoint locks the run's row. applied says that this batch is committed already: an earlier try got through although its
// answer was lost. Fault: Conflict when the run is not ours any more.
func (in *ingestion) claimCheckpoint(ctx context.Context, tx postgres.SystemTx, number int64) (applied bool, err error) {
	if in.opts.DryRun {
		_, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY`)
		return false, err
	}
	committed, err := lockRun(ctx, tx, in.run.ID)
	if err != nil {
		return false, err
	}
	if committed != number && committed != in.savedBatch {
		return false, takenOverError(in.run.ID)
	}
	return committed == number, nil
}

func takenOverError(run int64) error {
	return fault.New(fault.Conflict, "register run %d: taken over by another ingestion", run)
}

// verdict of the rows of a batch, by their numbers.
type verdict struct {
	inserts []int32 // into the table
	updates []int32 // to be published at the end
	counts  Counts
}

// What the table holds for a row of a batch.
type rowState uint8

const (
	sameRow    rowState = iota // the very same
	changedRow                 // another version
	absentRow                  // nothing
)

// classifyBySnapshot decides every row's fate by what was known when the run began. unsure lists the rows about which only the table can
// tell: those that the run itself may have written, above all.
func (in *ingestion) classifyBySnapshot(b *batch) (f verdict, unsure bool) {
	in.unsureRows = in.unsureRows[:0]
	in.rowStates = append(in.rowStates[:0], make([]rowState, len(b.rows))...)
	for i, r := range b.rows {
		if r.replaced || r.committed {
			continue
		}
		sure := false
		if !r.seenBefore {
			in.rowStates[i], sure = in.snapshot.stateOf(r, b.uenAt(i), b.hashAt(i))
		}
		if !sure {
			in.unsureRows = append(in.unsureRows, int32(i))
		}
	}
	return in.classifyRows(b), len(in.unsureRows) > 0
}

// classifyByTable asks the table about the rows that sort was unsure of, and decides anew.
func (in *ingestion) classifyByTable(ctx context.Context, tx postgres.SystemTx, b *batch) (verdict, error) {
	if err := in.compareWithTable(ctx, tx, b); err != nil {
		return verdict{}, err
	}
	return in.classifyRows(b), nil
}

func (in *ingestion) classifyRows(b *batch) verdict {
	f := verdict{counts: Counts{Read: b.read, Duplicates: b.dropped, Rejected: int64(len(b.rejects)), Filtered: b.skipped}}
	for i, r := range b.rows {
		if r.replaced || r.committed {
			continue
		}
		state, n := in.rowStates[i], int32(i)
		switch {
		case state == absentRow && r.wanted && !(r.seenBefore && in.opts.DryRun):
			f.inserts = append(f.inserts, n)
			f.counts.Inserted++
		case r.seenBefore:
			// Even when it is as the table has it: an earlier row of its UEN may wait in acra_pending, and the last one wins.
			if state != absentRow {
				f.updates = append(f.updates, n)
			}
			f.counts.Duplicates++
		case state == changedRow:
			f.updates = append(f.updates, n)
			f.counts.Updated++
		case !r.wanted:
			f.counts.Filtered++
		default:
			f.counts.Unchanged++
		}
	}
	return f
}

// compareSQL finds the rows that are new or differ. One probe of the key per row: a plan that reads the whole table would
// do so for every batch.
const compareSQL = `SELECT k.n::int, s.uen IS NOT NULL FROM unnest($1::text[], $2::bytea[], $3::int[]) AS k(uen, hash, n)
	LEFT JOIN staging_acra_companies s ON s.uen = k.uen WHERE s.row_hash IS DISTINCT FROM k.hash`

// compareWithTable asks the table about the rows numbered in in.ask.
func (in *ingestion) compareWithTable(ctx context.Context, tx postgres.SystemTx, b *batch) error {
	if len(in.unsureRows) == 0 {
		return nil
	}
	uens, hashes := make([]string, len(in.unsureRows)), make([][]byte, len(in.unsureRows))
	for i, n := range in.unsureRows {
		uens[i], hashes[i] = string(b.uenAt(int(n))), b.hashAt(int(n))
		in.rowStates[n] = sameRow
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off`); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, compareSQL, uens, hashes, in.unsureRows)
	if err != nil {
		return err
	}
	var n int32
	var exists bool
	_, err = pgx.ForEachRow(rows, []any{&n, &exists}, func() error {
		if in.rowStates[n] = absentRow; exists {
			in.rowStates[n] = changedRow
		}
		return nil
	})
	return err
}

// runAfter is the run as it stands once b is committed.
func (in *ingestion) runAfter(b *batch, f verdict) Run {
	run := in.run
	run.add(f.counts)
	run.At = b.at
	run.Detail.Seconds = in.secondsWorked()
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

// secondsWorked is how long the run was worked on, in seconds, by this call and those that it resumed.
func (in *ingestion) secondsWorked() float64 {
	return in.earlierSeconds + time.Since(in.startedAt).Seconds()
}

// writeRows puts a batch's rows where they belong.
func writeRows(ctx context.Context, tx postgres.SystemTx, b *batch, f verdict) error {
	for _, to := range []struct {
		table string
		rows  []int32
	}{{"staging_acra_companies", f.inserts}, {"acra_pending", f.updates}} {
		if len(to.rows) == 0 {
			continue
		}
		sql := fmt.Sprintf(`COPY %s (%s, row_hash, run_id) FROM STDIN`, to.table, b.layout.columnList(""))
		n, err := tx.CopyFrom(ctx, b.linesReader(to.rows), sql)
		if err == nil && n != int64(len(to.rows)) {
			err = fault.New(fault.Internal, "batch %d: %d rows sent to %s, %d taken", b.number, len(to.rows), to.table, n)
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
