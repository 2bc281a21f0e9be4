package leads

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// leadQuery reads leads with the score expression it is given. NaN and the infinities sort before every number, so
// finite scores come first, by the index that is in export order; whatever has no score follows, by company_id.
const leadQuery = `
SELECT s.company_id, c.name, c.website_domain, c.industry_norm, c.employees_est, %s AS score, s.bucket, s.rationale,
  f.features->>'primary_email' AS primary_email, f.features->>'contact_name' AS contact_name, f.features->>'contact_title' AS contact_title,
  f.features->>'contact_linkedin' AS contact_linkedin, f.features->>'contact_phone' AS contact_phone
FROM public.lead_scores s
LEFT JOIN public.companies c ON c.company_id = s.company_id
LEFT JOIN public.lead_features f ON f.tenant_id = s.tenant_id AND f.company_id = s.company_id
WHERE %s`

const (
	scored       = `s.score < 'Infinity' AND s.score > '-Infinity'`
	unscored     = `(s.score IS NULL OR s.score >= 'Infinity' OR s.score = '-Infinity')`
	scoredFirst  = ` ORDER BY s.score DESC NULLS LAST, s.company_id`
	unscoredByID = ` ORDER BY s.company_id`
)

// Cursor is a place in the order of Latest: just after that score and company. AfterScore nil with an AfterID lies among
// the leads without a score. The zero Cursor is the beginning.
type Cursor struct {
	AfterScore *float64 `json:"afterScore" yaml:"afterScore"`
	AfterID    int32    `json:"afterId" yaml:"afterId"`
}

// Page is a part of the leads, best first. NextCursor is nil on the last page.
type Page struct {
	Items      []Lead  `json:"items" yaml:"items"`
	NextCursor *Cursor `json:"nextCursor" yaml:"nextCursor"`
}

// ParseLimit reads a limit as callers write it: "" is DefaultLimit, else 1 to MaxLimit in plain digits, and "all" where
// allowed gives All. Anything else is Invalid; nothing is clamped silently.
func ParseLimit(s string, allowAll bool) (int, error) {
	switch {
	case s == "":
		return DefaultLimit, nil
	case s == "all" && allowAll:
		return All, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || s[0] == '0' || n > MaxLimit {
		return 0, fault.New(fault.Invalid, "limit %.20q: not from 1 to %d", s, MaxLimit)
	}
	return int(n), nil
}

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxLimit {
		return fault.New(fault.Invalid, "limit %d: not from 1 to %d", limit, MaxLimit)
	}
	return nil
}

// Top gives the tenant's best leads, at most limit.
func Top(ctx context.Context, tx postgres.TenantTx, limit int) ([]Lead, error) {
	page, err := Latest(ctx, tx, limit, Cursor{})
	return page.Items, err
}

// Latest gives the leads that follow after, best first, at most limit. Paging by NextCursor neither skips nor repeats a
// lead whose score stays as it is. Faults: Invalid for a limit or cursor out of range.
func Latest(ctx context.Context, tx postgres.TenantTx, limit int, after Cursor) (Page, error) {
	if err := checkLimit(limit); err != nil {
		return Page{}, err
	}
	if s := after.AfterScore; s != nil && (math.IsNaN(*s) || math.IsInf(*s, 0)) {
		return Page{}, fault.New(fault.Invalid, "afterScore: not a finite number")
	}
	items := []Lead{}
	if after.AfterScore != nil || after.AfterID == 0 {
		sql, args := fmt.Sprintf(leadQuery, "s.score", scored), []any{}
		if after.AfterScore != nil {
			sql += ` AND s.score <= $1 AND (s.score < $1 OR s.company_id > $2)`
			args = []any{*after.AfterScore, after.AfterID}
		}
		var err error
		if items, err = readLeads(ctx, tx, sql+scoredFirst, limit+1, args...); err != nil {
			return Page{}, err
		}
		after.AfterID = 0 // where the leads without a score begin
	}
	if len(items) <= limit {
		rest, err := readLeads(ctx, tx, fmt.Sprintf(leadQuery, "NULL::float8", unscored+` AND s.company_id > $1`)+unscoredByID, limit+1, after.AfterID)
		if err != nil {
			return Page{}, err
		}
		items = append(items, rest[:min(len(rest), limit+1-len(items))]...)
	}
	if len(items) <= limit {
		return Page{Items: items}, nil
	}
	last := items[limit-1]
	return Page{Items: items[:limit], NextCursor: &Cursor{last.Score, last.CompanyID}}, nil
}

// readLeads appends the limit to the text, where the plan that PostgreSQL keeps for the statement is made for it.
func readLeads(ctx context.Context, tx postgres.TenantTx, sql string, limit int, args ...any) ([]Lead, error) {
	rows, err := tx.Query(ctx, sql+` LIMIT `+strconv.Itoa(limit), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Lead])
}

