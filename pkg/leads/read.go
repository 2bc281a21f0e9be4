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

// part is one of the two statements that read leads in order: first the leads with a finite score, best first, then the
// others, by company_id. A single statement would sort NaN and the infinities before every number.
type part struct{ where, order, score string }

func scoreParts() [2]part {
	return [2]part{
		{`s.score < 'Infinity' AND s.score > '-Infinity'`, `s.score DESC NULLS LAST, s.company_id`, `s.score`},
		{`(s.score IS NULL OR s.score >= 'Infinity' OR s.score = '-Infinity')`, `s.company_id`, `NULL::float8`},
	}
}

// isPage reports whether limit is that of a page. For a page each lead is looked up; for more, whole tables are joined.
func isPage(limit int) bool { return limit > All && limit <= MaxLimit+1 }

// selection says which leads a statement reads, how many, and which columns.
type selection struct {
	limit int
	more  string // further conditions on lead_scores s, beginning with AND
	// columns of an export, whose values are texts; without them, those of a Lead
	columns []column
	dated   bool // a last column with the time of the lead's newest change
}

// modified is the time of a lead's newest change. The end of the last run counts too, because a run may delete leads.
const modified = `greatest(s.scored_at, c.updated_at, k.updated_at, e.updated_at, o.noted_at,
    (SELECT r.ended_at FROM public.enrichment_runs r ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1))`

// The orders in which a company's first contact and address are exported: the tenant's own before the shared ones.
const (
	contactOrder = `k.company_id, k.own DESC, k.updated_at DESC NULLS LAST, k.contact_id`
	emailOrder   = `e.company_id, e.own DESC, e.is_primary DESC, e.updated_at DESC NULLS LAST, e.email`
)

// columnsSQL returns the SELECT list of a lead.
func (q selection) columnsSQL(score string) string {
	dated := ""
	if q.dated {
		dated = `, ` + modified + `::text AS modified`
	}
	columns, isExport := q.columns, q.columns != nil
	if !isExport {
		columns = leadColumns()
	}
	return `SELECT ` + listSQL(columns, score, isExport) + dated
}

// selectSQL returns the statement that reads the leads of p. A page is limited before the joins. The limit is in the
// text instead of a parameter, so that a cached plan fits it.
func (p part) selectSQL(q selection) string {
	from := q.wholeTables(p.where)
	if isPage(q.limit) {
		from = q.rowByRow(p)
	}
	return q.columnsSQL(p.score) + `
FROM ` + from + `
ORDER BY ` + p.order + limitSQL(q.limit)
}

// wholeTables returns a FROM clause that joins whole tables. It takes a company's newest contact, and its primary
// address or else the newest one.
func (q selection) wholeTables(where string) string {
	return `public.lead_scores s
LEFT JOIN public.companies c ON c.company_id = s.company_id
LEFT JOIN (SELECT DISTINCT ON (k.company_id) k.* FROM public.company_contacts k
ORDER BY ` + contactOrder + `) k ON k.company_id = s.company_id
LEFT JOIN (SELECT DISTINCT ON (e.company_id) e.* FROM public.company_emails e
ORDER BY ` + emailOrder + `) e ON e.company_id = s.company_id
LEFT JOIN public.lead_outcomes o ON o.company_id = s.company_id
WHERE ` + where + q.more
}

// rowByRow returns a FROM clause that finds the page first and then looks each of its rows up by key. OFFSET 0 keeps
// PostgreSQL from joining whole tables when it underestimates the tenant's rows. EXISTS skips the lookups for a tenant
// without contacts or addresses.
func (q selection) rowByRow(p part) string {
	return `(SELECT * FROM public.lead_scores s WHERE ` + p.where + q.more + `
		ORDER BY ` + p.order + limitSQL(q.limit) + `) s
LEFT JOIN LATERAL (SELECT * FROM public.companies c WHERE c.company_id = s.company_id OFFSET 0) c ON true
LEFT JOIN LATERAL (SELECT * FROM public.company_contacts k WHERE k.company_id = s.company_id
AND (SELECT EXISTS (SELECT FROM public.company_contacts))
  ORDER BY ` + contactOrder + ` LIMIT 1) k ON true
LEFT JOIN LATERAL (SELECT * FROM public.company_emails e WHERE e.company_id = s.company_id
AND (SELECT EXISTS (SELECT FROM public.company_emails))
  ORDER BY ` + emailOrder + ` LIMIT 1) e ON true
LEFT JOIN LATERAL (SELECT * FROM public.lead_outcomes o WHERE o.company_id = s.company_id AND (SELECT EXISTS (SELECT
FROM public.lead_outcomes)) OFFSET 0) o ON true`
}

