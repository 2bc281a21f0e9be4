// Command export measures exports, whole ones and the API's; see ../export.sh.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/schema"
)

// bench is one throwaway server with leads in two databases: in both tenant 1 has all of the rows and every other tenant
// a page of them; one holds ten tenants, one many.
type bench struct {
	leadctl, dir  string
	rows, tenants int
	rounds        int
	run           time.Duration
	ten, many     string // DSN of the login that serves
}

const tenTenants = 10

// page is the limit of the API's requests.
const page = 200

func main() {
	var b bench
	flag.StringVar(&b.leadctl, "leadctl", "leadctl", "the binary to measure")
	flag.IntVar(&b.rows, "rows", 200_000, "rows of the whole export")
	flag.IntVar(&b.tenants, "tenants", 10_000, "tenants, against ten")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds; the figures are medians")
	seconds := flag.Int("seconds", 5, "how long requests are counted, each time")
	flag.Parse()
	b.run = time.Duration(*seconds) * time.Second
	if err := b.all(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench export:", err)
		os.Exit(1)
	}
}

func (b *bench) all(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "leadctl-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	server, err := pgtemp.Start(ctx, pgtemp.Options{Durable: true, Settings: map[string]string{"max_wal_size": "8GB", "autovacuum": "off", "shared_buffers": "512MB"}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	if b.ten, err = b.prepare(ctx, server.DSN, "ten", tenTenants); err != nil {
		return err
	}
	if b.many, err = b.prepare(ctx, server.DSN, "many", b.tenants); err != nil {
		return err
	}
	if err := b.whole(); err != nil {
		return err
	}
	return b.api(ctx)
}

// prepare makes a database with so many tenants and returns the DSN to serve it by.
func (b *bench) prepare(ctx context.Context, dsn func(string) string, name string, tenants int) (string, error) {
	conn, err := pgx.Connect(ctx, dsn("postgres"))
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, `CREATE DATABASE `+name)
	conn.Close(ctx)
	if err != nil {
		return "", err
	}
	if _, err = schema.Up(ctx, dsn(name), schema.Options{FS: migrations.FS}); err != nil {
		return "", err
	}
	if err = schema.CreateLogin(ctx, dsn(name), "serving", "only for this server"); err != nil {
		return "", err
	}
	if conn, err = pgx.Connect(ctx, dsn(name)); err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err = conn.Exec(ctx, `INSERT INTO companies (uen, name, industry_code, industry_norm, incorporation_year, entity_type, entity_status)
		SELECT lpad(i::text, 9, '0') || 'A', 'SYNTHETIC COMPANY ' || i || ', PTE. LTD.', '62011', 'information and communications', 2015, 'Local Company', 'Live Company'
		FROM generate_series(1, $1::int) i`, b.rows); err != nil {
		return "", err
	}
	if err = addTenants(ctx, conn, 1, 1, b.rows); err != nil {
		return "", err
	}
	return strings.Replace(dsn(name), "leadctl@", "serving@", 1), addTenants(ctx, conn, 2, tenants, page)
}

// addTenants makes tenants from to to with so many leads each, as scoring would.
func addTenants(ctx context.Context, conn *pgx.Conn, from, to, leads int) error {
	for _, sql := range []string{
		`INSERT INTO tenants (tenant_id, name) SELECT t, 'Tenant ' || t FROM generate_series($1::int, $2::int) t WHERE $3::int > 0`,
		`INSERT INTO lead_features (tenant_id, company_id, features, source) SELECT t, i, '{"age": 0.7, "form": 1, "rule": "Software", "size": null, "rule_id": 1, "website": 0, "industry": 1, "keywords": null, "standing": 1}', 'leadctl'
			FROM generate_series($1::int, $2::int) t, generate_series(1, $3::int) i`,
		`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source, version)
			SELECT t, i, (i * 7919 % 10007) / 10007.0, 'high', 'Fits "Software" at 84 of 100: computer programming, information technology consultancy and related activities (SSIC 62011) is the business asked for (35 of 35); incorporated in 2015 (15 of 15); local company (10 of 10); no website known (0 of 5); in good standing (5 of 5), number ' || i, 'leadctl', 'leadctl-1'
			FROM generate_series($1::int, $2::int) t, generate_series(1, $3::int) i`,
	} {
		if _, err := conn.Exec(ctx, sql, from, to, leads); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, `VACUUM ANALYZE`)
	return err
}

// statement is what an export asks of the database, written down a second time on purpose: the reference is bare SQL.
const statement = columns + `lead_scores` + joins + order

// pageStatement is the same for a page, in the form that costs the database least: the limit inside, each row looked up,
// contacts only where the tenant has any.
func pageStatement() string {
	return columns + fmt.Sprintf(`(SELECT * FROM lead_scores ORDER BY score DESC NULLS LAST, company_id LIMIT %d) s
 LEFT JOIN LATERAL (SELECT * FROM companies c WHERE c.company_id = s.company_id OFFSET 0) c ON true
 LEFT JOIN LATERAL (SELECT * FROM contacts k WHERE k.company_id = s.company_id AND (SELECT EXISTS (SELECT FROM contacts)) ORDER BY k.updated_at DESC, k.contact_id LIMIT 1) k ON true
 LEFT JOIN LATERAL (SELECT * FROM lead_emails e WHERE e.company_id = s.company_id AND e.status <> 'invalid' AND (SELECT EXISTS (SELECT FROM lead_emails)) ORDER BY e.is_primary DESC, e.updated_at DESC, e.email LIMIT 1) e ON true`, page) + order
}

