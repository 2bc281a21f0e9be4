package acra

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// verdict tells where the rows of a batch go. Rows are numbered by their index in the batch.
type verdict struct {
	inserts []int32 // go into the table at once
	updates []int32 // wait in acra_pending until the run is published
	counts  Counts
}

// rowState tells what the table holds for a row of a batch.
type rowState uint8

const (
	sameRow    rowState = iota // the same row
	changedRow                 // a row with the same UEN and another hash
	absentRow                  // no row with this UEN
)

// classifyBySnapshot classifies the batch's rows by the snapshot from the start of the run. unsure is true when some
// rows need a lookup in the table, above all rows that the run itself may have written.
func (in *ingestion) classifyBySnapshot(b *batch) (v verdict, unsure bool) {
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

// classifyByTable looks up the rows that classifyBySnapshot was unsure of, and classifies the batch again.
func (in *ingestion) classifyByTable(ctx context.Context, tx postgres.SystemTx, b *batch) (verdict, error) {
	if err := in.compareWithTable(ctx, tx, b); err != nil {
		return verdict{}, err
	}
	return in.classifyRows(b), nil
}

func (in *ingestion) classifyRows(b *batch) verdict {
	v := verdict{counts: Counts{
		Read: b.read, Duplicates: b.dropped, Rejected: int64(len(b.rejects)), Filtered: b.skipped}}
	for i, r := range b.rows {
		if !r.replaced && !r.committed {
			in.classifyRow(&v, int32(i), r)
		}
	}
	return v
}

// classifyRow adds row r, with index n in its batch, to the verdict.
func (in *ingestion) classifyRow(v *verdict, n int32, r row) {
	state := in.rowStates[n]
	switch {
	case state == absentRow && r.wanted && !(r.seenBefore && in.opts.DryRun):
		v.inserts = append(v.inserts, n)
		v.counts.Inserted++
	case r.seenBefore:
		// Also when the table has the same row: an earlier row of this UEN may wait in acra_pending, and the last wins.
		if state != absentRow {
			v.updates = append(v.updates, n)
		}
		v.counts.Duplicates++
	case state == changedRow:
		v.updates = append(v.updates, n)
		v.counts.Updated++
	case !r.wanted:
		v.counts.Filtered++
	default:
		v.counts.Unchanged++
	}
}

// compareSQL finds the rows that are new or differ. It must probe the primary key once per row: other plans read the
// whole table for every batch.
const compareSQL = `SELECT k.n::int, s.uen IS NOT NULL
	FROM unnest($1::text[], $2::bytea[], $3::int[]) AS k(uen, hash, n)
	LEFT JOIN staging_acra_companies s ON s.uen = k.uen WHERE s.row_hash IS DISTINCT FROM k.hash`

// compareWithTable sets rowStates for in.unsureRows from the table.
func (in *ingestion) compareWithTable(ctx context.Context, tx postgres.SystemTx, b *batch) error {
	if len(in.unsureRows) == 0 {
		return nil
	}
	uens, hashes := make([]string, len(in.unsureRows)), make([][]byte, len(in.unsureRows))
	for i, n := range in.unsureRows {
		uens[i], hashes[i] = string(b.uenAt(int(n))), b.hashAt(int(n))
		in.rowStates[n] = sameRow
	}
	const probeKeys = `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
		SET LOCAL enable_seqscan = off`
	if _, err := tx.Exec(ctx, probeKeys); err != nil {
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
