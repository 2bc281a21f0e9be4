package leads

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// sampleSize is the number of companies that a trial shows.
const sampleSize = 5

// Trial is the result of TryProfile: what a profile would match.
type Trial struct {
	Live       int64 `json:"live" yaml:"live"`             // live companies
	Matches    int64 `json:"matches" yaml:"matches"`       // companies that fulfil every condition
	Conditions []Cut `json:"conditions" yaml:"conditions"` // in the order of the profile
	// the strictest condition: without it, most companies would match; "" if no condition excludes a company
	CutsMost string      `json:"cuts_most" yaml:"cuts_most"`
	Sample   []Candidate `json:"sample" yaml:"sample"` // the first matches by company_id
	Warnings []string    `json:"warnings,omitempty" yaml:"warnings,omitempty"`
}

// Cut is the effect of one condition: the number of live companies that fulfil it, and the number of companies that
// would also match without it.
type Cut struct {
	Condition string `json:"condition" yaml:"condition"`
	Fulfil    int64  `json:"fulfil" yaml:"fulfil"`
	Cuts      int64  `json:"cuts" yaml:"cuts"`
}

// TryProfile counts the companies that match p and those that each condition excludes. It writes nothing and reads
// every live company once.
func TryProfile(ctx context.Context, tx postgres.TenantTx, p Profile) (Trial, error) {
	if err := allowLongWork(ctx, tx); err != nil {
		return Trial{}, err
	}
	var args arguments
	conditions := p.conditionsSQL(&args)
	counts := make([]int64, 2+2*len(conditions))
	into := make([]any, len(counts))
	for i := range counts {
		into[i] = &counts[i]
	}
	err := tx.QueryRow(ctx, trialSQL(conditions), args.plannedValues()...).Scan(into...)
	if err != nil {
		return Trial{}, err
	}
	trial := Trial{Live: counts[0], Matches: counts[1], Conditions: []Cut{}, Warnings: p.Warnings()}
	most := int64(0)
	for i, c := range conditions {
		cut := Cut{Condition: c.field, Fulfil: counts[2+2*i], Cuts: counts[3+2*i]}
		trial.Conditions = append(trial.Conditions, cut)
		if cut.Cuts > most {
			trial.CutsMost, most = cut.Condition, cut.Cuts
		}
	}
	rows, err := tx.Query(ctx,
		`SELECT c.company_id, c.name, c.industry_norm, c.website_domain, c.last_seen FROM public.companies c WHERE `+
			whereSQL(conditions)+` ORDER BY c.company_id LIMIT `+strconv.Itoa(sampleSize), args.plannedValues()...)
	if err != nil {
		return Trial{}, err
	}
	trial.Sample, err = pgx.CollectRows(rows, pgx.RowToStructByName[Candidate])
	return trial, err
}

// trialSQL returns the statement that evaluates each condition once for each company. hN is whether condition N holds,
// ok the number of conditions that hold. A condition alone excludes a company if all others hold.
func trialSQL(conditions []condition) string {
	var holds, sum, out []string
	for i, c := range conditions {
		h := "h" + strconv.Itoa(i)
		holds = append(holds, ", coalesce("+c.sql+", false) AS "+h)
		sum = append(sum, h+"::int")
		out = append(out, ", count(*) FILTER (WHERE "+h+"), count(*) FILTER (WHERE NOT "+h+" AND ok = "+strconv.Itoa(
			len(conditions)-1)+")")
	}
	sum = append(sum, "0")
	all := strconv.Itoa(len(conditions))
	return `SELECT count(*), count(*) FILTER (WHERE ok = ` + all + `)` + strings.Join(out, "") + `
		FROM (SELECT *, ` + strings.Join(sum, " + ") + ` AS ok FROM (SELECT 0` + strings.Join(holds, "") + `
		FROM public.companies c WHERE c.live) h) t`
}
