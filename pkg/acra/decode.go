package acra

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRaw bounds the raw text that is kept with a rejected row, in bytes.
const maxRaw = 2048

// decoder turns the records of a batch into rows: it splits, checks, cleans and encodes them. It keeps no state between
// batches, so several decoders can work in parallel.
type decoder struct {
	splitter
	want          filter
	runID         []byte // as text, the last column of each line
	names         []string
	statuses      []string
	b             *batch
	layout        *layout
	scratchValues [2][]byte
	warned        [numWarnings]bool
}

func newDecoder(want filter, run int64) *decoder {
	return &decoder{splitter: newSplitter(), want: want, runID: strconv.AppendInt(nil, run, 10),
		names: Columns(), statuses: LiveStatuses()}
}

// decodeBatches decodes batches until the channel is closed.
func (d *decoder) decodeBatches(batches <-chan *batch) {
	for b := range batches {
		d.decodeBatch(b)
		b.decoded <- struct{}{}
	}
}

func (d *decoder) decodeBatch(b *batch) {
	d.b, d.layout = b, b.layout
	d.setSeparator(b.layout.separator)
	start := 0
	for _, rec := range b.records {
		d.decodeRecord(rec, b.raw[start:rec.end])
		start = rec.end
	}
}

// decodeRecord adds one record to the batch, as a row or as a reject.
func (d *decoder) decodeRecord(rec rawRecord, raw []byte) {
	if rec.reason == "" {
		if d.splitRecord(raw); len(d.fields) != d.layout.width {
			rec.reason = fmt.Sprintf("%d columns instead of %d", len(d.fields), d.layout.width)
		}
	}
	reason, kind, uen := rec.reason, uenNone, []byte(nil)
	d.warned = [numWarnings]bool{}
	if reason == "" {
		kind, uen, reason = d.checkUEN(d.fields[d.layout.fields[colUEN]])
	}
	if rec.committed {
		if kind != uenNone {
			d.addRow(kind, uen, nil)
		}
		return
	}
	start := len(d.b.buf)
	if reason == "" {
		reason = d.encodeRow(uen)
	}
	if reason != "" {
		d.addReject(rec, raw, reason)
		return
	}
	if !d.want.takesDate(d.columnValue(colRegistered), d.columnValue(colIssued)) {
		d.b.buf = d.b.buf[:start]
		d.b.skipped++
		return
	}
	for w, yes := range d.warned {
		if yes {
			d.b.warnings[w]++
		}
	}
	d.addRow(kind, uen, d.b.buf[start:])
}

// addRow adds a row with the line that encodeRow made. line is nil for a committed record.
func (d *decoder) addRow(kind uenKind, uen, line []byte) {
	b := d.b
	var sum [sha256.Size]byte
	if line != nil {
		sum = sha256.Sum256(line)
		b.buf = hex.AppendEncode(append(b.buf, "\t\\\\x"...), sum[:hashSize])
		b.buf = append(append(append(b.buf, '\t'), d.runID...), '\n')
	}
	b.uens = append(b.uens, uen...)
	b.hashes = append(b.hashes, sum[:hashSize]...)
	b.rows = append(b.rows, row{end: len(b.buf), uenEnd: len(b.uens), kind: kind,
		letterOK: !d.warned[WarnCheckLetter], committed: line == nil,
		wanted: d.want.takesStatus(d.columnValue(colStatus))})
}

// columnValue returns the trimmed field of a column, nil when the source does not have the column.
func (d *decoder) columnValue(col int) []byte {
	if at := d.layout.fields[col]; at >= 0 {
		return trimBlanks(d.fields[at])
	}
	return nil
}

// checkUEN trims and checks the UEN of a row.
func (d *decoder) checkUEN(f []byte) (kind uenKind, uen []byte, reason string) {
	u := trimBlanks(f)
	if kind = shapeOf(u); kind == uenNone {
		mended, _ := normalizeSpaces(d.scratchValues[1], u)
		d.scratchValues[1] = mended
		u = bytes.ToUpper(trimBlanks(mended))
		kind = shapeOf(u)
	}
	switch {
	case isMissing(u):
		return kind, nil, "uen: missing"
	case string(u) == "UEN":
		return kind, nil, "a header line among the rows"
	case kind == uenNone:
		clipped := clipText(strings.ToValidUTF8(string(f), "?"), 40)
		return kind, nil, fmt.Sprintf("uen %q: none of the three UEN formats", clipped)
	}
	d.warned[WarnUEN] = !bytes.Equal(u, f)
	d.warned[WarnCheckLetter] = checkLetter(kind, u) != u[len(u)-1]
	return kind, u, ""
}

