package acra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/leadctl/leadctl/pkg/fault"
)

// maxRaw bounds the text that a refused row is kept with.
const maxRaw = 2048

// decoder turns a source's records into batches. It runs beside the loader and owns everything it touches.
type decoder struct {
	stream stream
	want   filter
	layout *layout
	seen   *seen
	from   Position // rows up to here are committed by the run that is resumed
	runID  []byte   // as text: each line ends in it
	limit  int64    // records to read, 0 for all
	size   int      // rows per batch
	number int64    // of the next batch
	read   int64

	b       *batch
	classes [256]uint8
	names   []string
	line    []byte // the row being made
	scratch [2][]byte
	warned  [numWarnings]bool
}

func newDecoder(s stream, want filter, met *seen, run int64) *decoder {
	return &decoder{stream: s, want: want, seen: met, runID: strconv.AppendInt(nil, run, 10), size: defaultBatch,
		classes: byteClasses(), names: Columns()}
}

// errLimit ends the reading when the run's limit is reached.
var errLimit = errors.New("limit reached")

// run reads everything into batches taken from free and sends them to full.
func (d *decoder) run(ctx context.Context, free <-chan *batch, full chan<- *batch) error {
	flush := func() error {
		select {
		case full <- d.b:
		case <-ctx.Done():
			return ctx.Err()
		}
		d.b = nil
		return nil
	}
	for {
		p, err := d.stream.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = d.part(ctx, p, free, flush)
		_ = p.close()
		if d.b != nil && ctx.Err() == nil { // also when the source failed: what it gave is kept
			if err := flush(); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case errLimit:
			return nil
		default:
			return err
		}
	}
}

