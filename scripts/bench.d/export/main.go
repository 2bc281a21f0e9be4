// Command export measures exports, by the command and by the API. ../export.sh runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

// bench is one throwaway server with two databases: one with ten tenants and one with many. In both, tenant 1 has all
// of the rows, and every other tenant has one page.
type bench struct {
	leadctl, dir  string
	rows, tenants int
	flat, rounds  int
	countFor      time.Duration
	ten, many     string // DSN of the serving login, for each database
}

const tenTenants = 10

// pageLimit is the limit of the requests to the API.
const pageLimit = 200

func main() {
	var b bench
	flag.StringVar(&b.leadctl, "leadctl", "leadctl", "path of the binary to measure")
	flag.IntVar(&b.rows, "rows", 200_000, "number of rows in the full export")
	flag.IntVar(&b.tenants, "tenants", 10_000, "number of tenants, compared with ten")
	flag.IntVar(&b.flat, "flat", 0, "measure only the memory of an export of this number of rows, against 1,000 rows")
	flag.IntVar(&b.rounds, "rounds", 3, "number of rounds; the figures are medians")
	seconds := flag.Int("seconds", 5, "duration of each measurement of requests, in seconds")
	flag.Parse()
	b.countFor = time.Duration(*seconds) * time.Second
	if err := b.runAll(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench export:", err)
		os.Exit(1)
	}
}

func (b *bench) runAll(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "leadctl-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	server, err := pgtemp.Start(ctx, pgtemp.Options{Durable: true,
		Settings: map[string]string{"max_wal_size": "8GB", "autovacuum": "off", "shared_buffers": "512MB"}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	if b.flat > 0 {
		return b.measureMemory(ctx, server.DSN)
	}
	if b.ten, err = b.prepareDatabase(ctx, server.DSN, "ten", tenTenants); err != nil {
		return err
	}
	if b.many, err = b.prepareDatabase(ctx, server.DSN, "many", b.tenants); err != nil {
		return err
	}
	if err := b.measureWhole(); err != nil {
		return err
	}
	return b.measureAPI(ctx)
}

// prepareDatabase makes a database with tenants, all but the first with one page of leads. It returns the serving DSN.
func (b *bench) prepareDatabase(
	ctx context.Context, dsn func(string) string, name string, tenants int,
) (string, error) {
	return createDatabase(ctx, dsn, name, func(conn *pgx.Conn) error {
		if err := addCompanies(ctx, conn, b.rows); err != nil {
			return err
		}
		if err := addTenants(ctx, conn, 1, 1, b.rows); err != nil {
			return err
		}
		return addTenants(ctx, conn, 2, tenants, pageLimit)
	})
}

func createDatabase(
	ctx context.Context, dsn func(string) string, name string, fill func(*pgx.Conn) error,
) (serving string, err error) {
	conn, err := pgx.Connect(ctx, dsn("postgres"))
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, `CREATE DATABASE `+name)
	conn.Close(ctx)
	if err != nil {
		return "", err
	}
	if serving, err = gauge.Migrated(ctx, dsn(name)); err != nil {
		return "", err
	}
	if conn, err = pgx.Connect(ctx, dsn(name)); err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	return serving, fill(conn)
}

func addCompanies(ctx context.Context, conn *pgx.Conn, n int) error {
	_, err := conn.Exec(ctx, `INSERT INTO companies (uen, name, industry_code, industry_norm, incorporation_year,
			entity_type, entity_status)
		SELECT lpad(i::text, 9, '0') || 'A', 'SYNTHETIC COMPANY ' || i || ', PTE. LTD.', '62011',
			'information and communications', 2015, 'Local Company', 'Live Company'
		FROM generate_series(1, $1::int) i`, n)
	return err
}

// addTenants adds the tenants from to to with leads leads each, like those that scoring makes.
func addTenants(ctx context.Context, conn *pgx.Conn, from, to, leads int) error {
	for _, sql := range []string{
		`INSERT INTO tenants (tenant_id, name) SELECT t, 'Tenant ' || t FROM generate_series($1::int, $2::int) t
			WHERE $3::int > 0`,
		`INSERT INTO lead_features (tenant_id, company_id, features, source)
			SELECT t, i, ` + gauge.SampleFeatures + `, 'leadctl'
			FROM generate_series($1::int, $2::int) t, generate_series(1, $3::int) i`,
		`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source, version)
			SELECT t, i, (i::bigint * 7919 % 10007) / 10007.0, 'high',
				` + gauge.SampleRationale + ` || ', number ' || i, 'leadctl', 'leadctl-1'
			FROM generate_series($1::int, $2::int) t, generate_series(1, $3::int) i`,
	} {
		if _, err := conn.Exec(ctx, sql, from, to, leads); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, `VACUUM ANALYZE`)
	return err
}