// encodeRow appends a record to the batch's COPY text: the columns that the source has, in the table's order. When it
// returns a reason to reject the row, the caller must truncate what it appended.
func (d *decoder) encodeRow(uen []byte) (reason string) {
	buf := append(d.b.buf, uen...)
	for _, c := range d.layout.present[1:] {
		f := d.fields[d.layout.fields[c]]
		switch {
		case len(f) == 2 && f[0] == 'n' && f[1] == 'a': // more than half of all fields
			buf = append(buf, "\t\\N"...)
			continue
		case d.class == classPlain && !hasRule(c) && len(f) > 4 && f[0] > '@' && f[len(f)-1] != ' ': // most others
			buf = append(append(buf, '\t'), f...)
			continue
		}
		value, reason := d.cleanValue(c, f, d.class)
		if reason != "" {
			return d.names[c] + reason
		}
		if value == nil {
			buf = append(buf, "\t\\N"...)
			continue
		}
		buf = append(append(buf, '\t'), value...)
	}
	d.b.buf = buf
	return ""
}

// hasRule reports whether applyColumnRule changes or checks a column.
func hasRule(col int) bool {
	const ruled = 1<<colRegistered | 1<<colIssued | 1<<colAccounts | 1<<colReturn | 1<<colSSIC | 1<<colSSIC2 |
		1<<colPostal | 1<<colOfficers | 1<<colStatus
	return ruled>>col&1 == 1
}

// cleanValue returns a field as it is stored: cleaned by the rules of its column and escaped. nil is NULL. class is the
// class of the whole record, which includes the field's.
func (d *decoder) cleanValue(col int, f []byte, class uint8) (value []byte, reason string) {
	if class != classPlain {
		class = classPlain
		for _, c := range f {
			class |= d.classes[c]
		}
		if class&(isControl|isHigh|isNUL) != 0 {
			if f, reason = d.cleanUnusual(class, f); reason != "" {
				return nil, reason
			}
		}
	}
	f = trimBlanks(f)
	if isMissing(f) || col != colName && col != colStatus && isUnknownWord(f) {
		return nil, ""
	}
	if isFormula(f) {
		return nil, ": a formula"
	}
	if f, reason = d.applyColumnRule(col, f); reason != "" || class&isEscaped == 0 {
		return f, reason
	}
	return bytes.ReplaceAll(f, []byte{'\\'}, []byte{'\\', '\\'}), ""
}

// cleanUnusual cleans or rejects a field that has control characters or bytes beyond ASCII.
func (d *decoder) cleanUnusual(class uint8, f []byte) (out []byte, reason string) {
	if class&isNUL != 0 {
		return nil, ": a NUL character"
	}
	if class&isHigh != 0 && !utf8.Valid(f) {
		return nil, ": not UTF-8"
	}
	out, changed := normalizeSpaces(d.scratchValues[0], f)
	d.scratchValues[0] = out
	if changed {
		d.warned[WarnSpace] = true
	}
	return out, ""
}

// applyColumnRule applies the rule that is specific to a column.
func (d *decoder) applyColumnRule(col int, f []byte) (out []byte, reason string) {
	mended, ok := false, true
	warning := WarnDate
	switch col {
	case colRegistered, colIssued, colAccounts, colReturn:
		out, mended, ok = cleanDate(d.scratchValues[1], f)
	case colSSIC, colSSIC2:
		warning = WarnSSIC
		out, mended, ok = cleanSSIC(d.scratchValues[1], f)
	case colPostal:
		warning = WarnPostal
		out, mended = cleanPostalCode(d.scratchValues[1], f)
	case colOfficers:
		warning = WarnOfficers
		out, mended = cleanOfficers(f)
	case colStatus:
		warning = WarnStatus
		out, mended = canonicalStatus(f, d.statuses)
	default:
		return f, ""
	}
	if !ok {
		return nil, fmt.Sprintf(" %q: not a valid value", clipText(string(f), 40))
	}
	if mended {
		d.warned[warning] = true
	}
	return out, ""
}

func (d *decoder) addReject(rec rawRecord, raw []byte, reason string) {
	r := Reject{Part: d.b.part, Line: rec.line, Reason: reason, Raw: printableText(raw)}
	if rec.reason == "" {
		uen := d.fields[d.layout.fields[colUEN]]
		r.UEN = printableText(uen[:min(len(uen), 40)])
	}
	d.b.rejects = append(d.b.rejects, r)
}

// printableText returns raw as text that PostgreSQL accepts: valid UTF-8, without NUL, at most maxRaw bytes.
func printableText(raw []byte) string {
	s := strings.ToValidUTF8(string(raw[:min(len(raw), maxRaw)]), "\ufffd")
	return strings.TrimRight(strings.ReplaceAll(s, "\x00", "\ufffd"), "\r\n")
}
