package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

// fewRows is the size of the export to which the memory of a large export is compared.
const fewRows = 1000

// measureMemory measures the peak memory of a full export, by the command and by a new daemon each time.
func (b *bench) measureMemory(ctx context.Context, dsn func(string) string) (err error) {
	b.tenants = 2 // the first has many leads, the second few
	if b.ten, err = createDatabase(ctx, dsn, "flat", func(conn *pgx.Conn) error {
		if err := addCompanies(ctx, conn, b.flat); err != nil {
			return err
		}
		if err := addTenants(ctx, conn, 1, 1, b.flat); err != nil {
			return err
		}
		return addTenants(ctx, conn, 2, 2, fewRows)
	}); err != nil {
		return err
	}
	tokens, stop, err := b.issueTokens(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var command, daemon [2][]float64
	for range b.rounds {
		for i := range 2 {
			_, rss, err := gauge.Run(b.exportCommand(fmt.Sprint(i+1), "flat", 0))
			if err != nil {
				return err
			}
			command[i] = append(command[i], rss)
			if rss, err = b.measureDaemonMemory(tokens.issuer, tokens.byTenant[i]); err != nil {
				return err
			}
			daemon[i] = append(daemon[i], rss)
		}
	}
	name := fmt.Sprintf("-flat-%dk", b.flat/1000)
	gauge.Figure{Name: "export" + name, Ours: gauge.Median(command[0]), Ref: gauge.Median(command[1]), Unit: "MiB",
		Reach: 1.2}.Print()
	gauge.Figure{Name: "export-serve" + name, Ours: gauge.Median(daemon[0]), Ref: gauge.Median(daemon[1]), Unit: "MiB",
		Reach: 1.2}.Print()
	return nil
}

// measureDaemonMemory lets a new daemon send a full export, and returns its peak memory in MiB.
func (b *bench) measureDaemonMemory(issuer, token string) (float64, error) {
	d, err := b.startDaemon(b.ten, issuer)
	if err != nil {
		return 0, err
	}
	defer d.stop()
	if _, err := downloadAll(d.base, token, ""); err != nil {
		return 0, err
	}
	return peakMemory(d.cmd)
}

// peakMemory returns the peak memory of a running process in MiB.
func peakMemory(cmd *exec.Cmd) (mib float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(after, &mib)
	return mib / 1024, err
}
