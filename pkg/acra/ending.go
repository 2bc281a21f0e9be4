package acra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// DefaultMaxShrink is the share of rows by which a source may fall below the last complete run by default.
const DefaultMaxShrink = 0.05

// lastRecord describes the last record of a CSV, which shows a source that was cut.
type lastRecord struct {
	line      int64
	unended   bool // no line end follows
	short     bool // unended, with fewer fields than the header
	openQuote bool // a quoted field does not end
}

// endDoubt implements part. A line that ends proves nothing for a download: only a size or a number of rows does.
func (p *csvPart) endDoubt(ctx context.Context, rows int64, vouched bool) string {
	switch {
	case p.damage != "":
		return p.damage
	case p.ended.openQuote:
		return fmt.Sprintf("%s: ends inside a quoted field (line %d)", p.part, p.ended.line)
	case p.ended.short:
		return fmt.Sprintf("%s: ends in the middle of a row (line %d)", p.part, p.ended.line)
	case p.sized != nil && p.sized():
		return ""
	case p.ended.unended && !vouched:
		return fmt.Sprintf("%s: the last line (%d) has no line end", p.part, p.ended.line)
	case p.counted == nil || vouched:
		return ""
	}
	return p.counted(ctx, rows)
}

// countDoubt compares the rows of a downloaded dataset with the number that the paged API tells.
func (s *bulkStream) countDoubt(ctx context.Context, d dataset, rows int64) string {
	total, err := s.fetchTotal(ctx, d)
	switch {
	case err != nil:
		return fmt.Sprintf("dataset %s (%s): the service tells neither its size nor its number of rows", d.id, d.name)
	case rows < total:
		return fmt.Sprintf("dataset %s (%s): %d of %d rows arrived", d.id, d.name, rows, total)
	}
	return ""
}

// fetchTotal asks the paged API for the number of rows of a dataset.
func (s *bulkStream) fetchTotal(ctx context.Context, d dataset) (int64, error) {
	type answer struct {
		Success bool
		Result  struct{ Total *int64 }
	}
	what := "number of rows of dataset " + d.id
	got, err := getJSON(ctx, s.apiClient, &s.searches, what, s.Search+"?limit=1&resource_id="+d.id,
		func(a answer) error {
			if !a.Success || a.Result.Total == nil {
				return fault.New(fault.Unavailable, "%s: none in the answer", what)
			}
			return nil
		})
	if err != nil {
		return 0, err
	}
	return *got.Result.Total, nil
}

// addDoubts adds what the run as a whole tells about its completeness. complete reports that the source claims to be
// the whole register.
func (in *ingestion) addDoubts(complete bool) {
	r, want, last := &in.run, in.opts.ExpectRows, in.lastComplete
	if want > 0 && r.Read != want {
		r.Detail.addDoubt(fmt.Sprintf("%d rows read, %d expected", r.Read, want))
	}
	if complete && last != nil && !in.opts.Force && float64(r.Read) < float64(last.Read)*(1-in.opts.MaxShrink) {
		in.shrunk = true
		r.Detail.addDoubt(fmt.Sprintf("%d rows, %.1f %% fewer than the %d of run %d", r.Read,
			100*(1-float64(r.Read)/float64(last.Read)), last.Read, last.ID))
	}
}

func (d *Detail) addDoubt(doubt string) {
	if !slices.Contains(d.Doubts, doubt) {
		d.Doubts = append(d.Doubts[:len(d.Doubts):len(d.Doubts)], doubt)
	}
}

// incompleteError returns the error of a run that was not proven to be complete, nil for any other.
func (in *ingestion) incompleteError() error {
	doubts := in.run.Detail.Doubts
	if len(doubts) == 0 {
		return nil
	}
	kind, hint := fault.Unavailable, "run the ingestion again: it reads everything again"
	switch {
	case in.shrunk:
		kind, hint = fault.Unprocessable, "if the register is really this small, use --force"
	case in.stream.facts().uncounted:
		kind = fault.Unprocessable
		hint = "load the whole file; if this is the whole file, say so with --complete or the right --expect-rows"
	}
	return fault.New(kind, "register run %d: incomplete: %s", in.run.ID, clipText(strings.Join(doubts, "; "), 400)).
		WithHint("its rows are kept and no company is marked absent; %s", hint)
}
