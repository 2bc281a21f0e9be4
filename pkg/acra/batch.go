package acra

import (
	"io"
)

// Limits of a batch.
const (
	defaultBatch  = 15_000
	maxBatchBytes = 8 << 20
	usualRow      = 360 // bytes of a row, as CSV or as COPY text, rounded up
	hashSize      = 16
)

// batch is rows on their way to the table. The reader fills in the records, a decoder makes rows of them, the loader
// decides what becomes of each.
type batch struct {
	number      int64   // from 1; the run's checkpoint holds that of the last one committed
	part        string  // where the records are from
	layout      *layout // of that part
	at          Position
	done, total int64 // how far the source is
	raw         []byte
	records     []rawRecord
	decoded     chan struct{} // one value, once the rows are made

	buf      []byte // one line of COPY text per row
	rows     []row
	uens     []byte // of all rows, one after the other
	hashes   []byte // hashSize bytes per row
	rejects  []Reject
	read     int64 // records but for those that the resumed run had committed
	skipped  int64 // rows left out by their date
	warnings [numWarnings]int64

	dropped int64          // rows left out because a later one of this batch has the same UEN
	index   map[string]int // rows by UEN; made when the first UEN comes twice
}

// rawRecord is a record in a batch's raw.
type rawRecord struct {
	end       int
	line      int64
	reason    string
	committed bool // committed before the run was resumed: only its UEN is of interest
}

// row is one line in a batch's buf.
type row struct {
	end        int // of its line in buf
	uenEnd     int // of its UEN in uens
	kind       uenKind
	letterOK   bool // its UEN's check letter is right
	committed  bool // see rawRecord; it has no line
	wanted     bool // its status is one that the run takes
	seenBefore bool // an earlier batch had its UEN
	replaced   bool // a later row of this batch has its UEN
}

// newBatch has room for size usual rows, so that filling it copies nothing.
func newBatch(size int) *batch {
	room := min(size*usualRow, maxBatchBytes+maxRecord)
	return &batch{raw: make([]byte, 0, room), records: make([]rawRecord, 0, size), buf: make([]byte, 0, room), rows: make([]row, 0, size),
		uens: make([]byte, 0, 10*size), hashes: make([]byte, 0, hashSize*size), decoded: make(chan struct{}, 1)}
}

func (b *batch) reset(number int64, part string, l *layout) {
	*b = batch{number: number, part: part, layout: l, raw: b.raw[:0], records: b.records[:0], decoded: b.decoded,
		buf: b.buf[:0], rows: b.rows[:0], uens: b.uens[:0], hashes: b.hashes[:0], rejects: b.rejects[:0]}
}

// isFull leaves room for one more record.
func (b *batch) isFull(size int) bool { return len(b.records) >= size || len(b.raw) >= maxBatchBytes }

func (b *batch) uenAt(i int) []byte { return b.uens[b.uenStart(i):b.rows[i].uenEnd] }

func (b *batch) uenStart(i int) int {
	if i == 0 {
		return 0
	}
	return b.rows[i-1].uenEnd
}

func (b *batch) hashAt(i int) []byte { return b.hashes[i*hashSize : (i+1)*hashSize] }

// markSeen marks the rows whose UEN the run, or the batch itself, has met before. Of several rows with one UEN the last counts.
func (b *batch) markSeen(s *uenSet) {
	for i, r := range b.rows {
		before := s.add(r.kind, b.uenAt(i), r.letterOK)
		if before && !r.committed && b.index == nil {
			b.index = make(map[string]int, len(b.rows))
			for j := range i {
				b.indexRow(j)
			}
		}
		if before && !r.committed {
			b.replaceEarlier(i)
		}
		if b.index != nil {
			b.indexRow(i)
		}
	}
}

func (b *batch) indexRow(i int) {
	if !b.rows[i].committed {
		b.index[string(b.uenAt(i))] = i
	}
}

func (b *batch) replaceEarlier(i int) {
	earlier, here := b.index[string(b.uenAt(i))]
	if b.rows[i].seenBefore = !here; here {
		b.rows[i].seenBefore = b.rows[earlier].seenBefore
		b.rows[earlier].replaced = true
		b.dropped++
	}
}

// linesReader reads the lines of the rows numbered by which, in order.
func (b *batch) linesReader(which []int32) io.Reader { return &lineReader{b: b, which: which} }

type lineReader struct {
	b     *batch
	which []int32
	rest  []byte
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.takeAdjacent()
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// takeAdjacent takes as many neighbouring lines as there are.
func (r *lineReader) takeAdjacent() {
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
