package leads

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Scored is a lead with everything that a CRM stores. Unknown texts are "" and unknown numbers 0. UEN is "" for a
// company of another service, which a CRM cannot identify.
type Scored struct {
	CompanyID         int32   `db:"company_id"`
	UEN               string  `db:"uen"`
	Name              string  `db:"name"`
	IndustryNorm      string  `db:"industry_norm"`
	WebsiteDomain     string  `db:"website_domain"`
	EmployeesEst      int32   `db:"employees_est"`
	RevenueBucket     string  `db:"revenue_bucket"`
	IncorporationYear int32   `db:"incorporation_year"`
	EntityType        string  `db:"entity_type"`
	EntityStatus      string  `db:"entity_status"`
	Street            string  `db:"registered_street"`
	Street2           string  `db:"registered_street2"`
	PostalCode        string  `db:"registered_postal_code"`
	Score             float64 `db:"score"`
	Bucket            string  `db:"bucket"`
	Rationale         string  `db:"rationale"`
	Features          string  `db:"features"` // JSON
}

// ScoredAfter returns at most limit leads with a score that follow after, best first, of some buckets; of all if there
// are none. Paging by the last lead's score and company neither skips nor repeats a lead whose score is unchanged.
// Fault: Invalid for a limit out of range and an unknown bucket.
func ScoredAfter(ctx context.Context, tx postgres.TenantTx, buckets []string, limit int, after Cursor) ([]Scored,
	error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	more, args := "", []any(nil)
	if after.AfterScore != nil {
		more, args = ` AND s.score <= $1 AND (s.score < $1 OR s.company_id > $2)`,
			[]any{*after.AfterScore, after.AfterID}
	}
	for _, b := range buckets {
		if !slices.Contains(Buckets(), b) {
			return nil, fault.New(fault.Invalid, "bucket %q: must be one of %s", b, strings.Join(Buckets(), ", "))
		}
	}
	if len(buckets) > 0 && len(buckets) < len(Buckets()) {
		more += ` AND s.bucket IN ('` + strings.Join(buckets, `', '`) + `')`
	}
	return readScored(ctx, tx, more, scoreParts()[0].order+limitSQL(limit), args)
}

// ScoredOf returns those of the companies that have a score, best first.
func ScoredOf(ctx context.Context, tx postgres.TenantTx, companies []int32) ([]Scored, error) {
	return readScored(ctx, tx, ` AND s.company_id = ANY ($1)`, `s.company_id`, []any{companies})
}

// readScored reads leads with a score; more are further conditions on lead_scores s, beginning with AND.
func readScored(ctx context.Context, tx postgres.TenantTx, more, order string, args []any) (list []Scored, err error) {
	first := scoreParts()[0]
	sql := `SELECT s.company_id, coalesce(c.uen, '') AS uen, coalesce(c.name, '') AS name,
  coalesce(c.industry_norm, '') AS industry_norm, coalesce(c.website_domain, '') AS website_domain,
  coalesce(c.employees_est, 0) AS employees_est, coalesce(c.revenue_bucket, '') AS revenue_bucket,
  coalesce(c.incorporation_year, 0) AS incorporation_year, coalesce(c.entity_type, '') AS entity_type,
  coalesce(c.entity_status, '') AS entity_status, coalesce(c.registered_street, '') AS registered_street,
  coalesce(c.registered_street2, '') AS registered_street2,
  coalesce(c.registered_postal_code, '') AS registered_postal_code, s.score, coalesce(s.bucket, '') AS bucket,
  coalesce(s.rationale, '') AS rationale,
  coalesce(f.features::text, '') AS features
FROM (SELECT * FROM public.lead_scores s WHERE ` + first.where + more + fits + `
ORDER BY ` + order + `) s
LEFT JOIN LATERAL (SELECT * FROM public.companies c WHERE c.company_id = s.company_id OFFSET 0) c ON true
LEFT JOIN LATERAL (SELECT features FROM public.lead_features f WHERE f.tenant_id = s.tenant_id
AND f.company_id = s.company_id OFFSET 0) f ON true
ORDER BY ` + first.order
	err = inIndexOrder(ctx, tx, sql, args, func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Scored])
		return err
	})
	return list, err
}
