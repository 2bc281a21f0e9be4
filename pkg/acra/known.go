package acra

import (
	"context"
	"encoding/binary"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// known is what the table held when the run began, small enough to keep: its UENs, and of each row 64 bits of its hash.
// With it a row that is as it was costs no question to the database. (That two different rows share those 64 bits has a
// chance of one in ten trillion for a whole register.)
type known struct {
	uens  *seen
	rows  prints
	whole bool // everything the table held is in here
}

// maxKnown bounds the memory: beyond it the database is asked about every row.
const maxKnown = 4_000_000

// readKnown reads the table once from end to end, in a seventh of the time that asking about each row would take.
func readKnown(ctx context.Context, db *postgres.DB) (known, error) {
	k := known{uens: newSeen(), whole: true}
	err := db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		if _, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT uen, row_hash FROM staging_acra_companies LIMIT $1`, maxKnown+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		k.fill(rows)
		return rows.Err()
	})
	return k, err
}

func (k *known) fill(rows pgx.Rows) {
	for n := 0; rows.Next(); n++ {
		if n == maxKnown {
			*k = known{}
			return
		}
		values := rows.RawValues() // text and bytea are sent as they are
		uen, hash := values[0], values[1]
		if kind := shapeOf(uen); kind != uenNone {
			k.uens.add(kind, uen, checkLetter(kind, uen) == uen[len(uen)-1])
		}
		if len(hash) == hashSize {
			k.rows.add(binary.LittleEndian.Uint64(hash))
		}
	}
	k.whole = !k.uens.full
}

// held says what the table holds for a row that the run has not met before. sure is false when only the table can tell.
func (k *known) held(r row, uen, hash []byte) (h held, sure bool) {
	switch {
	case !k.whole:
		return absentRow, false
	case k.rows.has(binary.LittleEndian.Uint64(hash)):
		return sameRow, true
	case k.uens.hasKey(r.kind, uen, r.checked):
		return otherRow, true
	}
	return absentRow, true
}

// prints is a set of 64-bit numbers that are evenly spread, as hashes are. It grows in small steps, so that growing never
// needs much more than the set itself.
type prints struct {
	tables [256]printTable // by the lowest byte
}

type printTable struct {
	slots []uint64 // 0 is empty; a power of two of them
	n     int
	zero  bool // 0 is in the set
}

func (p *prints) add(x uint64) { p.tables[x&255].add(x) }

func (p *prints) has(x uint64) bool { return p.tables[x&255].has(x) }

func (t *printTable) add(x uint64) {
	if x == 0 {
		t.zero = true
		return
	}
	if 4*t.n >= 3*len(t.slots) {
		old := t.slots
		t.slots = make([]uint64, max(64, 2*len(old)))
		for _, y := range old {
			if y != 0 {
				*t.slot(y) = y
			}
		}
	}
	if s := t.slot(x); *s == 0 {
		*s = x
		t.n++
	}
}

func (t *printTable) has(x uint64) bool {
	if x == 0 || t.n == 0 {
		return x == 0 && t.zero
	}
	return *t.slot(x) == x
}

// slot is where x is, or would be put.
func (t *printTable) slot(x uint64) *uint64 {
	mask := uint64(len(t.slots) - 1)
	for i := x >> 8 & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; *s == 0 || *s == x {
			return s
		}
	}
}
