package main

import (
	"context"
	"errors"
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
			"--max-rejects, the run is aborted and the old data stays. --resume continues a run that was stopped.\n" +
			"A run whose source was not proven to be whole is incomplete: its rows are loaded, no company is marked\n" +
			"absent, and the exit code is not 0. A file proves it with --complete or --expect-rows.",
		Example: "  leadctl acra ingest\n  leadctl acra ingest register.csv.gz --status all\n" +
			"  curl -s https://files.example/register.csv | leadctl acra ingest -\n" +
			"  leadctl acra ingest --source api --resource d_8575e84912df3c28995b8e6e0e05205a --limit 5000 --dry-run",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.File, f.Stdin = firstArg(args), cmd.InOrStdin()
			report, err := a.ingestACRA(cmd.Context(), f)
			a.printWarnings(report.Notes)
			if report.State == acra.StateIncomplete {
				return errors.Join(err, a.printResult(report)) // its rows are loaded
			}
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
		"read a release that is already loaded; accept a register with far fewer rows (acra.max_shrink)")
	flags.BoolVar(&f.Complete, "complete", false,
		"the file is the whole register: mark the companies that it does not have as absent")
	flags.StringSliceVar(&f.Columns, "column", nil,
		"NAME=COLUMN: the source's column NAME is the register's COLUMN; NAME=- ignores it (default acra.columns)")
	flags.Int64Var(&f.ExpectRows, "expect-rows", 0,
		"number of rows of the source; if it has exactly these, a file is the whole register")
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
	if err != nil && report.State != acra.StateIncomplete || report.DryRun || f.registerOnly {
		return newIngestResult(report, leads.CompaniesReport{}), err
	}
	queue, openErr := a.openJobs(ctx, false)
	if openErr != nil {
		return newIngestResult(report, leads.CompaniesReport{}), errors.Join(err, openErr)
	}
	companies, refreshErr := wire.Companies(ctx, db, queue, report)
	return newIngestResult(report, companies), errors.Join(err, refreshErr)
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
	if len(opts.Columns) == 0 {
		opts.Columns = cfg.ACRA.Columns
	}
	opts.MaxShrink = float64(cfg.ACRA.MaxShrink) / 100
	if f.since != "" {
		if opts.Since, err = time.Parse(time.DateOnly, f.since); err != nil {
			return opts, fault.New(fault.Invalid, "--since %q: must be a day such as 2026-01-31", f.since)
		}
	}
	opts.Source, err = acra.Choose(f.Choice)
	return opts, err
}
