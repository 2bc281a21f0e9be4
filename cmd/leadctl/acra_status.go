package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/fault"
)

// runRow is a run in a list. `acra status RUN` shows every field.
type runRow struct {
	ID      int64     `json:"run_id"`
	State   string    `json:"state"`
	Source  string    `json:"source"`
	Started time.Time `json:"started_at"`
	acra.Counts
	Error string `json:"error"`
}

func newACRAStatus(a *app) *cobra.Command {
	var watch bool
	var n int
	cmd := &cobra.Command{
		Use:     "status [RUN]",
		Short:   "List the latest ingestion runs, or show one",
		Example: "  leadctl acra status\n  leadctl acra status 42 -o yaml\n  leadctl acra status --watch",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case n < 1:
				return fault.New(fault.Invalid, "--limit %d: must be 1 or more", n)
			case watch:
				return a.watchRun(cmd.Context())
			case len(args) == 1:
				return a.printRun(cmd.Context(), args[0])
			}
			return a.printRuns(cmd.Context(), n)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the latest run until it ends")
	cmd.Flags().IntVar(&n, "limit", 10, "maximum number of runs")
	return a.addOutputFlag(cmd)
}

func (a *app) printRuns(ctx context.Context, n int) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	runs, err := acra.Runs(ctx, db, n)
	list := make([]runRow, len(runs))
	for i, r := range runs {
		list[i] = runRow{r.ID, r.State, r.Source, r.StartedAt, r.Counts, r.Error}
	}
	return errors.Join(err, a.printResultUnless(err, list))
}

func (a *app) printRun(ctx context.Context, arg string) error {
	id, err := runID(arg)
	if err != nil {
		return err
	}
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	run, err := acra.OneRun(ctx, db, id)
	return errors.Join(err, a.printResultUnless(err, newRunDetail(run)))
}

func (a *app) watchRun(ctx context.Context) error {
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	p := a.newProgress("rows", -1)
	run, err := acra.Watch(ctx, db, func(r acra.Run) { p.setDone(r.Read) })
	p.finish()
	return errors.Join(err, a.printResultUnless(err, newRunDetail(run)))
}

func newACRARejects(a *app) *cobra.Command {
	var run string
	var n int
	cmd := &cobra.Command{
		Use:     "rejects",
		Short:   "List the rows that a run rejected, with line and reason",
		Example: "  leadctl acra rejects\n  leadctl acra rejects --run 42 -o csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.listRejects(cmd.Context(), run, n)
			return errors.Join(err, a.printResultUnless(err, list))
		},
	}
	cmd.Flags().StringVar(&run, "run", "0", "run number; 0 means the latest run")
	cmd.Flags().IntVar(&n, "limit", 100, "maximum number of rows")
	return a.addOutputFlag(cmd)
}

func (a *app) listRejects(ctx context.Context, run string, n int) ([]acra.Reject, error) {
	if n < 1 {
		return nil, fault.New(fault.Invalid, "--limit %d: must be 1 or more", n)
	}
	id, err := runID(run)
	if err != nil {
		return nil, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return nil, err
	}
	return acra.Rejects(ctx, db, id, n)
}

func runID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 0 {
		return 0, fault.New(fault.Invalid, "run %q: must be a run number of 0 or more", s)
	}
	return id, nil
}
