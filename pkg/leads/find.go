package leads

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Buckets are the buckets of our own scores, best first.
func Buckets() []string { return []string{"high", "medium", "low"} }

// Filter chooses among the tenant's leads. Zero fields choose all.
type Filter struct {
	Text     string   // part of the company's name, in any case
	Industry string   // a section, division, title or everyday word as in a rule
	Bucket   string   // one of Buckets
	MinScore *float64 // 0 to 1; leaves out leads without a score
}

// sql is the filter as further conditions on the scores s. The companies are looked up one by one, in the order of the
// scores, so that a page needs no more of them than it has to pass.
func (f Filter) sql(a *arguments) (more string, err error) {
	var company []string
	if f.Text != "" {
		if err := checkText(f.Text); err != nil {
			return "", fault.New(fault.Invalid, "name: %s", err.Error())
		}
		company = append(company, `c.name ILIKE `+a.add("%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.TrimSpace(f.Text))+"%"))
	}
	if f.Industry != "" {
		if err := checkText(f.Industry); err != nil {
			return "", fault.New(fault.Invalid, "industry: %s", err.Error())
		}
		company = append(company, industriesSQL([]string{f.Industry}, a))
	}
	if len(company) > 0 {
		more = ` AND EXISTS (SELECT 1 FROM public.companies c WHERE c.company_id = s.company_id AND ` + strings.Join(company, " AND ") + ` OFFSET 0)`
	}
	switch {
	case f.Bucket == "":
	case !slices.Contains(Buckets(), f.Bucket):
		return "", fault.New(fault.Invalid, "bucket %.20q: not one of %s", f.Bucket, strings.Join(Buckets(), ", "))
	default:
		more += ` AND s.bucket = ` + a.add(f.Bucket)
	}
	if m := f.MinScore; m != nil {
		if math.IsNaN(*m) || *m < 0 || *m > 1 {
			return "", fault.New(fault.Invalid, "least score: not from 0 to 1")
		}
		more += ` AND s.score < 'Infinity' AND s.score >= ` + a.add(*m) // NaN lies above every number
	}
	return more, nil
}

// Find is Latest among the leads that f chooses. Faults: Invalid for a limit, cursor or filter that cannot be one.
func Find(ctx context.Context, tx postgres.TenantTx, f Filter, limit int, after Cursor) (Page, error) {
	if err := checkLimit(limit); err != nil {
		return Page{}, err
	}
	if s := after.AfterScore; s != nil && (math.IsNaN(*s) || math.IsInf(*s, 0)) {
		return Page{}, fault.New(fault.Invalid, "afterScore: not a finite number")
	}
	var args arguments
	chosen, err := f.sql(&args)
	if err != nil {
		return Page{}, err
	}
	items, parts := []Lead{}, parts()
	if after.AfterScore != nil || after.AfterID == 0 {
		scored, more := args.clone(), chosen
		if after.AfterScore != nil {
			score, id := scored.add(*after.AfterScore), scored.add(after.AfterID)
			more += ` AND s.score <= ` + score + ` AND (s.score < ` + score + ` OR s.company_id > ` + id + `)`
		}
		if err := readLeads(ctx, tx, &items, parts[0].sql(limit+1, more, ""), scored.values...); err != nil {
			return Page{}, err
		}
		after.AfterID = 0 // where the leads without a score begin
	}
	if len(items) <= limit {
		more := chosen + ` AND s.company_id > ` + args.add(after.AfterID)
		if err := readLeads(ctx, tx, &items, parts[1].sql(limit+1, more, ""), args.values...); err != nil {
			return Page{}, err
		}
	}
	if len(items) <= limit {
		return Page{Items: items}, nil
	}
	last := items[limit-1]
	return Page{Items: items[:limit], NextCursor: &Cursor{last.Score, last.CompanyID}}, nil
}

// clone is a copy that grows by itself.
func (a *arguments) clone() arguments { return arguments{values: slices.Clone(a.values)} }

// Bars is how many bars a Spread has: each is so many points of a score wide that together they are 100.
const Bars = 20

// Spread is how the tenant's scores lie. Scores that are no finite number are in Total and in no bar.
type Spread struct {
	Total   int64
	Buckets map[string]int64 // by name; one of another service may be called as it likes
	Bars    [Bars]map[string]int64
	Newest  *time.Time // when a score last changed
}

// ReadSpread counts all the tenant's scores.
func ReadSpread(ctx context.Context, tx postgres.TenantTx) (Spread, error) {
	s := Spread{Buckets: map[string]int64{}}
	for i := range s.Bars {
		s.Bars[i] = map[string]int64{}
	}
	rows, err := tx.Query(ctx, `SELECT coalesce(bucket, ''), CASE WHEN score < 'Infinity' AND score > '-Infinity' THEN
			least(greatest(floor(score * `+strconv.Itoa(Bars)+`), 0), `+strconv.Itoa(Bars-1)+`)::int END, count(*), max(scored_at)
		FROM public.lead_scores GROUP BY 1, 2`)
	if err != nil {
		return s, err
	}
	var bucket string
	var bar *int
	var n int64
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&bucket, &bar, &n, &at}, func() error {
		s.Total += n
		s.Buckets[bucket] += n
		if bar != nil {
			s.Bars[*bar][bucket] += n
		}
		if at != nil && (s.Newest == nil || at.After(*s.Newest)) {
			newest := *at
			s.Newest = &newest
		}
		return nil
	})
	return s, err
}
