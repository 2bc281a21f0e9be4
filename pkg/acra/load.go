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

// apply commits one batch, however often that takes.
func (in *ingestion) apply(ctx context.Context, b *batch) error {
	err := in.persist(ctx, func() error { return in.applyOnce(ctx, b) })
	if fault.Is(err, fault.Conflict) && in.known.whole {
		in.known = known{} // somebody else writes to the table as well: ask it about every row from now on
		err = in.persist(ctx, func() error { return in.applyOnce(ctx, b) })
	}
	if err != nil {
		return err
	}
	return in.judgeRejects(earlySample)
}

// persist does what is a transaction, again when the database was away.
func (in *ingestion) persist(ctx context.Context, do func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil || !passing(err) || try == tries {
			return err
		}
		in.opts.Log.WarnContext(ctx, "register run: database not to be had", "run", in.run.ID, "try", try, "error", err)
		if err := wait(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
		pause = min(2*pause, longPause)
		in.lockAgain(ctx)
	}
}

// passing reports whether a failure of the database may be over soon. A connection that ends in the middle of an answer is
// how a server that crashes looks.
func passing(err error) bool {
	return fault.Is(err, fault.Unavailable) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// lockAgain takes the lock anew after the database was away, since the connection that held it may have died unnoticed.
// While it is not to be had, the batch number in the run's row still keeps a second ingestion from mixing with this one.
func (in *ingestion) lockAgain(ctx context.Context) {
	if in.opts.DryRun {
		return
	}
	in.release()
	in.release = func() {}
	if release, ok, err := in.db.Lock(ctx, lockClass, lockObject); err == nil && ok {
		in.release = release
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// applyOnce writes a batch, in one transaction if it needs any. What it counted becomes the run's only when it committed.
func (in *ingestion) applyOnce(ctx context.Context, b *batch) error {
	fate, unsure := in.sort(b)
	if !unsure && !in.due(b, fate) {
		in.run = in.after(b, fate)
		return nil
	}
	var after Run
	var applied, saved bool
	err := in.db.InSystem(ctx, "acra batch", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if applied, err = in.enter(ctx, tx, b.number); err != nil || applied {
			return err
		}
		if fate, err = in.settle(ctx, tx, b); err != nil {
			return err
		}
		after = in.after(b, fate)
		if saved = in.due(b, fate); !saved {
			return nil
		}
		if err := write(ctx, tx, b, fate); err != nil {
			return err
		}
		if err := saveRejects(ctx, tx, after.ID, b.rejects); err != nil {
			return err
		}
		return saveRun(ctx, tx, &after, checkpoint{Batch: b.number, At: b.at})
	})
	if err != nil {
		if saved {
			in.next = after // should the commit have gone through without our hearing of it
		}
		return err
	}
	if applied {
		after = in.next
	}
	if in.run = after; applied || saved {
		in.saved, in.savedAt = b.number, time.Now()
	}
	return nil
}

// due reports whether a batch must be saved now.
func (in *ingestion) due(b *batch, f fate) bool {
	return !in.opts.DryRun && (len(f.fresh)+len(f.changed)+len(b.rejects) > 0 || time.Since(in.savedAt) > saveEvery)
}

// saveEvery bounds how far the checkpoint may lag behind batches that had nothing to write. They are read again after a
// crash, which costs less than a flush to disk for each.
const saveEvery = 2 * time.Second

// enter locks the run's row. applied says that this batch is committed already: an earlier try got through although its
// answer was lost. Fault: Conflict when the run is not ours any more.
func (in *ingestion) enter(ctx context.Context, tx postgres.SystemTx, number int64) (applied bool, err error) {
	if in.opts.DryRun {
		_, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY`)
		return false, err
	}
	committed, err := lockRun(ctx, tx, in.run.ID)
	if err != nil {
		return false, err
	}
	if committed != number && committed != in.saved {
		return false, takenOver(in.run.ID)
	}
	return committed == number, nil
}

func takenOver(run int64) error {
	return fault.New(fault.Conflict, "register run %d: taken over by another ingestion", run)
}

// fate of the rows of a batch, by their numbers.
type fate struct {
	fresh   []int32 // into the table
	changed []int32 // to be published at the end
	counts  Counts
}

// What the table holds for a row of a batch.
type held uint8

const (
	sameRow   held = iota // the very same
	otherRow              // another version
	absentRow             // nothing
)

// sort decides every row's fate by what was known when the run began. unsure lists the rows about which only the table can
// tell: those that the run itself may have written, above all.
func (in *ingestion) sort(b *batch) (f fate, unsure bool) {
	in.ask = in.ask[:0]
	in.held = append(in.held[:0], make([]held, len(b.rows))...)
	for i, r := range b.rows {
		if r.replaced || r.passed {
			continue
		}
		sure := false
		if !r.again {
			in.held[i], sure = in.known.held(r, b.uen(i), b.hash(i))
		}
		if !sure {
			in.ask = append(in.ask, int32(i))
		}
	}
	return in.decide(b), len(in.ask) > 0
}

// settle asks the table about the rows that sort was unsure of, and decides anew.
func (in *ingestion) settle(ctx context.Context, tx postgres.SystemTx, b *batch) (fate, error) {
	if err := in.compare(ctx, tx, b); err != nil {
		return fate{}, err
	}
	return in.decide(b), nil
}

func (in *ingestion) decide(b *batch) fate {
	f := fate{counts: Counts{Read: b.read, Duplicates: b.dropped, Rejected: int64(len(b.rejects)), Filtered: b.skipped}}
	for i, r := range b.rows {
		if r.replaced || r.passed {
			continue
		}
		state, n := in.held[i], int32(i)
		switch {
		case state == absentRow && r.wanted && !(r.again && in.opts.DryRun):
			f.fresh = append(f.fresh, n)
			f.counts.Inserted++
		case r.again:
			// Even when it is as the table has it: an earlier row of its UEN may wait in acra_pending, and the last one wins.
			if state != absentRow {
				f.changed = append(f.changed, n)
			}
			f.counts.Duplicates++
		case state == otherRow:
			f.changed = append(f.changed, n)
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

// compare asks the table about the rows numbered in in.ask.
func (in *ingestion) compare(ctx context.Context, tx postgres.SystemTx, b *batch) error {
	if len(in.ask) == 0 {
		return nil
	}
	uens, hashes := make([]string, len(in.ask)), make([][]byte, len(in.ask))
	for i, n := range in.ask {
		uens[i], hashes[i] = string(b.uen(int(n))), b.hash(int(n))
		in.held[n] = sameRow
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off`); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, compareSQL, uens, hashes, in.ask)
	if err != nil {
		return err
	}
	var n int32
	var exists bool
	_, err = pgx.ForEachRow(rows, []any{&n, &exists}, func() error {
		if in.held[n] = absentRow; exists {
			in.held[n] = otherRow
		}
		return nil
	})
	return err
}

// after is the run as it stands once b is committed.
func (in *ingestion) after(b *batch, f fate) Run {
	run := in.run
	run.add(f.counts)
	run.At = b.at
	run.Detail.Seconds = in.worked()
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

// worked is how long the run was worked on, in seconds, by this call and those that it resumed.
func (in *ingestion) worked() float64 { return in.before + time.Since(in.began).Seconds() }

// write puts a batch's rows where they belong.
func write(ctx context.Context, tx postgres.SystemTx, b *batch, f fate) error {
	for _, to := range []struct {
		table string
		rows  []int32
	}{{"staging_acra_companies", f.fresh}, {"acra_pending", f.changed}} {
		if len(to.rows) == 0 {
			continue
		}
		sql := fmt.Sprintf(`COPY %s (%s, row_hash, run_id) FROM STDIN`, to.table, b.layout.columnList(""))
		n, err := tx.CopyFrom(ctx, b.lines(to.rows), sql)
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
