package leads

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

//go:embed score.sql
var scoreSQL string

// overlap is the time before the last run's newest change in which an incremental run looks for changes again. It
// covers long transactions of other services.
const overlap = time.Hour

// ScoreOptions are the options of Score. The zero value means the default weights, and an incremental run where that
// gives the same result.
type ScoreOptions struct {
	Weights Weights   // DefaultWeights when zero
	Full    bool      // score every company even if neither rules nor weights have changed
	Now     time.Time // the time that ages are computed for; zero means the current time
	RunID   int32     // the run to finish; 0 creates one
}

// ScoreReport is the result of a run. Candidates counts the companies that match a rule: among all companies if the run
// was full, else among those that changed since the last run.
type ScoreReport struct {
	RunID int32 `json:"run_id" yaml:"run_id" db:"-"`
	Rules int   `json:"rules" yaml:"rules" db:"-"`
	// rules that cannot be read and pick no company, with the reason
	Skipped    []string `json:"skipped,omitempty" yaml:"skipped,omitempty" db:"-"`
	Full       bool     `json:"full" yaml:"full" db:"-"`
	Version    string   `json:"version" yaml:"version" db:"-"`
	Candidates int64    `json:"candidates" yaml:"candidates" db:"candidates"`
	Added      int64    `json:"added" yaml:"added" db:"added"`
	Changed    int64    `json:"changed" yaml:"changed" db:"changed"`
	Removed    int64    `json:"removed" yaml:"removed" db:"removed"` // match no rule any more
}

// progress is the part of enrichment_runs.counts that the next run reads.
type progress struct {
	Basis string     `json:"basis"`          // digest of rules, weights and year
	Seen  *time.Time `json:"seen,omitempty"` // newest companies.updated_at of the run
}

// Score updates the tenant's features and scores from its rules and the companies table, and records the run. If
// neither has changed, it writes only the run's row. A lock makes runs of one tenant follow each other. Fault: Invalid
// for wrong weights.
func Score(ctx context.Context, tx postgres.TenantTx, opts ScoreOptions, by tenant.By) (ScoreReport, error) {
	report, err := scoreTenant(ctx, tx, opts)
	if err != nil {
		return ScoreReport{}, err
	}
	return report, tenant.Record(ctx, tx, by, tenant.Act{Tenant: tx.Tenant(), Action: "leads.score",
		Object: strconv.Itoa(int(report.RunID)),
		Detail: map[string]any{"version": report.Version, "added": report.Added, "changed": report.Changed,
			"removed": report.Removed}})
}

