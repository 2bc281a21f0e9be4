// Command acra measures register ingestion. ../acra.sh runs it.
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
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

const table = "staging_acra_companies"

func main() {
	rows := flag.Int("rows", 200_000, "number of rows in the register")
	rounds := flag.Int("rounds", 3, "number of rounds; the figures are medians")
	leadctl := flag.String("leadctl", "leadctl", "path of the binary to measure")
	flag.Parse()
	if err := runRounds(context.Background(), *leadctl, *rows, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench acra:", err)
		os.Exit(1)
	}
}

// bench is one throwaway server, and two monthly releases of the register as files.
type bench struct {
	leadctl, first, later string
	psqlDSN, loginDSN     string
	conn                  *pgx.Conn
}

func runRounds(ctx context.Context, leadctl string, rows, rounds int) error {
	dir, err := os.MkdirTemp("", "leadctl-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := pgtemp.Start(ctx,
		pgtemp.Options{Durable: true, Settings: map[string]string{"max_wal_size": "8GB", "autovacuum": "off"}})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	b := bench{leadctl: leadctl, first: filepath.Join(dir, "first.csv"), later: filepath.Join(dir, "later.csv"),
		psqlDSN: server.DSN("postgres")}
	if err := b.prepareInputs(ctx, rows); err != nil {
		return err
	}
	defer b.conn.Close(ctx)
	all := map[string][]float64{}
	for range rounds {
		if err := b.runRound(ctx, all); err != nil {
			return err
		}
	}
	printFigures(rows, all)
	return nil
}

func (b *bench) prepareInputs(ctx context.Context, rows int) (err error) {
	if b.loginDSN, err = gauge.Migrated(ctx, b.psqlDSN); err != nil {
		return err
	}
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

// runRound measures every step once. With several rounds, the reference alternates with leadctl.
func (b *bench) runRound(ctx context.Context, all map[string][]float64) error {
	for _, step := range []struct {
		name  string
		empty bool
		cmd   func() *exec.Cmd
	}{
		{"ref", true, b.copyCommand},
		{"first", true, func() *exec.Cmd { return b.ingestCommand(b.first) }},
		{"again", false, func() *exec.Cmd { return b.ingestCommand(b.first) }},
		{"changed", false, func() *exec.Cmd { return b.ingestCommand(b.later) }},
	} {
		if step.empty {
			if _, err := b.conn.Exec(ctx, `TRUNCATE `+table); err != nil {
				return err
			}
		}
		// The checkpoint writes everything pending to disk, so that no step pays for the writes of another.
		if _, err := b.conn.Exec(ctx, `CHECKPOINT`); err != nil {
			return err
		}
		took, wal, rss, err := b.measureCommand(ctx, step.cmd())
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		all[step.name] = append(all[step.name], took.Seconds())
		all[step.name+" wal"] = append(all[step.name+" wal"], wal)
		all[step.name+" rss"] = append(all[step.name+" rss"], rss)
	}
	return nil
}

func (b *bench) copyCommand() *exec.Cmd {
	columns := strings.Join(acra.Columns(), ", ")
	return exec.Command(gauge.Tool("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c",
		fmt.Sprintf(`\copy %s (%s) from '%s' with (format csv, header)`, table, columns, b.first), b.psqlDSN)
}

func (b *bench) ingestCommand(file string) *exec.Cmd {
	cmd := exec.Command(b.leadctl, "acra", "ingest", file, "--status", "all", "--register-only", "-o", "json")
	cmd.Env = gauge.Env(b.loginDSN)
	return cmd
}

// measureCommand runs a command. It returns the wall time, the WAL that the server wrote meanwhile in MiB, and the
// command's peak memory in MiB.
func (b *bench) measureCommand(ctx context.Context, cmd *exec.Cmd) (took time.Duration, wal, rss float64, err error) {
	var before, after string
	if err = b.conn.QueryRow(ctx, `SELECT pg_current_wal_lsn()::text`).Scan(&before); err != nil {
		return
	}
	if took, rss, err = gauge.Run(cmd); err != nil {
		return
	}
	if err = b.conn.QueryRow(ctx, `SELECT pg_current_wal_lsn()::text`).Scan(&after); err != nil {
		return
	}
	err = b.conn.QueryRow(ctx, `SELECT pg_wal_lsn_diff($1::pg_lsn, $2::pg_lsn)::float8 / 1048576`, after,
		before).Scan(&wal)
	return took, wal, rss, err
}

func printFigures(rows int, all map[string][]float64) {
	line := func(name string, ours, ref, reach float64, unit string) {
		gauge.Figure{Name: fmt.Sprintf("%s-%dk", name, rows/1000), Ours: ours, Ref: ref, Unit: unit,
			Reach: reach}.Print()
	}
	m := func(name string) float64 { return gauge.Median(all[name]) }
	line("acra-first", m("first"), m("ref"), 1.3, "s")
	line("acra-again", m("again"), m("first"), 0.4, "s")
	line("acra-again-wal", m("again wal"), m("first wal"), 0.001, "MiB")
	line("acra-changed", m("changed"), m("first"), 0.6, "s")
	line("acra-rss", slices.Max(append(append(all["first rss"], all["again rss"]...), all["changed rss"]...)), 128, 1,
		"MiB")
}
