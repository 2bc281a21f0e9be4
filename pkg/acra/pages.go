package acra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

const (
	maxPage     = 2000 // larger answers are refused
	minPage     = 50
	maxRescans  = 2
	filterField = "entity_status_description"
)

// Pages is a source that reads datasets page by page. ids are resource ids; none means the whole collection. pageSize 0
// means the most that the service sends. The service filters by status, so fewer pages come than the register has.
func Pages(s Service, ids []string, pageSize int) Source {
	if pageSize <= 0 || pageSize > maxPage {
		pageSize = maxPage
	}
	return pagedSource{service: s, ids: ids, size: pageSize}
}

type pagedSource struct {
	service Service
	ids     []string
	size    int
}

func (p pagedSource) label() string { return sourceLabel("api", p.ids) }

// sourceLabel names a source by its datasets.
func sourceLabel(kind string, ids []string) string {
	switch len(ids) {
	case 0:
		return kind
	case 1:
		return kind + " " + ids[0]
	}
	ids = slices.Sorted(slices.Values(ids))
	sum := crc32.ChecksumIEEE([]byte(strings.Join(ids, " "))) // so that other datasets are another source
	return fmt.Sprintf("%s %s and %d more (%08x)", kind, ids[0], len(ids)-1, sum)
}

func (p pagedSource) open(ctx context.Context, a opening) (stream, error) {
	s := &pagedStream{caller: p.service.caller(), ids: p.ids, size: p.size, from: a.from}
	list, all, err := s.datasets(ctx, p.ids)
	if err != nil {
		return nil, err
	}
	s.versions, s.complete = versionsOf(list), all
	for _, d := range list {
		if len(a.statuses) == 0 {
			s.queries = append(s.queries, query{dataset: d})
		}
		for _, status := range a.statuses {
			s.queries = append(s.queries, query{dataset: d, status: status})
		}
	}
	s.filtered = len(a.statuses) > 0
	return s, nil
}

// query is one dataset and, where the service filters, one status.
type query struct {
	dataset dataset
	status  string
}

func (q query) name() string {
	if q.status == "" {
		return q.dataset.name
	}
	return q.dataset.name + " " + q.status
}

// pagedStream goes through the queries, each of them a part.
type pagedStream struct {
	*caller
	ids      []string
	queries  []query
	size     int
	from     Position
	at       int // queries begun
	known    int64
	rows     int64
	versions map[string]string
	complete bool
	filtered bool
}

func (s *pagedStream) close() error { return nil }

func (s *pagedStream) facts() facts {
	return facts{complete: s.complete, filtered: s.filtered, versions: s.versions, batch: s.size}
}

// settle looks whether the collection was published anew while it was read: then absence means nothing, and the next run
// reads everything again.
func (s *pagedStream) settle(ctx context.Context) (facts, string) {
	f := s.facts()
	if f.versions == nil {
		return f, ""
	}
	list, _, err := s.datasets(ctx, s.ids)
	if now := versionsOf(list); err != nil || now == nil || maps.Equal(now, f.versions) {
		return f, ""
	}
	f.complete, f.versions = false, nil
	return f, "the register was published anew while it was read; the next run reads it again"
}

// progress counts rows; how many there are is known for the queries begun.
func (s *pagedStream) progress() (done, of int64) {
	if s.at < len(s.queries) {
		return s.rows, 0
	}
	return s.rows, s.known
}

