package leads

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// Outcome is what became of a pushed lead in the CRM: won, lost, not_a_fit or open.
type Outcome struct {
	CompanyID  int32     `db:"company_id"`
	Outcome    string    `db:"outcome"`
	LostReason string    `db:"lost_reason"`
	ChangedAt  time.Time `db:"changed_at"`
}

// Outcomes returns the outcomes of those of the companies that have one, by company.
func Outcomes(ctx context.Context, tx postgres.TenantTx, companies []int32) (map[int32]Outcome, error) {
	rows, err := tx.Query(ctx, `SELECT company_id, outcome, coalesce(lost_reason, '') AS lost_reason, changed_at
		FROM public.lead_outcomes WHERE company_id = ANY ($1)`, companies)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Outcome])
	found := make(map[int32]Outcome, len(list))
	for _, o := range list {
		found[o.CompanyID] = o
	}
	return found, err
}

// fits excludes the companies that salespeople closed as "Not a fit": no push proposes them again.
const fits = ` AND NOT EXISTS (SELECT FROM public.lead_outcomes o WHERE o.tenant_id = s.tenant_id
	AND o.company_id = s.company_id AND o.outcome = 'not_a_fit')`

// ReportLine counts the pushed leads of one bucket or one rule by outcome.
type ReportLine struct {
	By      string   `json:"by" db:"by"`     // bucket or rule
	Name    string   `json:"name" db:"name"` // of the bucket or the rule
	Pushed  int64    `json:"pushed" db:"pushed"`
	Won     int64    `json:"won" db:"won"`
	Lost    int64    `json:"lost" db:"lost"`
	NotAFit int64    `json:"not_a_fit" db:"not_a_fit"`
	Open    int64    `json:"open" db:"open"`
	WonRate *float64 `json:"won_rate" db:"won_rate"` // won among the closed, 0 to 1; nil if none is closed
}

// Report tells whether the score predicts: how many of the pushed leads of each bucket, and of each rule, were won and
// lost. A lead counts with its present bucket and rule; if the company has no score any more, with the bucket of the
// last push and the rule "none". Withdrawn and deleted leads count only if they were closed.
func Report(ctx context.Context, tx postgres.TenantTx) ([]ReportLine, error) {
	rows, err := tx.Query(ctx, `WITH pushed AS (
			SELECT coalesce(s.bucket, CASE p.written->'lead'->>'priority' WHEN '3' THEN 'high' WHEN '2' THEN 'medium'
					ELSE 'low' END) AS bucket,
				coalesce(r.name, 'none') AS rule, coalesce(o.outcome, 'open') AS outcome
			FROM public.pushed_leads p
				LEFT JOIN public.lead_outcomes o USING (tenant_id, company_id)
				LEFT JOIN public.lead_scores s USING (tenant_id, company_id)
				LEFT JOIN public.lead_features f USING (tenant_id, company_id)
				LEFT JOIN public.icp_rules r ON r.tenant_id = p.tenant_id AND r.rule_id::text = f.features->>'rule_id'
			WHERE p.state = 'pushed' OR coalesce(o.outcome, 'open') <> 'open'),
		lines AS (SELECT 'bucket' AS by, bucket AS name, outcome FROM pushed
			UNION ALL SELECT 'rule', rule, outcome FROM pushed)
		SELECT by, name, count(*) AS pushed, count(*) FILTER (WHERE outcome = 'won') AS won,
			count(*) FILTER (WHERE outcome = 'lost') AS lost,
			count(*) FILTER (WHERE outcome = 'not_a_fit') AS not_a_fit,
			count(*) FILTER (WHERE outcome = 'open') AS open,
			round(count(*) FILTER (WHERE outcome = 'won')::numeric
				/ nullif(count(*) FILTER (WHERE outcome <> 'open'), 0), 3)::float8 AS won_rate
		FROM lines GROUP BY by, name
		ORDER BY by, array_position(ARRAY['high', 'medium', 'low'], name), name`)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[ReportLine])
	if list == nil {
		list = []ReportLine{}
	}
	return list, err
}
