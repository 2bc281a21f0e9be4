package acra

import (
	"context"
	"encoding/binary"
	"math/bits"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// tableSnapshot is what the table held when the run began, small enough to keep: its UENs, and of each row 64 bits of its hash.
// With it a row that is as it was costs no question to the database. (That two different rows share those 64 bits has a
// chance of one in ten trillion for a whole register.)
type tableSnapshot struct {
	uens     *uenSet
	hashes   hashSet
	complete bool // everything the table held is in here
}

// maxSnapshot bounds the memory: beyond it the database is asked about every row.
const maxSnapshot = 4_000_000

// readSnapshot reads the table once from end to end, in a seventh of the time that asking about each row would take.
func readSnapshot(ctx context.Context, db *postgres.DB) (tableSnapshot, error) {
	k := tableSnapshot{uens: newUENSet()}
	err := db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		if _, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM staging_acra_companies`).Scan(&n); err != nil || n > maxSnapshot {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT uen, row_hash FROM staging_acra_companies`)
		if err != nil {
			return err
		}
		defer rows.Close()
		k.hashes = newHashSet(n + n/16 + 1024) // others may write to the table as well
		k.fillFrom(rows)
		return rows.Err()
	})
	return k, err
}

func (k *tableSnapshot) fillFrom(rows pgx.Rows) {
	k.complete = true
	for rows.Next() {
		values := rows.RawValues() // text and bytea are sent as they are
		uen, hash := values[0], values[1]
		if kind := shapeOf(uen); kind != uenNone {
			k.uens.add(kind, uen, checkLetter(kind, uen) == uen[len(uen)-1])
		}
		if len(hash) == hashSize {
			k.complete = k.hashes.add(binary.LittleEndian.Uint64(hash)) && k.complete
		}
	}
	k.complete = k.complete && !k.uens.full
}

// stateOf says what the table holds for a row that the run has not met before. sure is false when only the table can tell.
func (k *tableSnapshot) stateOf(r row, uen, hash []byte) (h rowState, sure bool) {
	switch {
	case !k.complete:
		return absentRow, false
	case k.hashes.has(binary.LittleEndian.Uint64(hash)):
		return sameRow, true
	case k.uens.hasKey(r.kind, uen, r.letterOK):
		return changedRow, true
	}
	return absentRow, true
}

// hashSet is a set of 64-bit numbers that are evenly spread, as hashes are.
type hashSet struct {
	slots []uint64 // 0 is empty, and stands for 0 too: a row that has it is asked about
	room  int      // for so many more
}

func newHashSet(n int) hashSet { return hashSet{slots: make([]uint64, n+n/3+1), room: n} }

// add puts x into the set; false when there is no room for it.
func (p *hashSet) add(x uint64) bool {
	if p.room == 0 {
		return false
	}
	if s := p.findSlot(x); *s != x {
		*s = x
		p.room--
	}
	return true
}

func (p *hashSet) has(x uint64) bool { return x != 0 && len(p.slots) > 0 && *p.findSlot(x) == x }

// findSlot is where x is, or would be put.
func (p *hashSet) findSlot(x uint64) *uint64 {
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
