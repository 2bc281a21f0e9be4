package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/wire"
)

func newACRA(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use: "acra", Short: "Load the company register (ACRA)", GroupID: groupLeads,
		Example: "  leadctl acra ingest\n  leadctl acra status --watch\n  leadctl acra rejects",
	}, newACRAIngest(a), newACRAStatus(a), newACRARejects(a))
}

// ingestFlags are the flags of `acra ingest`.
type ingestFlags struct {
	acra.Options
	acra.Choice
	since    string
	statuses []string

	registerOnly bool
}

func newACRAIngest(a *app) *cobra.Command {
	var f ingestFlags
	cmd := &cobra.Command{
		Use:   "ingest [FILE|-]",
		Short: "Load the register into the database",
		Long: "Load the register from data.gov.sg, by bulk download or page by page, or from a CSV file (plain,\n" +
			"gzip or zip; - is stdin). New rows are inserted, changed rows are updated, unchanged rows are only\n" +
			"compared. Rejected rows are kept with line and reason. If the share of rejected rows exceeds\n" +
			"--max-rejects, the run is aborted and the old data stays. --resume continues a run that was stopped.",
		Example: "  leadctl acra ingest\n  leadctl acra ingest register.csv.gz --status all\n" +
			"  curl -s https://files.example/register.csv | leadctl acra ingest -\n" +
			"  leadctl acra ingest --source api --resource d_8575e84912df3c28995b8e6e0e05205a --limit 5000 --dry-run",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.File, f.Stdin = firstArg(args), cmd.InOrStdin()
			report, err := a.ingestACRA(cmd.Context(), f)
			a.printWarnings(report.Notes)
			return errors.Join(err, a.printResultUnless(err, report))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Kind, "source", "", "bulk, api or file; default: file if one is named, else bulk")
	flags.StringSliceVar(&f.Datasets, "resource", nil,
		"dataset IDs of data.gov.sg; default: acra.resource_ids, else all datasets")
	flags.IntVar(&f.PageSize, "page-size", 0, "rows per page of source api, at most 2000; 0 means acra.page_size")
	flags.StringSliceVar(&f.statuses, "status", nil,
		`entity statuses to load; "live" means the three live statuses, "all" loads every row (default live)`)
	flags.StringVar(&f.since, "since", "", "only entities registered on this day or later (2026-01-31)")
	flags.Int64Var(&f.Limit, "limit", 0, "maximum number of rows to read; 0 means all")
	flags.BoolVar(&f.Resume, "resume", false, "continue the latest run of this source if it did not finish")
	flags.BoolVar(&f.DryRun, "dry-run", false, "read and compare, but write nothing")
	flags.BoolVar(&f.Force, "force", false,
		"read a release that is already loaded; accept a register with fewer than half of the rows")
	flags.BoolVar(&f.registerOnly, "register-only", false,
		"do not update companies; the next ingestion or scoring updates them")
	flags.Float64Var(&f.MaxRejects, "max-rejects", acra.DefaultRejects,
		"share of rejected rows (0 to 1) above which the run is aborted")
	return a.addOutputFlag(cmd)
}

// ingestACRA loads the register and then updates the companies, as the scheduled job does.
func (a *app) ingestACRA(ctx context.Context, f ingestFlags) (ingestResult, error) {
	opts, err := a.ingestOptions(ctx, f)
	if err != nil {
		return ingestResult{}, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return ingestResult{}, err
	}
	report, err := a.ingestRegister(ctx, db, opts)
	if err != nil || report.DryRun || f.registerOnly {
		return newIngestResult(report, leads.CompaniesReport{}), err
	}
	queue, err := a.openJobs(ctx, false)
	if err != nil {
		return newIngestResult(report, leads.CompaniesReport{}), err
	}
	companies, err := wire.Companies(ctx, db, queue, report)
	return newIngestResult(report, companies), err
}

func (a *app) ingestRegister(ctx context.Context, db *postgres.DB, opts acra.Options) (acra.Report, error) {
	p := a.newProgress("rows", -1)
	defer p.finish()
	opts.Progress = func(now acra.Progress) {
		p.setTotal(now.Rows())
		p.setDone(now.Read)
	}
	return acra.Ingest(ctx, db, opts)
}

// ingestOptions combines flags and configuration.
func (a *app) ingestOptions(ctx context.Context, f ingestFlags) (opts acra.Options, err error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return opts, err
	}
	f.Service = acra.NewService(cfg.ACRA.APIURL, cfg.ACRA.APIKey)
	if len(f.Datasets) == 0 {
		f.Datasets = cfg.ACRA.ResourceIDs
	}
	if f.PageSize == 0 {
		f.PageSize = cfg.ACRA.PageSize
	}
	opts, opts.Status, opts.By = f.Options, f.statuses, operatorBy("")
	if opts.MaxRejects == 0 {
		opts.MaxRejects = -1 // acra.Options: 0 means the default, negative means none
	}
	if opts.Log, err = a.log(ctx); err != nil {
		return opts, err
	}
	f.Service.Log = opts.Log
	if f.since != "" {
		if opts.Since, err = time.Parse(time.DateOnly, f.since); err != nil {
			return opts, fault.New(fault.Invalid, "--since %q: must be a day such as 2026-01-31", f.since)
		}
	}
	opts.Source, err = acra.Choose(f.Choice)
	return opts, err
}

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
