package acra

import (
	"io"
)

// Limits of a batch. What a run holds in memory is three of them.
const (
	defaultBatch  = 25_000
	maxBatchBytes = 12 << 20
	maxRejects    = 2_000
	hashSize      = 16
)

// batch is rows on their way to the table: COPY text, and beside it what decides their fate.
type batch struct {
	number   int64 // from 1; the run's checkpoint holds that of the last one committed
	layout   *layout
	buf      []byte // one line of COPY text per row
	rows     []row
	uens     []byte // of all rows, one after the other
	hashes   []byte // hashSize bytes per row
	rejects  []Reject
	read     int64 // records met
	dropped  int64 // rows left out because a later one of this batch has the same UEN
	skipped  int64 // rows left out by their date
	warnings [numWarnings]int64
	at       Position
	done, of int64          // how far the source is
	index    map[string]int // rows by UEN; made when the first UEN comes twice
}

// row is one line in a batch.
type row struct {
	end      int  // of its line in buf
	uenEnd   int  // of its UEN in uens
	wanted   bool // its status is one that the run takes
	again    bool // an earlier batch had its UEN
	replaced bool // a later row of this batch has its UEN
}

func (b *batch) reset() {
	*b = batch{buf: b.buf[:0], rows: b.rows[:0], uens: b.uens[:0], hashes: b.hashes[:0], rejects: b.rejects[:0]}
}

func (b *batch) full(limit int) bool {
	return len(b.rows) >= limit || len(b.buf) >= maxBatchBytes || len(b.rejects) >= maxRejects
}

func (b *batch) uen(i int) []byte {
	if i == 0 {
		return b.uens[:b.rows[0].uenEnd]
	}
	return b.uens[b.rows[i-1].uenEnd:b.rows[i].uenEnd]
}

func (b *batch) hash(i int) []byte { return b.hashes[i*hashSize : (i+1)*hashSize] }

// replace leaves out the earlier row of the UEN that the newest row has, if this batch holds one. Of several rows with
// one UEN the last counts.
func (b *batch) replace() (again, found bool) {
	last := len(b.rows) - 1
	if b.index == nil {
		b.index = make(map[string]int, len(b.rows))
		for i := range last {
			b.index[string(b.uen(i))] = i
		}
	}
	i, found := b.index[string(b.uen(last))]
	if found {
		b.rows[i].replaced = true
		b.dropped++
		again = b.rows[i].again
	}
	return again, found
}

// lines reads the lines of the rows numbered by which, in order.
func (b *batch) lines(which []int32) io.Reader { return &lineReader{b: b, which: which} }

type lineReader struct {
	b     *batch
	which []int32
	rest  []byte
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.advance()
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// advance takes as many neighbouring lines as there are.
func (r *lineReader) advance() {
	if len(r.which) == 0 {
		return
	}
	first, n := r.which[0], 1
	for n < len(r.which) && r.which[n] == first+int32(n) {
		n++
	}
	start := 0
	if first > 0 {
		start = r.b.rows[first-1].end
	}
	r.rest = r.b.buf[start:r.b.rows[r.which[n-1]].end]
	r.which = r.which[n:]
}