func (s *pagedStream) next(ctx context.Context) (part, error) {
	if i := s.from.Index; s.at == 0 && i < len(s.queries) && s.queries[i].name() == s.from.Part {
		s.at = i // the queries before are committed
	}
	if s.at >= len(s.queries) {
		return nil, errEnd
	}
	p := &pagedPart{stream: s, query: s.queries[s.at], number: s.at, met: map[uint64]struct{}{}, handed: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	s.at++
	if p.name() == s.from.Part && p.number == s.from.Index {
		p.offset, p.start = s.from.Line, s.from.Line
	}
	if err := p.fetch(ctx); err != nil {
		return nil, err
	}
	if p.start > 0 && p.version() != s.from.Version { // rows have moved: what was committed is read once more
		p.offset, p.start, p.records = 0, 0, nil
		if err := p.fetch(ctx); err != nil {
			return nil, err
		}
	}
	s.known += p.total
	return p, nil
}

// pagedPart reads one query page by page. Pages drift when rows come and go before the cursor, so it holds what it met
// against the total, and reads again what does not add up.
type pagedPart struct {
	stream  *pagedStream
	query   query
	number  int
	columns []string
	offset  int64 // of the next page
	start   int64 // where a resumed run came in
	total   int64
	records []map[string]any
	at      int // in records
	first   int64
	met     map[uint64]struct{} // rows of this pass, by id and UEN
	handed  map[uint64]struct{} // rows handed on, by all their values
	seed    maphash.Seed
	rescan  int
	drifted bool
	ended   bool
	raw     []byte // the row at hand, as CSV
}

func (p *pagedPart) name() string     { return p.query.name() }
func (p *pagedPart) index() int       { return p.number }
func (p *pagedPart) header() []string { return p.columns }
func (p *pagedPart) setWidth(int)     {}
func (p *pagedPart) version() string  { return strconv.FormatInt(p.total, 10) }
func (p *pagedPart) replays() bool    { return false }
func (p *pagedPart) close() error     { return nil }

// fetch reads the page at offset, smaller when the service finds it too large.
func (p *pagedPart) fetch(ctx context.Context) error {
	for {
		err := p.fetchPage(ctx)
		if !errors.Is(err, errTooLarge) {
			return err
		}
		if p.stream.size /= 2; p.stream.size < minPage {
			return fault.New(fault.Unprocessable, "dataset %s: the service refuses even %d rows a page", p.query.dataset.id, minPage)
		}
	}
}

func (p *pagedPart) fetchPage(ctx context.Context) error {
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
	got, err := getJSON(ctx, p.stream.caller, &p.stream.searches, what, p.address(), func(a answer) error {
		if !a.Success {
			return fault.New(fault.Unavailable, "%s: refused: %s", what, clip(a.Error.Message, 100))
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

func (p *pagedPart) address() string {
	q := url.Values{}
	q.Set("resource_id", p.query.dataset.id)
	q.Set("limit", strconv.Itoa(p.stream.size))
	q.Set("offset", strconv.FormatInt(p.offset, 10))
	q.Set("sort", "uen")
	if p.query.status != "" {
		filters, _ := json.Marshal(map[string]string{filterField: p.query.status}) // a map of strings always marshals
		q.Set("filters", string(filters))
	}
	return p.stream.Search + "?" + q.Encode()
}

func (p *pagedPart) read(ctx context.Context) (record, error) {
	for {
		if p.at < len(p.records) {
			rec, again := p.record()
			if again {
				continue
			}
			p.stream.rows++
			return rec, nil
		}
		if !p.ended {
			if err := p.fetch(ctx); err != nil {
				return record{}, err
			}
			continue
		}
		if err := p.check(); err != nil {
			return record{}, err
		}
		if err := p.fetch(ctx); err != nil {
			return record{}, err
		}
	}
}

// check looks at the end of a pass whether every row was met, and begins another when not. It returns errEnd when done.
func (p *pagedPart) check() error {
	whole := p.start+int64(len(p.met)) == p.total
	switch {
	case whole && (!p.drifted || p.rescan == maxRescans):
		return errEnd
	case p.rescan == maxRescans:
		return fault.New(fault.Unavailable, "dataset %s: %d rows announced, %d found in %d passes", p.query.dataset.id,
			p.total, p.start+int64(len(p.met)), p.rescan+1).WithHint("the register is probably being published; try again in an hour")
	}
	p.rescan++
	p.offset, p.start, p.drifted = 0, 0, false
	clear(p.met)
	return nil
}

// record makes a record of the next row. again says that an earlier pass handed the very same on.
func (p *pagedPart) record() (rec record, again bool) {
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
	rec = record{line: line, raw: p.raw, end: Position{Part: p.name(), Line: line}}
	if p.rescan > 0 {
		rec.end.Line = 0 // a pass that is resumed begins at the start
	}
	if values < len(p.columns) {
		rec.broken = strconv.Itoa(values) + " columns instead of " + strconv.Itoa(len(p.columns))
	}
	return rec, p.remember(row)
}

// remember notes a row and tells whether an earlier pass handed it on just so.
func (p *pagedPart) remember(row map[string]any) (again bool) {
	key := maphash.Bytes(p.seed, appendText(append(appendText(nil, row["_id"]), ' '), row["uen"]))
	if _, twice := p.met[key]; twice {
		p.drifted = true
	}
	p.met[key] = struct{}{}
	hash := maphash.Bytes(p.seed, p.raw)
	_, again = p.handed[hash]
	p.handed[hash] = struct{}{}
	return again && p.rescan > 0
}

// appendText writes a JSON value as the CSV would have it.
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

// appendQuoted writes a CSV field.
func appendQuoted(b, field []byte) []byte {
	if !bytes.ContainsAny(field, ",\"\r\n") {
		return append(b, field...)
	}
	b = append(b, '"')
	b = append(b, bytes.ReplaceAll(field, []byte{'"'}, []byte{'"', '"'})...)
	return append(b, '"')
}
