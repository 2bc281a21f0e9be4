package leads

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// Bars is the number of bars of a Spread. They are equally wide and cover the scores from 0 to 1.
const Bars = 20

// Spread is the distribution of the tenant's scores. Scores that are not finite count in Total and in no bar.
type Spread struct {
	Total   int64
	Buckets map[string]int64 // by name; other services may use names of their own
	Bars    [Bars]map[string]int64
	Newest  *time.Time // time of the newest change of a score
}

// ReadSpread counts all the tenant's scores.
func ReadSpread(ctx context.Context, tx postgres.TenantTx) (Spread, error) {
	s := Spread{Buckets: map[string]int64{}}
	for i := range s.Bars {
		s.Bars[i] = map[string]int64{}
	}
	rows, err := tx.Query(ctx, `SELECT coalesce(bucket, ''), CASE WHEN score < 'Infinity' AND score > '-Infinity' THEN
			least(greatest(floor(score * `+strconv.Itoa(Bars)+`), 0), `+strconv.Itoa(Bars-1)+`)::int END, count(*),
			max(scored_at)
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
