// Command export measures exports, whole ones and the API's; see ../export.sh.
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

// bench is one throwaway server with leads in two databases: in both tenant 1 has all of the rows and every other tenant
// a page of them; one holds ten tenants, one many.
type bench struct {
	leadctl, dir  string
	rows, tenants int
	flat, rounds  int
	countFor      time.Duration
	ten, many     string // DSN of the login that serves
}

const tenTenants = 10

// pageLimit is the limit of the API's requests.
const pageLimit = 200

func main() {
	var b bench
	flag.StringVar(&b.leadctl, "leadctl", "leadctl", "the binary to measure")
	flag.IntVar(&b.rows, "rows", 200_000, "rows of the whole export")
	flag.IntVar(&b.tenants, "tenants", 10_000, "tenants, against ten")
	flag.IntVar(&b.flat, "flat", 0, "measure only the memory of an export of so many rows, against one of 1,000")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds; the figures are medians")
	seconds := flag.Int("seconds", 5, "how long requests are counted, each time")
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
	server, err := pgtemp.Start(ctx, pgtemp.Options{Durable: true, Settings: map[string]string{"max_wal_size": "8GB", "autovacuum": "off", "shared_buffers": "512MB"}})
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

// prepareDatabase makes a database with so many tenants, all but the first with a page of leads, and returns the DSN to serve it by.
func (b *bench) prepareDatabase(ctx context.Context, dsn func(string) string, name string, tenants int) (string, error) {
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

func createDatabase(ctx context.Context, dsn func(string) string, name string, fill func(*pgx.Conn) error) (serving string, err error) {
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
	_, err := conn.Exec(ctx, `INSERT INTO companies (uen, name, industry_code, industry_norm, incorporation_year, entity_type, entity_status)
		SELECT lpad(i::text, 9, '0') || 'A', 'SYNTHETIC COMPANY ' || i || ', PTE. LTD.', '62011', 'information and communications', 2015, 'Local Company', 'Live Company'
		FROM generate_series(1, $1::int) i`, n)
	return err
}

// addTenants makes tenants from to to with so many leads each, as scoring would.
func addTenants(ctx context.Context, conn *pgx.Conn, from, to, leads int) error {
	for _, sql := range []string{
		`INSERT INTO tenants (tenant_id, name) SELECT t, 'Tenant ' || t FROM generate_series($1::int, $2::int) t WHERE $3::int > 0`,
		`INSERT INTO lead_features (tenant_id, company_id, features, source) SELECT t, i, '{"age": 0.7, "form": 1, "rule": "Software", "size": null, "rule_id": 1, "website": 0, "industry": 1, "keywords": null, "standing": 1}', 'leadctl'
			FROM generate_series($1::int, $2::int) t, generate_series(1, $3::int) i`,
		`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source, version)
			SELECT t, i, (i::bigint * 7919 % 10007) / 10007.0, 'high', 'Fits "Software" at 84 of 100: computer programming, information technology consultancy and related activities (SSIC 62011) is the business asked for (35 of 35); incorporated in 2015 (15 of 15); local company (10 of 10); no website known (0 of 5); in good standing (5 of 5), number ' || i, 'leadctl', 'leadctl-1'
			FROM generate_series($1::int, $2::int) t, generate_series(1, $3::int) i`,
	} {
		if _, err := conn.Exec(ctx, sql, from, to, leads); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, `VACUUM ANALYZE`)
	return err
}
