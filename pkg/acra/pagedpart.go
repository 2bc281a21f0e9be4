package acra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"net/url"
	"strconv"

	"github.com/leadctl/leadctl/pkg/fault"
)

// pagedPart reads one query page by page. Pages drift when rows are added or removed before the current offset. So it
// compares the number of rows with the announced total, and reads the dataset again when they differ.
type pagedPart struct {
	stream      *pagedStream
	query       query
	number      int
	columns     []string
	offset      int64 // of the next page
	start       int64 // offset at which a resumed run continues
	total       int64
	records     []map[string]any
	at          int // index in records
	first       int64
	passRows    map[uint64]struct{} // rows of this pass, hashed by id and UEN
	emittedRows map[uint64]struct{} // rows returned by any pass, hashed by all their values
	seed        maphash.Seed
	rescan      int
	drifted     bool
	ended       bool
	raw         []byte // the current row, as CSV
}

func (p *pagedPart) partName() string       { return p.query.queryName() }
func (p *pagedPart) partIndex() int         { return p.number }
func (p *pagedPart) header() []string       { return p.columns }
func (p *pagedPart) fieldSeparator() byte   { return ',' }
func (p *pagedPart) setWidth(int)           {}
func (p *pagedPart) releaseVersion() string { return strconv.FormatInt(p.total, 10) }
func (p *pagedPart) rereadsCommitted() bool { return false }

// endDoubt has none: checkPass has compared the rows with the total that the service announces.
func (p *pagedPart) endDoubt(context.Context, int64, bool) string { return "" }

func (p *pagedPart) close() error { return nil }

// fetchPage reads the page at offset. It halves the page size while the service finds the answer too large.
func (p *pagedPart) fetchPage(ctx context.Context) error {
	for {
		err := p.tryFetchPage(ctx)
		if !errors.Is(err, errTooLarge) {
			return err
		}
		if p.stream.size /= 2; p.stream.size < minPage {
			return fault.New(fault.Unprocessable, "dataset %s: the service rejects even %d rows a page",
				p.query.dataset.id, minPage)
		}
	}
}

func (p *pagedPart) tryFetchPage(ctx context.Context) error {
	type answer struct {
		Success bool
		Error   struct{ Message string }
		Result  struct {
			Fields  []struct{ ID string }
			Records []map[string]any
			Total   int64
		}
	}
	what := "dataset " + p.query.dataset.id + " at row " + strconv.FormatInt(p.offset, 10)
	got, err := getJSON(ctx, p.stream.apiClient, &p.stream.searches, what, p.pageURL(), func(a answer) error {
		if !a.Success {
			return fault.New(fault.Unavailable, "%s: the service reports: %s", what, clipText(a.Error.Message, 100))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r := got.Result
	if p.columns == nil {
		for _, f := range r.Fields {
			if f.ID != "_id" {
				p.columns = append(p.columns, f.ID)
			}
		}
	} else if r.Total != p.total {
		p.drifted = true
	}
	p.total, p.first, p.records, p.at = r.Total, p.offset, r.Records, 0
	p.offset += int64(len(r.Records))
	p.ended = len(r.Records) == 0 || p.offset >= r.Total
	return nil
}

func (p *pagedPart) pageURL() string {
	q := url.Values{}
	q.Set("resource_id", p.query.dataset.id)
	q.Set("limit", strconv.Itoa(p.stream.size))
	q.Set("offset", strconv.FormatInt(p.offset, 10))
	q.Set("sort", "uen")
	if p.query.status != "" {
		filters, _ := json.Marshal(map[string]string{filterField: p.query.status}) // a map of strings never fails
		q.Set("filters", string(filters))
	}
	return p.stream.Search + "?" + q.Encode()
}

func (p *pagedPart) readRecord(ctx context.Context) (record, error) {
	for {
		if p.at < len(p.records) {
			rec, again := p.nextRow()
			if again {
				continue
			}
			p.stream.rows++
			return rec, nil
		}
		if !p.ended {
			if err := p.fetchPage(ctx); err != nil {
				return record{}, err
			}
			continue
		}
		if err := p.checkPass(); err != nil {
			return record{}, err
		}
		if err := p.fetchPage(ctx); err != nil {
			return record{}, err
		}
	}
}

// checkPass checks at the end of a pass whether it read every row. It returns errEnd when it did, and otherwise starts
// another pass.
func (p *pagedPart) checkPass() error {
	whole := p.start+int64(len(p.passRows)) == p.total
	switch {
	case whole && (!p.drifted || p.rescan == maxRescans):
		return errEnd
	case p.rescan == maxRescans:
		return fault.New(fault.Unavailable, "dataset %s: %d rows announced, %d found in %d passes", p.query.dataset.id,
			p.total, p.start+int64(len(p.passRows)), p.rescan+1).
			WithHint("the register is probably being republished; try again in an hour")
	}
	p.rescan++
	p.offset, p.start, p.drifted = 0, 0, false
	clear(p.passRows)
	return nil
}

// nextRow returns the next row as a record. again reports that an earlier pass returned the same row.
func (p *pagedPart) nextRow() (rec record, again bool) {
	row := p.records[p.at]
	p.at++
	p.raw = p.raw[:0]
	values := 0
	for i, c := range p.columns {
		v, ok := row[c]
		if ok {
			values++
		}
		if i > 0 {
			p.raw = append(p.raw, ',')
		}
		p.raw = appendQuoted(p.raw, appendText(nil, v))
	}
	line := p.first + int64(p.at)
	rec = record{line: line, raw: p.raw, end: Position{Part: p.partName(), Line: line}}
	if p.rescan > 0 {
		rec.end.Line = 0 // to resume in a later pass is to start at row 0
	}
	if values < len(p.columns) {
		rec.reason = strconv.Itoa(values) + " columns instead of " + strconv.Itoa(len(p.columns))
	}
	return rec, p.markRead(row)
}

// markRead adds a row to the sets. again reports that an earlier pass returned the same row.
func (p *pagedPart) markRead(row map[string]any) (again bool) {
	key := maphash.Bytes(p.seed, appendText(append(appendText(nil, row["_id"]), ' '), row["uen"]))
	if _, twice := p.passRows[key]; twice {
		p.drifted = true
	}
	p.passRows[key] = struct{}{}
	hash := maphash.Bytes(p.seed, p.raw)
	_, again = p.emittedRows[hash]
	p.emittedRows[hash] = struct{}{}
	return again && p.rescan > 0
}

// appendText appends a JSON value in the form it has in the CSV files.
func appendText(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(b, v...)
	case json.Number:
		return append(b, v...)
	case nil:
		return b
	}
	text, _ := json.Marshal(v)
	return append(b, text...)
}

// appendQuoted appends a CSV field, quoted if necessary.
func appendQuoted(b, field []byte) []byte {
	if !bytes.ContainsAny(field, ",\"\r\n") {
		return append(b, field...)
	}
	b = append(b, '"')
	b = append(b, bytes.ReplaceAll(field, []byte{'"'}, []byte{'"', '"'})...)
	return append(b, '"')
}
