package acra

import (
	"context"
	"encoding/binary"
	"math/bits"

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
	k := known{uens: newSeen()}
	err := db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		if _, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM staging_acra_companies`).Scan(&n); err != nil || n > maxKnown {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT uen, row_hash FROM staging_acra_companies`)
		if err != nil {
			return err
		}
		defer rows.Close()
		k.rows = newPrints(n + n/16 + 1024) // others may write to the table as well
		k.fill(rows)
		return rows.Err()
	})
	return k, err
}

func (k *known) fill(rows pgx.Rows) {
	k.whole = true
	for rows.Next() {
		values := rows.RawValues() // text and bytea are sent as they are
		uen, hash := values[0], values[1]
		if kind := shapeOf(uen); kind != uenNone {
			k.uens.add(kind, uen, checkLetter(kind, uen) == uen[len(uen)-1])
		}
		if len(hash) == hashSize {
			k.whole = k.rows.add(binary.LittleEndian.Uint64(hash)) && k.whole
		}
	}
	k.whole = k.whole && !k.uens.full
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

// prints is a set of 64-bit numbers that are evenly spread, as hashes are.
type prints struct {
	slots []uint64 // 0 is empty, and stands for 0 too: a row that has it is asked about
	room  int      // for so many more
}

func newPrints(n int) prints { return prints{slots: make([]uint64, n+n/3+1), room: n} }

// add puts x into the set; false when there is no room for it.
func (p *prints) add(x uint64) bool {
	if p.room == 0 {
		return false
	}
	if s := p.slot(x); *s != x {
		*s = x
		p.room--
	}
	return true
}

func (p *prints) has(x uint64) bool { return x != 0 && len(p.slots) > 0 && *p.slot(x) == x }

// slot is where x is, or would be put.
func (p *prints) slot(x uint64) *uint64 {
	i, _ := bits.Mul64(x, uint64(len(p.slots))) // x's share of the whole range
	for {
		if s := &p.slots[i]; *s == 0 || *s == x {
			return s
		}
		if i++; i == uint64(len(p.slots)) {
			i = 0
		}
	}
}
