package acra

import (
	"context"
	"encoding/binary"
	"math/bits"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// tableSnapshot is the table's content when the run began, reduced to fit in memory: the UENs, and 64 bits of each
// row's hash. With it, an unchanged row needs no query. (The chance that a changed row has the 64 bits of another one
// is one in ten trillion for a whole register.)
type tableSnapshot struct {
	uens     *uenSet
	hashes   hashSet
	complete bool // it covers every row of the table
}

// maxSnapshot bounds memory: for a larger table, each row is looked up in the database.
const maxSnapshot = 4_000_000

// readSnapshot reads the whole table once, in a seventh of the time that a lookup for each row would take.
func readSnapshot(ctx context.Context, db *postgres.DB) (tableSnapshot, error) {
	k := tableSnapshot{uens: newUENSet()}
	err := db.InSystem(ctx, "acra begin", func(ctx context.Context, tx postgres.SystemTx) error {
		if _, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		var n int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM staging_acra_companies`).Scan(&n)
		if err != nil || n > maxSnapshot {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT uen, row_hash FROM staging_acra_companies`)
		if err != nil {
			return err
		}
		defer rows.Close()
		k.hashes = newHashSet(n + n/16 + 1024) // with capacity for rows that others insert meanwhile
		k.fillFrom(rows)
		return rows.Err()
	})
	return k, err
}

func (k *tableSnapshot) fillFrom(rows pgx.Rows) {
	k.complete = true
	for rows.Next() {
		values := rows.RawValues() // text and bytea, in binary format, are the plain bytes
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

// stateOf returns the table's state for a row that the run has not seen before. sure is false when the table must be
// asked.
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

// hashSet is a set of uniformly distributed 64-bit numbers, such as hashes.
type hashSet struct {
	slots []uint64 // 0 is an empty slot. A row whose hash is 0 is never found here, so the table is asked
	room  int      // number of further entries that fit
}

func newHashSet(n int) hashSet { return hashSet{slots: make([]uint64, n+n/3+1), room: n} }

// add puts x into the set. It returns false when the set is full.
func (h *hashSet) add(x uint64) bool {
	if h.room == 0 {
		return false
	}
	if s := h.findSlot(x); *s != x {
		*s = x
		h.room--
	}
	return true
}

func (h *hashSet) has(x uint64) bool { return x != 0 && len(h.slots) > 0 && *h.findSlot(x) == x }

// findSlot returns the slot that holds x, or the one where x belongs.
func (h *hashSet) findSlot(x uint64) *uint64 {
	i, _ := bits.Mul64(x, uint64(len(h.slots))) // maps the range of x to the range of indexes
	for {
		if s := &h.slots[i]; *s == 0 || *s == x {
			return s
		}
		if i++; i == uint64(len(h.slots)) {
			i = 0
		}
	}
}
