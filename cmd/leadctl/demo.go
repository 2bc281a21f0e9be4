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

func newDemo(a *app) *cobra.Command {
	var opts demo.Options
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "See all of it work in a minute, with nothing installed but this program",
		GroupID: groupServer,
		Long: "Start a throwaway PostgreSQL, an identity provider and an Odoo stand-in, ingest synthetic register rows, sign two people in and\n" +
			"show that each finds their own leads and nobody else's. Then stay up to be tried. Nothing is left when it ends.",
		Example: "  leadctl demo\n  leadctl demo --once",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.Once, "once", false, "end after the story")
	cmd.Flags().IntVar(&opts.Rows, "rows", 3000, "synthetic register rows")
	config.AddFlags(cmd.Flags(), "api.listen")
	return cmd
}

// demo prints its story to stdout: it is the command's result.
func (a *app) demo(ctx context.Context, opts demo.Options) (err error) {
	if opts.Config, err = a.config(ctx); err != nil {
		return err
	}
	opts.Version = buildVersion().Version
	out := newStyle(a.stdout)
	opts.Say = func(line string) { fmt.Fprintln(a.stdout, line) }
	opts.Act = func(title, outcome string, took time.Duration, err error) {
		mark := out.good("✓")
		if err != nil {
			mark, outcome = out.bad("✗"), printable(err.Error())
		}
		outcome = strings.ReplaceAll(outcome, "\n", "\n"+strings.Repeat(" ", 32))
		fmt.Fprintf(a.stdout, "%s %-20s %s  %s\n", mark, title, out.dim(fmt.Sprintf("%7s", took.Round(time.Millisecond))), outcome)
	}
	return demo.Run(ctx, opts)
}
