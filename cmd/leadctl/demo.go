//go:build !nodemo

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/demo"
)

// demoExample is the line about the demo in the examples of `leadctl --help`.
const demoExample = "  leadctl demo\n"

// newDemo is not in the packages and the image. They are built with tag nodemo, which selects demo_absent.go.
func newDemo(a *app) *cobra.Command {
	var opts demo.Options
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Run everything for a trial, with nothing installed but this program",
		GroupID: groupServer,
		Long: "Start a temporary PostgreSQL, an identity provider and an Odoo stand-in, ingest synthetic register\n" +
			"rows, sign in two people and show that each sees only the leads of their own tenant. Then keep\n" +
			"serving until Ctrl-C. All temporary data is deleted at the end. Settings that name a database, an\n" +
			"Odoo server or another system are ignored. Debian and RPM packages and the container image do not\n" +
			"contain the demo.",
		Example: "  leadctl demo\n  leadctl demo --once",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runDemo(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.Once, "once", false, "exit when the last step is done, do not keep serving")
	cmd.Flags().IntVar(&opts.Rows, "rows", 3000, "number of synthetic register rows")
	config.AddFlags(cmd.Flags(), "api.listen")
	return cmd
}

// runDemo prints each step to stdout, because the steps are the command's result.
func (a *app) runDemo(ctx context.Context, opts demo.Options) error {
	cfg, _ := a.config(ctx) // an error in a setting that the demo ignores must not stop it
	if ignored := demo.Ignored(cfg); len(ignored) > 0 {
		a.printWarnings([]string{"the demo uses only systems of its own and ignores " + strings.Join(ignored, ", ")})
	}
	opts.Listen, opts.Version = cfg.API.Listen, buildVersion().Version
	out := newStyle(a.stdout)
	opts.Print = func(line string) { fmt.Fprintln(a.stdout, line) }
	opts.Step = func(title, outcome string, took time.Duration, err error) {
		mark := out.good("✓")
		if err != nil {
			mark, outcome = out.bad("✗"), stripControls(err.Error())
		}
		outcome = strings.ReplaceAll(outcome, "\n", "\n"+strings.Repeat(" ", 32))
		duration := out.dim(fmt.Sprintf("%7s", took.Round(time.Millisecond)))
		fmt.Fprintf(a.stdout, "%s %-20s %s  %s\n", mark, title, duration, outcome)
	}
	return demo.Run(ctx, opts)
}