const columns = `SELECT s.company_id, c.name, c.website_domain, c.industry_norm, c.employees_est, s.score, s.bucket, s.rationale,
 coalesce(e.email, k.email) AS primary_email, k.name AS contact_name, k.title AS contact_title, k.linkedin AS contact_linkedin, k.phone AS contact_phone
 FROM `

const joins = ` s LEFT JOIN companies c ON c.company_id = s.company_id
 LEFT JOIN (SELECT DISTINCT ON (company_id) * FROM contacts ORDER BY company_id, updated_at DESC, contact_id) k ON k.company_id = s.company_id
 LEFT JOIN (SELECT DISTINCT ON (company_id) * FROM lead_emails WHERE status <> 'invalid' ORDER BY company_id, is_primary DESC, updated_at DESC, email) e ON e.company_id = s.company_id`

const order = `
 ORDER BY s.score DESC NULLS LAST, s.company_id`

// asTenant begins what a request begins, for a tenant that psql and pgbench fill in.
func asTenant(tenant, more string) string {
	return `BEGIN; SELECT set_config('request.tenant_id', ` + tenant + `, true), set_config('role', 'leadctl_app', true)` + more + `;`
}

// whole measures the export of everything, and what memory it takes at a tenth of the rows.
func (b *bench) whole() error {
	all := map[string][]float64{}
	for range b.rounds {
		for name, cmd := range map[string]*exec.Cmd{"ref": b.copy(), "ours": b.export(b.rows), "tenth": b.export(b.rows / 10)} {
			took, rss, err := measure(cmd)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			all[name] = append(all[name], took.Seconds())
			all[name+" rss"] = append(all[name+" rss"], rss)
		}
	}
	if err := b.sameRows(); err != nil {
		return err
	}
	suffix := fmt.Sprintf("-%dk", b.rows/1000)
	line("export-csv"+suffix, median(all["ours"]), median(all["ref"]), 1.3, "s", false)
	line("export-rss"+suffix, median(all["ours rss"]), median(all["tenth rss"]), 1.2, "MiB", false)
	return nil
}

func (b *bench) file(name string) string { return filepath.Join(b.dir, name+".csv") }

func (b *bench) copy() *exec.Cmd {
	script := asTenant("'1'", "") + "\n\\copy (" + strings.ReplaceAll(statement, "\n", "") + ") to '" + b.file("ref") + "' with (format csv, header)\nCOMMIT;"
	cmd := exec.Command(postgresTool("psql"), "-X", "-q", "-o", os.DevNull, "-v", "ON_ERROR_STOP=1", b.ten)
	cmd.Stdin = strings.NewReader(script)
	return cmd
}

func (b *bench) export(limit int) *exec.Cmd {
	name := "ours"
	if limit < b.rows {
		name = "tenth"
	}
	cmd := exec.Command(b.leadctl, "export", "scores", "--tenant", "1", "--format", "csv", "--out", b.file(name), "--limit", fmt.Sprint(limit%b.rows)) // 0 is all
	cmd.Env = env(b.ten)
	return cmd
}

func env(dsn string) []string {
	return append(os.Environ(), "POSTGRES_DSN="+dsn, "LEADCTL_ENV=development")
}

// sameRows holds ours to the reference: line ends and nothing else may differ.
func (b *bench) sameRows() error {
	ours, err := os.ReadFile(b.file("ours"))
	if err != nil {
		return err
	}
	ref, err := os.ReadFile(b.file("ref"))
	if err == nil && strings.ReplaceAll(string(ours), "\r\n", "\n") != string(ref) {
		err = fmt.Errorf("the export differs from psql's")
	}
	return err
}

// measure runs a command and tells its wall time and its highest memory in MiB.
func measure(cmd *exec.Cmd) (time.Duration, float64, error) {
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		return took, 0, fmt.Errorf("%w: %s", err, out)
	}
	rss := 0.0
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rss = float64(usage.Maxrss) / 1024
	}
	return took, rss, nil
}

// postgresTool is the system's psql or pgbench, wherever it keeps it.
func postgresTool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Sort(found)
	return append([]string{name}, found...)[len(found)]
}

// line prints a figure. more says that ours should be the greater.
func line(name string, ours, ref, reach float64, unit string, more bool) {
	verdict := "short"
	if ours/ref <= reach && !more || ours/ref >= reach && more {
		verdict = "ok"
	}
	fmt.Printf("bench %s ours=%.4g%s ref=%.4g%s ratio=%.3g reach=%g %s\n", name, ours, unit, ref, unit, ours/ref, reach, verdict)
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