func (d *decoder) part(ctx context.Context, p part, free <-chan *batch, flush func() error) error {
	if err := d.useHeader(p); err != nil {
		return err
	}
	for {
		rec, err := p.read(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		rec.end.Index, rec.end.Version = p.index(), p.version()
		if passed, err := d.pass(p, rec); passed || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if d.b == nil {
			if err := d.take(ctx, free); err != nil {
				return err
			}
		}
		d.record(p.name(), rec)
		if d.read++; d.read == d.limit {
			return errLimit
		}
		if d.b.full(d.size) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// take waits for a batch to fill.
func (d *decoder) take(ctx context.Context, free <-chan *batch) error {
	select {
	case d.b = <-free:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.b.reset()
	d.number++
	d.b.number, d.b.layout = d.number, d.layout
	return nil
}

// useHeader reads where the columns are. Every part of a run must have the same columns: which ones were missing decides
// what an update leaves alone.
func (d *decoder) useHeader(p part) error {
	l, err := newLayout(p.name(), p.header())
	if err != nil {
		return err
	}
	if d.layout != nil && strings.Join(l.missing, " ") != strings.Join(d.layout.missing, " ") {
		return fault.New(fault.Unprocessable, "%s: columns other than those before it: missing %q", p.name(), l.missing)
	}
	if l.unknown == nil && d.layout != nil {
		l.unknown = d.layout.unknown
	}
	d.layout = l
	p.setWidth(l.width)
	return nil
}

// pass goes over a record that the resumed run has committed already. It only remembers its UEN.
func (d *decoder) pass(p part, rec record) (bool, error) {
	end := rec.end
	if d.from.Part == "" || !p.replays() || end.Index > d.from.Index || end.Index == d.from.Index && end.Line > d.from.Line {
		return false, nil
	}
	if end.Index == d.from.Index && end.Line == d.from.Line && (end.CRC != d.from.CRC || end.Part != d.from.Part) {
		return true, fault.New(fault.Conflict, "%s: not what the run began with (line %d)", p.name(), end.Line).
			WithHint("give the same file, or start a new run without --resume")
	}
	if rec.broken == "" {
		u := bytes.ToUpper(trimmed(rec.fields[d.layout.fields[colUEN]]))
		if kind := shapeOf(u); kind != uenNone {
			d.seen.add(kind, u, checkLetter(kind, u) == u[len(u)-1])
		}
	}
	return true, nil
}

// record makes one record a row of the batch or a reject.
func (d *decoder) record(part string, rec record) {
	d.b.read++
	d.b.at = rec.end
	d.b.done, d.b.of = d.stream.progress()
	if rec.broken != "" {
		d.reject(part, rec, rec.broken)
		return
	}
	d.warned = [numWarnings]bool{}
	kind, uen, reason := d.uen(rec.fields[d.layout.fields[colUEN]])
	if reason == "" {
		reason = d.encode(rec.fields, uen)
	}
	if reason != "" {
		d.reject(part, rec, reason)
		return
	}
	if !d.want.date(d.cell(rec.fields, colRegistered), d.cell(rec.fields, colIssued)) {
		d.b.skipped++
		return
	}
	for w, yes := range d.warned {
		if yes {
			d.b.warnings[w]++
		}
	}
	d.add(kind, uen, rec.fields)
}

// add puts the row that encode made into the batch.
func (d *decoder) add(kind uenKind, uen []byte, fields [][]byte) {
	b := d.b
	sum := sha256.Sum256(d.line)
	b.buf = append(append(b.buf, d.line...), "\t\\\\x"...)
	b.buf = hex.AppendEncode(b.buf, sum[:hashSize])
	b.buf = append(append(append(b.buf, '\t'), d.runID...), '\n')
	b.uens = append(b.uens, uen...)
	b.hashes = append(b.hashes, sum[:hashSize]...)
	r := row{end: len(b.buf), uenEnd: len(b.uens), wanted: d.want.status(d.cell(fields, colStatus))}
	b.rows = append(b.rows, r)
	if d.seen.add(kind, uen, !d.warned[WarnCheckLetter]) {
		again, here := b.replace()
		b.rows[len(b.rows)-1].again = again || !here
	}
	if b.index != nil {
		b.index[string(uen)] = len(b.rows) - 1
	}
}

// cell is a field of the record by column, trimmed; nil when the source has no such column.
func (d *decoder) cell(fields [][]byte, col int) []byte {
	if at := d.layout.fields[col]; at >= 0 {
		return trimmed(fields[at])
	}
	return nil
}

// uen checks the key of a row.
func (d *decoder) uen(f []byte) (kind uenKind, uen []byte, reason string) {
	u := trimmed(f)
	if kind = shapeOf(u); kind == uenNone {
		mended, _ := spaced(d.scratch[1], u)
		d.scratch[1] = mended
		u = bytes.ToUpper(trimmed(mended))
		kind = shapeOf(u)
	}
	switch {
	case blank(u):
		return kind, nil, "uen: missing"
	case kind == uenNone:
		return kind, nil, fmt.Sprintf("uen %q: none of the known shapes", clip(strings.ToValidUTF8(string(f), "?"), 40))
	}
	d.warned[WarnUEN] = !bytes.Equal(u, f)
	d.warned[WarnCheckLetter] = checkLetter(kind, u) != u[len(u)-1]
	return kind, u, ""
}

// encode makes d.line of a record: COPY text of the columns that the source has, in the table's order.
func (d *decoder) encode(fields [][]byte, uen []byte) (reason string) {
	d.line = append(d.line[:0], uen...)
	for _, c := range d.layout.present[1:] {
		d.line = append(d.line, '\t')
		value, reason := d.value(c, fields[d.layout.fields[c]])
		if reason != "" {
			return d.names[c] + reason
		}
		if value == nil {
			d.line = append(d.line, '\\', 'N')
			continue
		}
		d.line = append(d.line, value...)
	}
	return ""
}

// value is a field as it is stored: cleaned by the rules of its column and escaped. nil is NULL.
func (d *decoder) value(col int, f []byte) (value []byte, reason string) {
	var class uint8
	for _, c := range f {
		class |= d.classes[c]
	}
	if class != classPlain {
		if f, reason = d.unusual(class, f); reason != "" {
			return nil, reason
		}
	}
	f = trimmed(f)
	if blank(f) {
		return nil, ""
	}
	if formula(f) {
		return nil, ": a formula"
	}
	if f, reason = d.byColumn(col, f); reason != "" || class&isEscaped == 0 {
		return f, reason
	}
	return bytes.ReplaceAll(f, []byte{'\\'}, []byte{'\\', '\\'}), ""
}

// unusual handles a field that has bytes beyond plain ASCII text.
func (d *decoder) unusual(class uint8, f []byte) (out []byte, reason string) {
	if class&isNUL != 0 {
		return nil, ": a NUL character"
	}
	if class&isHigh != 0 && !utf8.Valid(f) {
		return nil, ": not UTF-8"
	}
	if class&(isHigh|isControl) == 0 {
		return f, ""
	}
	out, changed := spaced(d.scratch[0], f)
	d.scratch[0] = out
	if changed {
		d.warned[WarnSpace] = true
	}
	return out, ""
}

// byColumn applies the rule that a column has beyond those for all.
func (d *decoder) byColumn(col int, f []byte) (out []byte, reason string) {
	mended, ok := false, true
	warning := WarnDate
	switch col {
	case colRegistered, colIssued, colAccounts, colReturn:
		out, mended, ok = date(d.scratch[1], f)
	case colSSIC, colSSIC2:
		warning = WarnSSIC
		out, mended, ok = ssic(d.scratch[1], f)
	case colPostal:
		warning = WarnPostal
		out, mended = postal(d.scratch[1], f)
	case colOfficers:
		warning = WarnOfficers
		out, mended = officers(f)
	case colStatus:
		warning = WarnStatus
		out, mended = canonicalStatus(f)
	default:
		return f, ""
	}
	if !ok {
		return nil, fmt.Sprintf(" %q: not a valid value", clip(string(f), 40))
	}
	if mended {
		d.warned[warning] = true
	}
	return out, ""
}

func (d *decoder) reject(part string, rec record, reason string) {
	r := Reject{Part: part, Line: rec.line, Reason: reason, Raw: printable(rec.raw)}
	if at := d.layout.fields[colUEN]; rec.broken == "" && at < len(rec.fields) {
		r.UEN = printable(rec.fields[at][:min(len(rec.fields[at]), 40)])
	}
	d.b.rejects = append(d.b.rejects, r)
}

// printable is raw as PostgreSQL takes it: valid UTF-8, without NUL, of bounded length.
func printable(raw []byte) string {
	s := strings.ToValidUTF8(string(raw[:min(len(raw), maxRaw)]), "\ufffd")
	return strings.TrimRight(strings.ReplaceAll(s, "\x00", "\ufffd"), "\r\n")
}
