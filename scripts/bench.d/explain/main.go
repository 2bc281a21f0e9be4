// Command explain prints the plans of the statements that run most. ../explain.sh runs it.
//
// The server logs the plans itself (auto_explain). So they are the plans of the statements that the code sends, and
// need no copy of the SQL here.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

type dataSize struct{ companies, tenants, full, leads, few int }

func main() {
	var s dataSize
	flag.IntVar(&s.companies, "companies", 2_000_000, "number of companies")
	flag.IntVar(&s.tenants, "tenants", 10_000, "number of tenants")
	flag.IntVar(&s.full, "full", 2000, "number of tenants with many leads")
	flag.IntVar(&s.leads, "leads", 1000, "number of leads of each of those")
	flag.IntVar(&s.few, "few", 50, "number of leads of each other tenant")
	flag.Parse()
	if err := runExplain(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "explain:", err)
		os.Exit(1)
	}
}

func runExplain(ctx context.Context, s dataSize) error {
	server, err := pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{
		"shared_preload_libraries": "auto_explain", "auto_explain.log_analyze": "on", "auto_explain.log_buffers": "on",
		"logging_collector": "on", "log_line_prefix": "",
		"autovacuum": "off", "shared_buffers": "2GB", "maintenance_work_mem": "512MB", "max_wal_size": "8GB",
	}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	dsn := server.DSN("postgres")
	serving, err := gauge.Migrated(ctx, dsn)
	if err != nil {
		return err
	}
	owner, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer owner.Close(ctx)
	if err := s.fillTables(ctx, owner); err != nil {
		return err
	}
	db, err := postgres.Open(ctx, serving, postgres.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	return printPlans(ctx, owner, db)
}

// fillTables inserts rows like those of scoring and ingestion, one tenant after the other.
func (s dataSize) fillTables(ctx context.Context, conn *pgx.Conn) error {
	for _, sql := range []string{
		fmt.Sprintf(`INSERT INTO companies (uen, name, industry_code, industry_norm, incorporation_year, entity_type,
				entity_status, last_seen)
			SELECT lpad(i::text, 9, '0') || 'A', 'SYNTHETIC COMPANY ' || i || ' PTE. LTD.',
				lpad((1000 + i %% 95000)::text, 5, '0'), 'industry ' || i %% 22, 1970 + i %% 56, 'Local Company',
				'Live Company', now()
			FROM generate_series(1, %d) i`, s.companies),
		fmt.Sprintf(`INSERT INTO tenants (tenant_id, name) SELECT t, 'Tenant ' || t FROM generate_series(1, %d) t`,
			s.tenants),
		`INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			SELECT t, 'u' || t, 'https://idp.example', 'user-' || t, '{viewer}'
			FROM tenants, LATERAL (SELECT tenant_id AS t) x`,
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload)
			SELECT tenant_id, 1, 'Software', '{"ssic_codes":["620"],"incorporation_year":{"min":1980}}' FROM tenants`,
		`INSERT INTO enrichment_runs (tenant_id, run_id, status, source, ended_at)
			SELECT tenant_id, i, 'done', 'leadctl', now() FROM tenants, generate_series(1, 5) i`,
		fmt.Sprintf(`INSERT INTO lead_features (tenant_id, company_id, features, source)
			SELECT t, 1 + (t * 7919 + i * 104729) %% %d, `+gauge.SampleFeatures+`, 'leadctl'
			FROM generate_series(1, %d) t, generate_series(1, CASE WHEN t <= %d THEN %d ELSE %d END) i
			ON CONFLICT DO NOTHING`, s.companies, s.tenants, s.full, s.leads, s.few),
		`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source, version)
			SELECT tenant_id, company_id, (company_id % 10007) / 10007.0,
				CASE WHEN company_id % 4 = 0 THEN 'high' ELSE 'low' END,
				` + gauge.SampleRationale + `, 'leadctl', 'leadctl-1'
			FROM lead_features`,
		`VACUUM ANALYZE`,
		`ALTER ROLE serving SET auto_explain.log_min_duration = 0`,
	} {
		start := time.Now()
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.40s: %w", sql, err)
		}
		fmt.Fprintf(os.Stderr, "%6.1f s  %.60s\n", time.Since(start).Seconds(), strings.Join(strings.Fields(sql), " "))
	}
	rows, err := conn.Query(ctx, `SELECT relname, reltuples::bigint, pg_size_pretty(pg_relation_size(oid)),
			pg_size_pretty(pg_indexes_size(oid))
		FROM pg_class WHERE relname IN ('companies', 'tenants', 'tenant_users', 'lead_scores', 'lead_features',
			'enrichment_runs', 'icp_rules') ORDER BY pg_relation_size(oid) DESC`)
	if err != nil {
		return err
	}
	fmt.Println("| table | rows | heap | indexes |\n|---|---|---|---|")
	var name, heap, indexes string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n, &heap, &indexes}, func() error {
		_, err := fmt.Printf("| %s | %d | %s | %s |\n", name, n, heap, indexes)
		return err
	})
	return err
}

// measuredTenant is the tenant of every workload: one from the middle, with many leads.
const measuredTenant = 1234

// workload is code whose statements are explained, with its title in the document.
type workload struct {
	name string
	run  func(ctx context.Context, db *postgres.DB) error
}

func tenantWorkload(name string, fn func(ctx context.Context, tx postgres.TenantTx) error) workload {
	return workload{name, func(ctx context.Context, db *postgres.DB) error {
		return db.ReadTenant(ctx, measuredTenant, fn)
	}}
}

func systemWorkload(name string, fn func(ctx context.Context, tx postgres.SystemTx) error) workload {
	return workload{name, func(ctx context.Context, db *postgres.DB) error { return db.InSystem(ctx, name, fn) }}
}

func hotWorkloads() []workload {
	claimed := sso.Identity{Issuer: "https://idp.example", Subject: "user-1234",
		Tenant: sso.TenantClaim{Kind: sso.TenantNumber, Value: "1234"}}
	member := sso.Identity{Issuer: "https://idp.example", Subject: "user-1234"}
	middle, since := 0.5, 2000
	page := func(f leads.Filter, c leads.Cursor) func(context.Context, postgres.TenantTx) error {
		return func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.Latest(ctx, tx, 200, f, c)
			return err
		}
	}
	return []workload{
		systemWorkload("Who is calling: the tenant that a claim names (every request)",
			func(ctx context.Context, tx postgres.SystemTx) error {
				_, err := tenant.Resolve(ctx, tx, claimed, tenant.ByClaim)
				return err
			}),
		systemWorkload("Who is calling: the only membership (a token without a claim)",
			func(ctx context.Context, tx postgres.SystemTx) error {
				_, err := tenant.Resolve(ctx, tx, member, tenant.ByClaim)
				return err
			}),
		tenantWorkload("Export of a page of 200", func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.Export(ctx, tx, io.Discard, leads.ExportOptions{Format: leads.JSON, Limit: 200})
			return err
		}),
		tenantWorkload("Scores, a later page", page(leads.Filter{}, leads.Cursor{AfterScore: &middle, AfterID: 1})),
		tenantWorkload("Scores, one bucket and years",
			page(leads.Filter{Bucket: "high", Years: leads.Range{Min: &since}}, leads.Cursor{})),
		tenantWorkload("Candidates, a page", func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.Candidates(ctx, tx, 200, "", leads.CandidateCursor{})
			return err
		}),
		tenantWorkload("Shortlist status", func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.ShortlistStatus(ctx, tx)
			return err
		}),
		tenantWorkload("Rules", func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.ListRules(ctx, tx)
			return err
		}),
		tenantWorkload("Export of everything", func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.Export(ctx, tx, io.Discard, leads.ExportOptions{Format: leads.CSV, Limit: leads.All})
			return err
		}),
		tenantWorkload("Digest of everything (its ETag)", func(ctx context.Context, tx postgres.TenantTx) error {
			_, _, err := leads.Digest(ctx, tx, leads.ExportOptions{})
			return err
		}),
		{"Scoring, the whole of a tenant", func(ctx context.Context, db *postgres.DB) error {
			return db.InTenant(ctx, measuredTenant, func(ctx context.Context, tx postgres.TenantTx) error {
				_, err := leads.Score(ctx, tx, leads.ScoreOptions{Full: true}, tenant.By{Actor: "bench"})
				return err
			})
		}},
	}
}

// printPlans runs each workload three times, and prints the plans of the last run, for which all data is in memory.
func printPlans(ctx context.Context, owner *pgx.Conn, db *postgres.DB) error {
	for _, w := range hotWorkloads() {
		var at int64
		for range 3 {
			if err := owner.QueryRow(ctx,
				`SELECT (pg_stat_file(pg_current_logfile())).size FROM pg_sleep(0.3)`).Scan(&at); err != nil {
				return err
			}
			if err := w.run(ctx, db); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		var text string
		if err := owner.QueryRow(ctx, `SELECT pg_read_file(pg_current_logfile(), $1, 1 << 22) FROM pg_sleep(0.3)`,
			at).Scan(&text); err != nil {
			return err
		}
		fmt.Printf("\n## %s\n\n", w.name)
		for _, plan := range parsePlans(text) {
			fmt.Printf("```\n%s```\n", plan)
		}
	}
	return nil
}

// parsePlans returns the plans in a log, each with its duration, without the text of the statement.
func parsePlans(log string) (out []string) {
	var plan strings.Builder
	flush := func() {
		_, tree, _ := strings.Cut(plan.String(), "\n")
		if strings.Count(tree, "\n") > 1 { // shorter plans are those of set_config
			out = append(out, plan.String())
		}
		plan.Reset()
	}
	inside := false
	for line := range strings.Lines(log) {
		switch {
		case strings.Contains(line, "duration: "):
			flush()
			_, took, _ := strings.Cut(line, "duration: ")
			took, _, _ = strings.Cut(took, "  plan:")
			plan.WriteString(strings.TrimSpace(took) + "\n")
			inside = false
		case !strings.HasPrefix(line, "\t"):
			flush()
		case inside || strings.Contains(line, "(cost="):
			inside = true
			plan.WriteString(wrapLine(strings.TrimPrefix(line, "\t")))
		}
	}
	flush()
	return out
}

// planWidth is the number of columns that a line of the document may have.
const planWidth = 160

// wrapLine breaks a longer line of a plan before AND, OR, the actual times or, failing these, another word. It indents
// the other parts deeper than the first.
func wrapLine(line string) string {
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+4)
	var wrapped strings.Builder
	for rest := line; ; {
		if len(strings.TrimRight(rest, "\n")) <= planWidth {
			wrapped.WriteString(rest)
			return wrapped.String()
		}
		head, text := rest[:planWidth+1], len(rest)-len(strings.TrimLeft(rest, " "))
		at := -1
		for _, before := range []string{" AND ", " OR ", " (actual "} {
			at = max(at, strings.LastIndex(head, before))
		}
		if at <= text {
			at = strings.LastIndex(head, " ")
		}
		if at <= text {
			wrapped.WriteString(rest)
			return wrapped.String()
		}
		wrapped.WriteString(rest[:at] + "\n")
		rest = indent + rest[at+1:]
	}
}
