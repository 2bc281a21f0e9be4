package acra

import (
	"context"
	"errors"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// reader splits a source into batches of records, in order. It is the first of three stages: reading (one goroutine),
// decoding (several goroutines, one batch each) and loading (one goroutine, in the order of the source).
type reader struct {
	stream stream
	from   Position // the resumed run has committed the records up to here
	limit  int64    // number of records to read; 0 means all
	size   int      // records per batch
	number int64    // of the latest batch
	read   int64
	// vouched reports that the operator says that the source is whole.
	vouched bool
	columns map[string]string // see ParseColumns
	at      Position          // after the latest record that was read to its end

	free   <-chan *batch
	decode chan<- *batch // to any free decoder
	order  chan<- *batch // to the loader, in the order of the source
	layout *layout
	b      *batch
}

// errLimit ends the reading at the run's limit.
var errLimit = errors.New("limit reached")

// readSource reads to the end. When the source fails, the records read before are still flushed.
func (r *reader) readSource(ctx context.Context) error {
	for {
		p, err := r.stream.nextPart(ctx)
		if errors.Is(err, errEnd) {
			return nil
		}
		if err != nil {
			return err
		}
		err = r.readPart(ctx, p)
		_ = p.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if flushed := r.flushBatch(ctx); flushed != nil {
			return flushed
		}
		if errors.Is(err, errLimit) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) readPart(ctx context.Context, p part) error {
	if err := r.useHeader(p); err != nil {
		return err
	}
	for rows := int64(0); ; rows++ {
		rec, err := p.readRecord(ctx)
		if errors.Is(err, errEnd) {
			return r.endPart(ctx, p, rows)
		}
		if err != nil {
			return err
		}
		rec.end.Index, rec.end.Version = p.partIndex(), p.releaseVersion()
		if rec.unended && p.endDoubt(ctx, rows+1, r.vouched) != "" {
			rec.reason, rec.end = "cut off: the source ends within this line", r.at
		}
		r.at = rec.end
		passed, err := r.isCommitted(p, rec)
		if err != nil {
			return err
		}
		if err := r.addRecord(ctx, p, rec, passed); err != nil {
			return err
		}
	}
}

// endPart puts the doubt about a part's end, if there is one, into the part's last batch.
func (r *reader) endPart(ctx context.Context, p part, rows int64) error {
	doubt := p.endDoubt(ctx, rows, r.vouched)
	if doubt == "" || ctx.Err() != nil {
		return ctx.Err()
	}
	b, err := r.openBatch(ctx, p)
	if err == nil {
		b.doubt, b.at = doubt, r.at
	}
	return err
}

// openBatch returns the current batch, a new one if there is none.
func (r *reader) openBatch(ctx context.Context, p part) (*batch, error) {
	if r.b == nil {
		select {
		case r.b = <-r.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r.number++
		r.b.reset(r.number, p.partName(), r.layout)
	}
	return r.b, nil
}

// addRecord adds a record to the current batch.
func (r *reader) addRecord(ctx context.Context, p part, rec record, passed bool) error {
	b, err := r.openBatch(ctx, p)
	if err != nil {
		return err
	}
	b.raw = append(b.raw, rec.raw...)
	b.records = append(b.records, rawRecord{end: len(b.raw), line: rec.line, reason: rec.reason, committed: passed})
	b.at = rec.end
	if !passed {
		b.read++
		if r.read++; r.read == r.limit {
			return errLimit
		}
	}
	if b.isFull(r.size) {
		return r.flushBatch(ctx)
	}
	return nil
}

// flushBatch sends the current batch to a decoder and to the loader.
func (r *reader) flushBatch(ctx context.Context) error {
	b := r.b
	if b == nil {
		return nil
	}
	r.b = nil
	b.done, b.total = r.stream.progress()
	for _, to := range []chan<- *batch{r.decode, r.order} {
		select {
		case to <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// useHeader maps the part's columns. Every part of a run must have the same columns, since an update leaves missing
// columns unchanged.
func (r *reader) useHeader(p part) error {
	l, err := newLayout(p.partName(), p.header(), r.columns)
	if err != nil {
		return err
	}
	if r.layout != nil && strings.Join(l.missing, " ") != strings.Join(r.layout.missing, " ") {
		return fault.New(fault.Unprocessable, "%s: other columns than in the part before: missing %q",
			p.partName(), l.missing)
	}
	if l.unknown == nil && r.layout != nil {
		l.unknown = r.layout.unknown
	}
	l.separator = p.fieldSeparator()
	r.layout = l
	p.setWidth(l.width)
	return nil
}

// isCommitted reports whether the resumed run has already committed a record. Fault: Conflict when the source is not
// the one that the run read before.
func (r *reader) isCommitted(p part, rec record) (bool, error) {
	end := rec.end
	if r.from.Part == "" || !p.rereadsCommitted() ||
		end.Index > r.from.Index || end.Index == r.from.Index && end.Line > r.from.Line {
		return false, nil
	}
	if end.Index == r.from.Index && end.Line == r.from.Line && (end.CRC != r.from.CRC || end.Part != r.from.Part) {
		return true, fault.New(fault.Conflict, "%s: differs from the source that the run began with (line %d)",
			p.partName(), end.Line).WithHint("use the same file, or start a new run without --resume")
	}
	return true, nil
}
