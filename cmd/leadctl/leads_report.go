package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func newLeadsReport(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Compare the outcomes of a tenant's pushed leads by bucket and by rule",
		Long: "Count the pushed leads of each bucket and each rule that were won, lost, not a fit, or are open.\n" +
			"won_rate is the share of won leads among the closed ones. If the score predicts, high has the highest\n" +
			"rate. The outcomes come from Odoo: see `leadctl odoo feedback`.",
		Example: "  leadctl leads report --tenant 42\n  leadctl leads report --tenant 42 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var lines []leads.ReportLine
			err := a.readTenant(cmd.Context(), ref, "leads.report",
				func(ctx context.Context, tx postgres.TenantTx) (err error) {
					lines, err = leads.Report(ctx, tx)
					return err
				})
			return errors.Join(err, a.printResultUnless(err, lines))
		},
	}
	tenantFlag(cmd, &ref)
	return a.addOutputFlag(cmd)
}
