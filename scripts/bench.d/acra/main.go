// Command acra measures register ingestion; see ../acra.sh.
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
	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/schema"
)

const table = "staging_acra_companies"

func main() {
	rows := flag.Int("rows", 200_000, "rows of the register")
	rounds := flag.Int("rounds", 3, "rounds; the figures are medians")
	leadctl := flag.String("leadctl", "leadctl", "the binary to measure")
	flag.Parse()
	if err := run(context.Background(), *leadctl, *rows, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench acra:", err)
		os.Exit(1)
	}
}

// bench is one throwaway server with two months of the register beside it.
type bench struct {
	leadctl, first, later string
	psqlDSN, loginDSN     string
	conn                  *pgx.Conn
}

func run(ctx context.Context, leadctl string, rows, rounds int) error {
	dir, err := os.MkdirTemp("", "leadctl-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := pgtemp.Start(ctx, pgtemp.Options{Durable: true, Settings: map[string]string{"max_wal_size": "8GB", "autovacuum": "off"}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	b := bench{leadctl: leadctl, first: filepath.Join(dir, "first.csv"), later: filepath.Join(dir, "later.csv"), psqlDSN: server.DSN("postgres")}
	if err := b.prepare(ctx, rows); err != nil {
		return err
	}
	defer b.conn.Close(ctx)
	all := map[string][]float64{}
	for range rounds {
		if err := b.round(ctx, all); err != nil {
			return err
		}
	}
	report(rows, all)
	return nil
}

func (b *bench) prepare(ctx context.Context, rows int) (err error) {
	if _, err = schema.Up(ctx, b.psqlDSN, schema.Options{FS: migrations.FS}); err != nil {
		return err
	}
	const password = "only for this server"
	if err = schema.CreateLogin(ctx, b.psqlDSN, "serving", password); err != nil {
		return err
	}
	b.loginDSN = strings.Replace(b.psqlDSN, "leadctl@", "serving@", 1)
	for path, opts := range map[string]acragen.Options{b.first: {}, b.later: {Changed: 0.01}} {
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		if _, err = acragen.Write(file, rows, 1, opts); err != nil {
			return err
		}
		if err = file.Close(); err != nil {
			return err
		}
	}
	b.conn, err = pgx.Connect(ctx, b.psqlDSN)
	return err
}

// round measures everything once, the reference in turn before and after ours.
func (b *bench) round(ctx context.Context, all map[string][]float64) error {
	for _, step := range []struct {
		name  string
		empty bool
		cmd   func() *exec.Cmd
	}{
		{"ref", true, b.copy},
		{"first", true, func() *exec.Cmd { return b.ingest(b.first) }},
		{"again", false, func() *exec.Cmd { return b.ingest(b.first) }},
		{"changed", false, func() *exec.Cmd { return b.ingest(b.later) }},
	} {
		if step.empty {
			if _, err := b.conn.Exec(ctx, `TRUNCATE `+table); err != nil {
				return err
			}
		}
		// Everything pending goes to disk first, so that nobody pays for another's writes.
		if _, err := b.conn.Exec(ctx, `CHECKPOINT`); err != nil {
			return err
		}
		took, wal, rss, err := b.measure(ctx, step.cmd())
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		all[step.name] = append(all[step.name], took.Seconds())
		all[step.name+" wal"] = append(all[step.name+" wal"], wal)
		all[step.name+" rss"] = append(all[step.name+" rss"], rss)
	}
	return nil
}

func (b *bench) copy() *exec.Cmd {
	columns := strings.Join(acra.Columns(), ", ")
	return exec.Command(psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c",
		fmt.Sprintf(`\copy %s (%s) from '%s' with (format csv, header)`, table, columns, b.first), b.psqlDSN)
}

// psql is the system's, wherever it keeps it.
func psql() string {
	if path, err := exec.LookPath("psql"); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	slices.Sort(found)
	return append([]string{"psql"}, found...)[len(found)]
}

func (b *bench) ingest(file string) *exec.Cmd {
	cmd := exec.Command(b.leadctl, "acra", "ingest", file, "--status", "all", "--register-only", "-o", "json")
	cmd.Env = append(os.Environ(), "POSTGRES_DSN="+b.loginDSN, "LEADCTL_ENV=development")
	return cmd
}

// measure runs a command and tells its wall time, the WAL in bytes that the server wrote meanwhile and the command's
// highest memory in bytes.
func (b *bench) measure(ctx context.Context, cmd *exec.Cmd) (took time.Duration, wal, rss float64, err error) {
	var before, after string
	if err = b.conn.QueryRow(ctx, `SELECT pg_current_wal_lsn()::text`).Scan(&before); err != nil {
		return
	}
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took = time.Since(start)
	if err != nil {
		return took, 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	if err = b.conn.QueryRow(ctx, `SELECT pg_current_wal_lsn()::text`).Scan(&after); err != nil {
		return
	}
	err = b.conn.QueryRow(ctx, `SELECT pg_wal_lsn_diff($1::pg_lsn, $2::pg_lsn)::float8`, after, before).Scan(&wal)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rss = float64(usage.Maxrss) * 1024
	}
	return took, wal, rss, err
}

func report(rows int, all map[string][]float64) {
	suffix := fmt.Sprintf("-%dk", rows/1000)
	seconds := func(x float64) string { return fmt.Sprintf("%.2fs", x) }
	mib := func(x float64) string { return fmt.Sprintf("%.1fMiB", x/(1<<20)) }
	line := func(name string, ours, ref, reach float64, unit func(float64) string) {
		verdict := "short"
		if ours/ref <= reach {
			verdict = "ok"
		}
		fmt.Printf("bench %s%s ours=%s ref=%s ratio=%.3g reach=%g %s\n", name, suffix, unit(ours), unit(ref), ours/ref, reach, verdict)
	}
	m := func(name string) float64 { return median(all[name]) }
	line("acra-first", m("first"), m("ref"), 1.3, seconds)
	line("acra-again", m("again"), m("first"), 0.4, seconds)
	line("acra-again-wal", m("again wal"), m("first wal"), 0.001, mib)
	line("acra-changed", m("changed"), m("first"), 0.6, seconds)
	line("acra-rss", slices.Max(append(append(all["first rss"], all["again rss"]...), all["changed rss"]...)), 128<<20, 1, mib)
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