// scoreTenant is Score without the line in the audit log, for a run whose request has one.
func scoreTenant(ctx context.Context, tx postgres.TenantTx, opts ScoreOptions) (ScoreReport, error) {
	if opts.Weights == (Weights{}) {
		opts.Weights = DefaultWeights()
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if err := opts.Weights.checkWeights(); err != nil {
		return ScoreReport{}, err
	}
	if err := prepareBulkJoin(ctx, tx); err != nil {
		return ScoreReport{}, err
	}
	if err := lockTenant(ctx, tx, lockScores); err != nil {
		return ScoreReport{}, err
	}
	rules, skipped, err := readableRules(ctx, tx)
	if err != nil {
		return ScoreReport{}, err
	}
	now := progress{Basis: scoreBasis(rules, opts)}
	if err := tx.QueryRow(ctx, `SELECT max(updated_at) FROM public.companies`).Scan(&now.Seen); err != nil {
		return ScoreReport{}, err
	}
	since, err := sinceLastRun(ctx, tx, now.Basis, opts.Full)
	if err != nil {
		return ScoreReport{}, err
	}
	report, err := applyScores(ctx, tx, rules, opts, since)
	if err != nil {
		return ScoreReport{}, err
	}
	report.Rules, report.Skipped, report.Version, report.Full = len(rules), skipped, opts.Weights.Version, since == nil
	report.RunID, err = recordRun(ctx, tx, opts.RunID, report, now)
	return report, err
}

// readRule is a rule with its parsed payload.
type readRule struct {
	id      int32
	name    string
	profile Profile
}

// readableRules returns the tenant's rules, and a text for each rule of another service whose payload is not a profile.
func readableRules(ctx context.Context, tx postgres.TenantTx) (out []readRule, skipped []string, err error) {
	list, err := ListRules(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range list {
		p, err := ParseProfile(r.Payload)
		if err != nil {
			skipped = append(skipped, fmt.Sprintf("rule %q: %s", r.Name, fault.Text(err)))
			continue
		}
		out = append(out, readRule{r.RuleID, r.Name, p})
	}
	return out, skipped, nil
}

// scoreBasis returns a digest that changes whenever the score or rationale of an unchanged company can change.
func scoreBasis(rules []readRule, opts ScoreOptions) string {
	h := sha256.New()
	enc := json.NewEncoder(h) // it cannot fail for these types
	_ = enc.Encode(opts.Weights)
	_ = enc.Encode([]any{opts.Now.Year(), ssicCSV})
	for _, f := range opts.Weights.scoreFeatures() {
		_ = enc.Encode([]string{f.value, f.says})
	}
	for _, r := range rules {
		_ = enc.Encode([]any{r.id, r.name, r.profile})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// sinceLastRun returns the time after which changed companies must be scored; nil means all companies.
func sinceLastRun(ctx context.Context, tx postgres.TenantTx, basis string, full bool) (*time.Time, error) {
	if full {
		return nil, nil
	}
	var last progress
	err := tx.QueryRow(ctx, `SELECT counts FROM public.enrichment_runs WHERE source = $1 AND status = $2
		ORDER BY started_at DESC, run_id DESC LIMIT 1`, Source, RunDone).Scan(&last)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case last.Basis != basis || last.Seen == nil:
		return nil, nil
	}
	since := last.Seen.Add(-overlap)
	return &since, nil
}

func applyScores(ctx context.Context, tx postgres.TenantTx, rules []readRule, opts ScoreOptions,
	since *time.Time) (ScoreReport, error) {
	var args arguments
	sql := scoreStatement(&args, tx.Tenant(), rules, opts, since)
	// Planned for these values: one cached plan cannot fit all rules and tenants.
	rows, err := tx.Query(ctx, sql, args.plannedValues()...)
	if err != nil {
		return ScoreReport{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[ScoreReport])
}

func scoreStatement(a *arguments, id TenantID, rules []readRule, opts ScoreOptions, since *time.Time) string {
	codes, titles, _ := divisionArrays()
	var values, objects, reasons, possible, reached, keys []string
	for _, f := range opts.Weights.scoreFeatures() {
		weight := a.addValue(f.weight) + "::float8"
		values = append(values, "round("+f.value+" * 100) / 100 AS v_"+f.name)
		objects = append(objects, "'"+f.name+"', p.v_"+f.name)
		possible = append(possible, "CASE WHEN p.v_"+f.name+" IS NULL THEN 0 ELSE "+weight+" END")
		reached = append(reached, "coalesce(p.v_"+f.name+", 0) * "+weight)
		reasons = append(reasons, "CASE WHEN p.v_"+f.name+" IS NOT NULL THEN concat("+f.says+
			", ' (', "+roundSQL("100 * p.v_"+f.name+" * "+weight+" / p.possible")+", ' of ', "+roundSQL(
			"100 * "+weight+" / p.possible")+", ')') END")
		keys = append(keys, f.name)
	}
	// The first SELECT returns no row. It defines the columns if there is no rule.
	picked := []string{pickSQL(readRule{}, []condition{{"", "false"}}, opts.Now.Year(), a)}
	for _, r := range rules {
		picked = append(picked, pickSQL(r, append(r.profile.conditionsSQL(a), changedSince(since, a)...),
			opts.Now.Year(), a))
	}
	distinct, order := "", ""
	if len(rules) > 1 {
		distinct, order = "DISTINCT ON (company_id)", "ORDER BY company_id, score DESC, rule_id"
	}
	changedS, changedF := "", ""
	if since != nil {
		changed := " AND %s.company_id IN (SELECT company_id FROM public.companies WHERE updated_at >= " +
			a.addValue(*since) + "::timestamptz)"
		changedS, changedF = fmt.Sprintf(changed, "s"), fmt.Sprintf(changed, "f")
	}
	return strings.NewReplacer(
		"{divisions}", a.addValue(codes), "{titles}", a.addValue(titles), "{picked}",
		strings.Join(picked, "\n  UNION ALL\n  "),
		"{values}", strings.Join(values, ", "), "{features}", strings.Join(objects, ", "), "{reasons}",
		strings.Join(reasons, ", "),
		"{possible}", strings.Join(possible, " + "), "{reached}", strings.Join(reached, " + "),
		"{high}", a.addValue(opts.Weights.High), "{medium}", a.addValue(opts.Weights.Medium), "{version}",
		a.addValue(opts.Weights.Version)+"::text",
		"{tenant}", a.addValue(id)+"::int", "{source}", a.addValue(Source)+"::text", "{keys}",
		a.addValue(append(keys, "rule", "rule_id"))+"::text[]",
		"{percent}", roundSQL("100 * p.score"), "{distinct}", distinct, "{order}", order, "{changed_s}", changedS,
		"{changed_f}", changedF,
	).Replace(scoreSQL)
}

// roundSQL rounds half up. PostgreSQL's cast rounds half to even, so the points would not add up.
func roundSQL(sql string) string { return "floor(" + sql + " + 0.5)::int" }

func changedSince(since *time.Time, a *arguments) []condition {
	if since == nil {
		return nil
	}
	return []condition{{"changed", "c.updated_at >= " + a.addValue(*since) + "::timestamptz"}}
}

// pickSQL returns a SELECT of the companies that match a rule, with the columns that the features use.
func pickSQL(r readRule, conditions []condition, year int, a *arguments) string {
	p := r.profile
	industry := "NULL"
	switch codes, industries := len(p.SSICCodes) > 0, len(p.Industries) > 0; {
	case codes && industries:
		industry = "CASE WHEN " + codesSQL(p.SSICCodes, a) + " THEN 1 ELSE 0.8 END"
	case codes || industries:
		industry = "1"
	}
	word := "NULL"
	if len(p.Keywords) > 0 {
		word = "substring(c.name from " + a.addValue("(?i)"+wordsPattern(p.Keywords)) + "::text)"
	}
	return `SELECT c.company_id, c.industry_code AS code, c.industry_norm, c.incorporation_year AS year,
		c.employees_est AS employees,
    nullif(c.website_domain, '') AS domain, c.entity_type, lower(c.entity_status) AS status,
    ` + a.addValue(r.id) + `::int AS rule_id, ` + a.addValue(r.name) + `::text AS rule,
` + a.addValue(year) + `::int AS this_year,
    ` + a.addValue(p.IncorporationYear.Min) + `::int AS from_year,
` + a.addValue(p.IncorporationYear.Max) + `::int AS to_year,
    ` + a.addValue(p.EmployeeRange.isSet()) + `::bool AS wants_size,
` + a.addValue(len(p.EntityTypes) > 0) + `::bool AS wants_type,
    ` + a.addValue(len(p.Keywords) > 0) + `::bool AS wants_words, ` + industry + `::float8 AS industry,
` + word + `::text AS word
  FROM public.companies c WHERE ` + whereSQL(conditions)
}
