package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func newExport(a *app) *cobra.Command {
	return groupCommand(&cobra.Command{
		Use:     "export",
		Short:   "Write a tenant's data to a file",
		GroupID: groupLeads,
		Example: "  leadctl export scores --tenant 42 --format csv --out leads.csv",
	}, newExportScores(a))
}

func newExportScores(a *app) *cobra.Command {
	var ref, format, out string
	var chosen filterFlags
	var o leads.ExportOptions
	cmd := &cobra.Command{
		Use:   "scores",
		Short: "Write a tenant's scored leads, best first",
		Long: "Write a tenant's scored leads, best first. The bytes are those of GET /export/latest_scores. The\n" +
			"file appears when it is complete. Only its owner can read it. In CSV, text that a spreadsheet could\n" +
			"run as a formula is prefixed with an apostrophe; docs/scoring.md says how to remove it, and lists\n" +
			"the columns.",
		Example: "  leadctl export scores --tenant 42 --format csv --out leads.csv\n" +
			"  leadctl export scores --tenant 42 --columns uen,name,score --bom --out excel.csv\n" +
			"  leadctl export scores --tenant 42 --format ndjson | jq .name",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Filter, err = chosen.parseFilter(); err != nil {
				return err
			}
			o.Format = leads.Format(format)
			return a.exportScores(cmd.Context(), ref, out, o)
		},
	}
	tenantFlag(cmd, &ref)
	chosen.addFlags(cmd)
	cmd.Flags().StringVar(&format, "format", string(leads.CSV), "csv, json or ndjson")
	cmd.Flags().StringVar(&out, "out", "-", "file to write; - is stdout")
	cmd.Flags().IntVar(&o.Limit, "limit", leads.All, "maximum number of leads; 0 means all")
	cmd.Flags().StringSliceVar(&o.Columns, "columns", nil,
		"columns to write, in this order (default: company_id to crm_lost_reason)")
	cmd.Flags().BoolVar(&o.BOM, "bom", false, "begin a CSV with a byte order mark, so that Excel reads it as UTF-8")
	return cmd
}

// exportScores writes the export to stdout or to the file that out names.
func (a *app) exportScores(ctx context.Context, ref, out string, o leads.ExportOptions) error {
	var done leads.Exported
	write := func(w io.Writer) (err error) {
		done, err = a.streamScores(ctx, ref, w, o)
		return err
	}
	if out == "-" {
		return write(a.stdout)
	}
	if err := writeAtomically(out, write); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%d leads written to %s\n", done.Rows, stripControls(out))
	return nil
}

// streamScores records the export in the audit log and then writes it to w.
func (a *app) streamScores(
	ctx context.Context, ref string, w io.Writer, o leads.ExportOptions,
) (done leads.Exported, err error) {
	id, err := a.findTenant(ctx, ref, "export.scores", false)
	if err != nil {
		return done, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return done, err
	}
	err = db.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		return leads.RecordExport(ctx, tx, o, operatorBy(""))
	})
	if err != nil {
		return done, err
	}
	err = db.ReadTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		done, err = leads.Export(ctx, tx, w, o)
		return err
	})
	return done, err
}
