// Command adopt measures the adoption of the platform's database. ../adopt.sh runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

// fill adds $rows rows to each of the five tables. One score in a hundred has no tenant.
const fill = `
INSERT INTO companies (uen, name, industry_norm, industry_code, website_domain)
	SELECT 'T' || i, 'Company ' || i, 'industry ' || i % 50, (10000 + i % 900)::text, 'c' || i || '.example'
	FROM generate_series(1, $rows) i;
INSERT INTO staging_acra_companies (uen, entity_name, primary_ssic_code, no_of_officers, street_name, postal_code,
		registration_incorporation_date, entity_status_description)
	SELECT 'T' || i, 'Company ' || i, 10000 + i % 900, i % 5, 'Street ' || i, 100000 + i, '2012-03-04', 'Live Company'
	FROM generate_series(1, $rows) i;
INSERT INTO lead_scores (company_id, score, bucket, rationale, tenant_id)
	SELECT 100 + i, CASE i % 2 WHEN 0 THEN i % 100 ELSE i % 100 / 100.0 END, CASE i % 2 WHEN 0 THEN 'A' ELSE 'high' END,
		'because of ' || i, CASE WHEN i % 100 > 0 THEN 1 + i % 3 END FROM generate_series(1, $rows) i;
INSERT INTO lead_features (company_id, features, tenant_id)
	SELECT 100 + i, jsonb_build_object('size', i), 1 + i % 3 FROM generate_series(1, $rows) i;
INSERT INTO enrichment_runs (tenant_id) SELECT 1 + i % 3 FROM generate_series(1, $rows) i`

var tables = []string{"companies", "staging_acra_companies", "lead_scores", "lead_features", "enrichment_runs"}

func main() {
	rows := flag.Int("rows", 205_000, "rows of each table")
	rounds := flag.Int("rounds", 3, "adoptions and copies, of which the median counts")
	flag.Parse()
	if err := measure(context.Background(), *rows, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "adopt:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, rows, rounds int) error {
	platform, err := os.ReadFile("pkg/schema/testdata/platform.sql")
	if err != nil {
		return err
	}
	server, err := pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{"fsync": "on",
		"synchronous_commit": "on", "full_page_writes": "on"}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	if err := run(ctx, server.DSN("postgres"), `CREATE DATABASE model`); err != nil {
		return err
	}
	err = run(ctx, server.DSN("model"), string(platform), strings.ReplaceAll(fill, "$rows", fmt.Sprint(rows)))
	if err != nil {
		return err
	}
	var ours, bare []float64
	for i := range rounds {
		name := fmt.Sprint("round", i)
		err := run(ctx, server.DSN("postgres"), `CREATE DATABASE `+name+` TEMPLATE model`, `CHECKPOINT`)
		if err != nil {
			return err
		}
		began := time.Now()
		for _, t := range tables {
			if err := run(ctx, server.DSN(name), `CREATE TABLE copy_of_`+t+` AS SELECT * FROM `+t); err != nil {
				return err
			}
		}
		bare = append(bare, time.Since(began).Seconds())
		began = time.Now()
		if _, err := schema.Up(ctx, server.DSN(name), schema.Options{FS: migrations.FS}); err != nil {
			return err
		}
		ours = append(ours, time.Since(began).Seconds())
	}
	took := gauge.Median(ours)
	gauge.Figure{Name: "adopt", Ours: took, Ref: gauge.Median(bare), Unit: "s", Reach: 4}.Print()
	gauge.Figure{Name: "adopt_limit", Ours: took, Ref: 60, Unit: "s", Reach: 1}.Print()
	return nil
}

func run(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