func limitSQL(limit int) string {
	if limit == All {
		return ""
	}
	return ` LIMIT ` + strconv.Itoa(limit)
}

// inIndexOrder runs a query that an index answers in order up to its limit. PostgreSQL caches the plan that it makes
// for the connection's first tenant. If that tenant had few rows, the plan would sort all rows of every later tenant,
// so sorting is off.
func inIndexOrder(ctx context.Context, tx postgres.TenantTx, sql string, args []any,
	read func(pgx.Rows) error) (err error) {
	var b pgx.Batch
	// Memoize caches lookups of repeated keys, and each company occurs once. A lookup of contacts sorts a few rows,
	// which counts as so expensive without enable_sort that PostgreSQL would compile the plan for a second.
	b.Queue(`SELECT set_config('enable_sort', 'off', true), set_config('enable_memoize', 'off', true),
		set_config('jit', 'off', true)`)
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

// Cursor is a position in the order of Latest: after that score and company. If AfterScore is nil and AfterID is not 0,
// the position is among the leads without a score. The zero Cursor is the beginning.
type Cursor struct {
	AfterScore *float64 `json:"afterScore" yaml:"afterScore"`
	AfterID    int32    `json:"afterId" yaml:"afterId"`
}

// amongScored returns the cursor as a condition on leads that have a score.
func (c Cursor) amongScored(a *arguments) string {
	if c.AfterScore == nil {
		return ""
	}
	score := a.addValue(*c.AfterScore)
	return ` AND s.score <= ` + score + ` AND (s.score < ` + score + ` OR s.company_id > ` + a.addValue(c.AfterID) + `)`
}

// Page is a part of the leads, best first. NextCursor is nil on the last page.
type Page struct {
	Items      []Lead  `json:"items" yaml:"items"`
	NextCursor *Cursor `json:"nextCursor" yaml:"nextCursor"`
}

// ParseLimit parses a limit from a request or a flag: 1 to MaxLimit in digits, "" for DefaultLimit, and "all" for All
// if allowAll is set. Fault: Invalid for anything else; no limit is clamped.
func ParseLimit(s string, allowAll bool) (int, error) {
	switch {
	case s == "":
		return DefaultLimit, nil
	case s == "all" && allowAll:
		return All, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || s[0] == '0' || n > MaxLimit {
		return 0, fault.New(fault.Invalid, "limit %.20q: must be between 1 and %d", s, MaxLimit)
	}
	return int(n), nil
}

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxLimit {
		return fault.New(fault.Invalid, "limit %d: must be between 1 and %d", limit, MaxLimit)
	}
	return nil
}

// Latest returns at most limit leads that match filter and follow after, best first. Paging by NextCursor neither skips
// nor repeats a lead whose score is unchanged. Fault: Invalid for a wrong limit, cursor or filter.
func Latest(ctx context.Context, tx postgres.TenantTx, limit int, filter Filter, after Cursor) (Page, error) {
	if err := checkLimit(limit); err != nil {
		return Page{}, err
	}
	if s := after.AfterScore; s != nil && (math.IsNaN(*s) || math.IsInf(*s, 0)) {
		return Page{}, fault.New(fault.Invalid, "afterScore: must be a finite number")
	}
	items, parts := []Lead{}, scoreParts()
	if after.AfterScore != nil || after.AfterID == 0 {
		if err := readLeads(ctx, tx, &items, parts[0], limit+1, filter, after.amongScored); err != nil {
			return Page{}, err
		}
		after.AfterID = 0 // the beginning of the leads without a score
	}
	if len(items) <= limit {
		if err := readLeads(ctx, tx, &items, parts[1], limit+1, filter, func(a *arguments) string {
			return ` AND s.company_id > ` + a.addValue(after.AfterID)
		}); err != nil {
			return Page{}, err
		}
	}
	if len(items) <= limit {
		return Page{Items: items}, nil
	}
	last := items[limit-1]
	return Page{Items: items[:limit], NextCursor: &Cursor{last.Score, last.CompanyID}}, nil
}

// readLeads appends the leads of p that match filter and the condition that behind returns.
func readLeads(ctx context.Context, tx postgres.TenantTx, into *[]Lead, p part, limit int, filter Filter,
	behind func(*arguments) string) error {
	var args arguments
	more, err := filter.filterSQL(&args)
	if err != nil {
		return err
	}
	more += behind(&args)
	return inIndexOrder(ctx, tx, p.selectSQL(selection{limit: limit, more: more}), args.values,
		func(rows pgx.Rows) (err error) {
			*into, err = pgx.AppendRows(*into, rows, pgx.RowToStructByName[Lead])
			return err
		})
}

// Candidate is a company that matches one of the tenant's rules.
type Candidate struct {
	CompanyID     int32      `json:"company_id" yaml:"company_id" db:"company_id"`
	Name          *string    `json:"name" yaml:"name" db:"name"`
	IndustryNorm  *string    `json:"industry_norm" yaml:"industry_norm" db:"industry_norm"`
	WebsiteDomain *string    `json:"website_domain" yaml:"website_domain" db:"website_domain"`
	LastSeen      *time.Time `json:"last_seen" yaml:"last_seen" db:"last_seen"`
}

// CandidateCursor is a position in the order of Candidates. The zero value is the beginning.
type CandidateCursor struct {
	AfterUpdatedAt time.Time `json:"afterUpdatedAt" yaml:"afterUpdatedAt"`
	AfterID        int32     `json:"afterId" yaml:"afterId"`
}

// CandidatePage is a part of the candidates, latest first. NextCursor is nil on the last page.
type CandidatePage struct {
	Items      []Candidate      `json:"items" yaml:"items"`
	NextCursor *CandidateCursor `json:"nextCursor" yaml:"nextCursor"`
}

// Candidates returns at most limit companies that match the tenant's rules, latest first. If industry is not "", it
// returns those of that industry: a section, division, title or everyday word as in a rule.
func Candidates(ctx context.Context, tx postgres.TenantTx, limit int, industry string,
	after CandidateCursor) (CandidatePage, error) {
	if err := checkLimit(limit); err != nil {
		return CandidatePage{}, err
	}
	var args arguments
	sql := `SELECT c.company_id, c.name, c.industry_norm, c.website_domain, c.last_seen, f.updated_at
		FROM public.lead_features f CROSS JOIN LATERAL (SELECT * FROM public.companies c
		WHERE c.company_id = f.company_id OFFSET 0) c
		WHERE (f.source <> '` + Source + `' OR f.features ? 'rule_id')`
	if industry != "" {
		if err := checkText(industry); err != nil {
			return CandidatePage{}, fault.New(fault.Invalid, "industry: %s", err.Error())
		}
		sql += ` AND ` + industriesSQL([]string{industry}, &args)
	}
	if !after.AfterUpdatedAt.IsZero() {
		at, id := args.addValue(after.AfterUpdatedAt), args.addValue(after.AfterID)
		sql += ` AND f.updated_at <= ` + at + ` AND (f.updated_at < ` + at + ` OR f.company_id > ` + id + `)`
	}
	type dated struct {
		Candidate
		UpdatedAt time.Time
	}
	var list []dated
	err := inIndexOrder(ctx, tx, sql+` ORDER BY f.updated_at DESC, f.company_id`+limitSQL(limit+1), args.values,
		func(rows pgx.Rows) (err error) {
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

// Status is the state of a tenant's shortlist. The last run is the newest one, of leadctl or of another service.
type Status struct {
	TenantID         TenantID   `json:"tenant_id" yaml:"tenant_id"`
	TotalScored      int64      `json:"total_scored" yaml:"total_scored"`
	LastRefreshedAt  *time.Time `json:"last_refreshed_at" yaml:"last_refreshed_at"`
	LastRunID        *int32     `json:"last_run_id" yaml:"last_run_id"`
	LastRunStatus    *string    `json:"last_run_status" yaml:"last_run_status"`
	LastRunStartedAt *time.Time `json:"last_run_started_at" yaml:"last_run_started_at"`
	LastRunEndedAt   *time.Time `json:"last_run_ended_at" yaml:"last_run_ended_at"`
}

// ShortlistStatus returns the number of the tenant's scores and its last run.
func ShortlistStatus(ctx context.Context, tx postgres.TenantTx) (Status, error) {
	st := Status{TenantID: tx.Tenant()}
	err := tx.QueryRow(ctx, `SELECT count(*), max(scored_at) FROM public.lead_scores`).Scan(&st.TotalScored,
		&st.LastRefreshedAt)
	if err != nil {
		return Status{}, err
	}
	err = tx.QueryRow(ctx, `SELECT run_id, status, started_at, ended_at FROM public.enrichment_runs
		ORDER BY started_at DESC, run_id DESC LIMIT 1`).
		Scan(&st.LastRunID, &st.LastRunStatus, &st.LastRunStartedAt, &st.LastRunEndedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return st, err
}
