package leads

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// part is a stretch of the leads in their order: those with a finite score, best first, and those without one, by
// company_id. In one statement NaN and the infinities would come before every number.
type part struct{ where, order, score string }

func parts() [2]part {
	return [2]part{
		{`s.score < 'Infinity' AND s.score > '-Infinity'`, `s.score DESC NULLS LAST, s.company_id`, `s.score`},
		{`(s.score IS NULL OR s.score >= 'Infinity' OR s.score = '-Infinity')`, `s.company_id`, `NULL::float8`},
	}
}

// isPage reports whether limit asks for few enough leads to look each one up; the others are read table by table.
func isPage(limit int) bool { return limit > All && limit <= MaxLimit+1 }

// sql reads the leads of p, at most limit. The limit of a page stands before the joins. It is part of the text, so that a
// plan which PostgreSQL keeps is made for it. Numbers are cast as said ("" leaves them) for who wants text of everything.
func (p part) sql(limit int, more, numbers string) string {
	from := `public.lead_scores s
LEFT JOIN public.companies c ON c.company_id = s.company_id
LEFT JOIN public.lead_features f ON f.tenant_id = s.tenant_id AND f.company_id = s.company_id
WHERE ` + p.where + more
	if isPage(limit) {
		// OFFSET 0: row by row through the key, however few rows the tenant seemed to have when this was planned.
		from = `(SELECT * FROM public.lead_scores s WHERE ` + p.where + more + ` ORDER BY ` + p.order + limitSQL(limit) + `) s
LEFT JOIN LATERAL (SELECT * FROM public.companies c WHERE c.company_id = s.company_id OFFSET 0) c ON true
LEFT JOIN LATERAL (SELECT features FROM public.lead_features f WHERE f.tenant_id = s.tenant_id AND f.company_id = s.company_id OFFSET 0) f ON true`
	}
	return `SELECT s.company_id` + numbers + `, c.name, c.website_domain, c.industry_norm, c.employees_est` + numbers + `, ` + p.score + numbers + ` AS score, s.bucket, s.rationale,
  f.features->>'primary_email' AS primary_email, f.features->>'contact_name' AS contact_name, f.features->>'contact_title' AS contact_title,
  f.features->>'contact_linkedin' AS contact_linkedin, f.features->>'contact_phone' AS contact_phone
FROM ` + from + `
ORDER BY ` + p.order + limitSQL(limit)
}

func limitSQL(limit int) string {
	if limit == All {
		return ""
	}
	return ` LIMIT ` + strconv.Itoa(limit)
}

// inIndexOrder runs a query that an index answers in order up to its limit. Left alone, PostgreSQL would keep the plan
// it made for the connection's first tenant: had that one few rows, every later tenant's would all be read and sorted.
func inIndexOrder(ctx context.Context, tx postgres.TenantTx, sql string, args []any, read func(pgx.Rows) error) (err error) {
	var b pgx.Batch
	b.Queue(`SELECT set_config('enable_sort', 'off', true)`)
	b.Queue(sql, args...)
	results := tx.SendBatch(ctx, &b)
	defer func() { err = errors.Join(err, results.Close()) }()
	if _, err := results.Exec(); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	return read(rows)
}

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
	items, parts := []Lead{}, parts()
	if after.AfterScore != nil || after.AfterID == 0 {
		more, args := "", []any(nil)
		if after.AfterScore != nil {
			more, args = ` AND s.score <= $1 AND (s.score < $1 OR s.company_id > $2)`, []any{*after.AfterScore, after.AfterID}
		}
		if err := readLeads(ctx, tx, &items, parts[0].sql(limit+1, more, ""), args...); err != nil {
			return Page{}, err
		}
		after.AfterID = 0 // where the leads without a score begin
	}
	if len(items) <= limit {
		if err := readLeads(ctx, tx, &items, parts[1].sql(limit+1, ` AND s.company_id > $1`, ""), after.AfterID); err != nil {
			return Page{}, err
		}
	}
	if len(items) <= limit {
		return Page{Items: items}, nil
	}
	last := items[limit-1]
	return Page{Items: items[:limit], NextCursor: &Cursor{last.Score, last.CompanyID}}, nil
}

func readLeads(ctx context.Context, tx postgres.TenantTx, into *[]Lead, sql string, args ...any) error {
	return inIndexOrder(ctx, tx, sql, args, func(rows pgx.Rows) (err error) {
		*into, err = pgx.AppendRows(*into, rows, pgx.RowToStructByName[Lead])
		return err
	})
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
		FROM public.lead_features f CROSS JOIN LATERAL (SELECT * FROM public.companies c WHERE c.company_id = f.company_id OFFSET 0) c
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
	type dated struct {
		Candidate
		UpdatedAt time.Time
	}
	var list []dated
	err := inIndexOrder(ctx, tx, sql+` ORDER BY f.updated_at DESC, f.company_id`+limitSQL(limit+1), args.values, func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[dated])
		return err
	})
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
