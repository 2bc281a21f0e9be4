package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

// measureWhole measures a full export, and its memory against that of an export of a tenth of the rows.
func (b *bench) measureWhole() error {
	all := map[string][]float64{}
	for range b.rounds {
		for name, cmd := range map[string]*exec.Cmd{"ref": b.copyCommand(), "ours": b.exportLimited(b.rows),
			"tenth": b.exportLimited(b.rows / 10)} {
			took, rss, err := gauge.Run(cmd)
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
	gauge.Figure{Name: "export-csv" + suffix, Ours: gauge.Median(all["ours"]), Ref: gauge.Median(all["ref"]), Unit: "s",
		Reach: 1.3}.Print()
	gauge.Figure{Name: "export-rss" + suffix, Ours: gauge.Median(all["ours rss"]), Ref: gauge.Median(all["tenth rss"]),
		Unit: "MiB", Reach: 1.2}.Print()
	return nil
}

func (b *bench) csvFile(name string) string { return filepath.Join(b.dir, name+".csv") }

func (b *bench) copyCommand() *exec.Cmd {
	script := asTenant("'1'", "") + "\n\\copy (" + strings.ReplaceAll(exportStatement, "\n", "") + ") to '" +
		b.csvFile("ref") + "' with (format csv, header)\nCOMMIT;"
	cmd := exec.Command(gauge.Tool("psql"), "-X", "-q", "-o", os.DevNull, "-v", "ON_ERROR_STOP=1", b.ten)
	cmd.Stdin = strings.NewReader(script)
	return cmd
}

func (b *bench) exportLimited(limit int) *exec.Cmd {
	name := "ours"
	if limit < b.rows {
		name = "tenth"
	}
	return b.exportCommand("1", name, limit%b.rows)
}

// exportCommand exports at most limit leads of a tenant to a file; limit 0 means all.
func (b *bench) exportCommand(tenant, file string, limit int) *exec.Cmd {
	cmd := exec.Command(b.leadctl, "export", "scores", "--tenant", tenant, "--format", "csv", "--out", b.csvFile(file),
		"--limit", fmt.Sprint(limit))
	cmd.Env = gauge.Env(b.ten)
	return cmd
}

// sameRows compares the export with the reference. Only line ends may differ.
func (b *bench) sameRows() error {
	ours, err := os.ReadFile(b.csvFile("ours"))
	if err != nil {
		return err
	}
	ref, err := os.ReadFile(b.csvFile("ref"))
	if err == nil && strings.ReplaceAll(string(ours), "\r\n", "\n") != string(ref) {
		err = fmt.Errorf("the export differs from psql's output")
	}
	return err
}
