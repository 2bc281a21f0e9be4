package acra

import (
	"io"
)

// Limits of a batch.
const (
	defaultBatch  = 15_000
	maxBatchBytes = 8 << 20
	usualRow      = 360 // bytes of a typical row, as CSV or as COPY text, rounded up
	hashSize      = 16
)

// batch is a group of rows on the way to the table. The reader adds the records, a decoder turns them into rows, and
// the loader decides for each row whether it is written.
type batch struct {
	number      int64   // from 1; the run's checkpoint holds the number of the last committed batch
	part        string  // where the records come from
	layout      *layout // of that part
	at          Position
	done, total int64 // progress of the source
	raw         []byte
	records     []rawRecord
	decoded     chan struct{} // receives one value when the rows are decoded

	buf      []byte // one line of COPY text per row
	rows     []row
	uens     []byte // UENs of all rows, concatenated
	hashes   []byte // hashSize bytes per row
	rejects  []Reject
	read     int64 // records, without those that the resumed run had committed
	skipped  int64 // rows left out because of their date
	warnings [numWarnings]int64
	doubt    string // why the part may have ended early; only in its last batch

	dropped int64          // rows left out because a later row of this batch has the same UEN
	index   map[string]int // rows by UEN; created when a UEN is seen for the second time
}

// rawRecord is one record in batch.raw.
type rawRecord struct {
	end       int
	line      int64
	reason    string // why the record cannot be a row; "" when it may be one
	committed bool   // committed before the run was resumed: only its UEN is used
}

// row is one line in batch.buf.
type row struct {
	end        int // offset in buf where its line ends
	uenEnd     int // offset in uens where its UEN ends
	kind       uenKind
	letterOK   bool // the check letter of its UEN is right
	committed  bool // see rawRecord; the row has no line
	wanted     bool // the run takes its status
	seenBefore bool // an earlier batch had its UEN
	replaced   bool // a later row of this batch has its UEN
}

// newBatch returns a batch with capacity for size typical rows, so that filling it copies nothing.
func newBatch(size int) *batch {
	room := min(size*usualRow, maxBatchBytes+maxRecord)
	return &batch{
		raw: make([]byte, 0, room), records: make([]rawRecord, 0, size),
		buf: make([]byte, 0, room), rows: make([]row, 0, size),
		uens: make([]byte, 0, 10*size), hashes: make([]byte, 0, hashSize*size),
		decoded: make(chan struct{}, 1),
	}
}

func (b *batch) reset(number int64, part string, l *layout) {
	*b = batch{number: number, part: part, layout: l, raw: b.raw[:0], records: b.records[:0], decoded: b.decoded,
		buf: b.buf[:0], rows: b.rows[:0], uens: b.uens[:0], hashes: b.hashes[:0], rejects: b.rejects[:0]}
}

// isFull reports whether the batch must be flushed. A batch that is not full has capacity for one more record.
func (b *batch) isFull(size int) bool { return len(b.records) >= size || len(b.raw) >= maxBatchBytes }

func (b *batch) uenAt(i int) []byte { return b.uens[b.uenStart(i):b.rows[i].uenEnd] }

func (b *batch) uenStart(i int) int {
	if i == 0 {
		return 0
	}
	return b.rows[i-1].uenEnd
}

func (b *batch) hashAt(i int) []byte { return b.hashes[i*hashSize : (i+1)*hashSize] }

// markSeen marks the rows whose UEN the run or this batch has seen before. Of several rows with one UEN the last one
// counts.
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

// linesReader returns a reader of the lines of the given rows, in order.
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

// takeAdjacent moves the next run of adjacent lines into rest.
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