// Candidate is a company that one of the tenant's rules picked.
type Candidate struct {
	CompanyID     int32      `json:"company_id" yaml:"company_id" db:"company_id"`
	Name          *string    `json:"name" yaml:"name" db:"name"`
	IndustryNorm  *string    `json:"industry_norm" yaml:"industry_norm" db:"industry_norm"`
	WebsiteDomain *string    `json:"website_domain" yaml:"website_domain" db:"website_domain"`
	LastSeen      *time.Time `json:"last_seen" yaml:"last_seen" db:"last_seen"`
}

// CandidateCursor is a place in the order of Candidates. The zero value is the beginning.
type CandidateCursor struct {
	AfterUpdatedAt time.Time `json:"afterUpdatedAt" yaml:"afterUpdatedAt"`
	AfterID        int32     `json:"afterId" yaml:"afterId"`
}

// CandidatePage is a part of the candidates, latest first. NextCursor is nil on the last page.
type CandidatePage struct {
	Items      []Candidate      `json:"items" yaml:"items"`
	NextCursor *CandidateCursor `json:"nextCursor" yaml:"nextCursor"`
}

// Candidates gives the companies that the tenant's rules picked, latest first, at most limit, of one industry when it is
// not "" (a section, division, title or everyday word as in a rule).
func Candidates(ctx context.Context, tx postgres.TenantTx, limit int, industry string, after CandidateCursor) (CandidatePage, error) {
	if err := checkLimit(limit); err != nil {
		return CandidatePage{}, err
	}
	var args arguments
	sql := `SELECT c.company_id, c.name, c.industry_norm, c.website_domain, c.last_seen, f.updated_at
		FROM public.lead_features f JOIN public.companies c ON c.company_id = f.company_id
		WHERE (f.source <> '` + Source + `' OR f.features ? 'rule_id')`
	if industry != "" {
		if err := checkText(industry); err != nil {
			return CandidatePage{}, fault.New(fault.Invalid, "industry: %s", err.Error())
		}
		sql += ` AND ` + industriesSQL([]string{industry}, &args)
	}
	if !after.AfterUpdatedAt.IsZero() {
		at, id := args.add(after.AfterUpdatedAt), args.add(after.AfterID)
		sql += ` AND f.updated_at <= ` + at + ` AND (f.updated_at < ` + at + ` OR f.company_id > ` + id + `)`
	}
	rows, err := tx.Query(ctx, sql+` ORDER BY f.updated_at DESC, f.company_id LIMIT `+strconv.Itoa(limit+1), args...)
	if err != nil {
		return CandidatePage{}, err
	}
	type dated struct {
		Candidate
		UpdatedAt time.Time
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[dated])
	if err != nil {
		return CandidatePage{}, err
	}
	page := CandidatePage{Items: []Candidate{}}
	for i, d := range list[:min(limit, len(list))] {
		page.Items = append(page.Items, d.Candidate)
		if i == limit-1 && len(list) > limit {
			page.NextCursor = &CandidateCursor{d.UpdatedAt, d.CompanyID}
		}
	}
	return page, nil
}

// Status is what a tenant's shortlist stands at. The last run is the newest one of any service.
type Status struct {
	TenantID         TenantID   `json:"tenant_id" yaml:"tenant_id"`
	TotalScored      int64      `json:"total_scored" yaml:"total_scored"`
	LastRefreshedAt  *time.Time `json:"last_refreshed_at" yaml:"last_refreshed_at"`
	LastRunID        *int32     `json:"last_run_id" yaml:"last_run_id"`
	LastRunStatus    *string    `json:"last_run_status" yaml:"last_run_status"`
	LastRunStartedAt *time.Time `json:"last_run_started_at" yaml:"last_run_started_at"`
	LastRunEndedAt   *time.Time `json:"last_run_ended_at" yaml:"last_run_ended_at"`
}

// ShortlistStatus counts the tenant's scores and tells its last run.
func ShortlistStatus(ctx context.Context, tx postgres.TenantTx) (Status, error) {
	st := Status{TenantID: tx.Tenant()}
	err := tx.QueryRow(ctx, `SELECT count(*), max(scored_at) FROM public.lead_scores`).Scan(&st.TotalScored, &st.LastRefreshedAt)
	if err != nil {
		return Status{}, err
	}
	err = tx.QueryRow(ctx, `SELECT run_id, status, started_at, ended_at FROM public.enrichment_runs ORDER BY started_at DESC, run_id DESC LIMIT 1`).
		Scan(&st.LastRunID, &st.LastRunStatus, &st.LastRunStartedAt, &st.LastRunEndedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return st, err
}
