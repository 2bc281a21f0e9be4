package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/workspace"
)

func newOdooFeedback(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "feedback",
		Short: "Read which pushed leads were won, lost or not a fit",
		Long: "Read from a tenant's Odoo CRM what became of the pushed leads since the last reading, and count the\n" +
			"outcomes that changed. `leadctl serve` does this every 15 minutes. A company that salespeople close\n" +
			"with the lost reason \"Not a fit\" is not pushed again. `leadctl leads report` sums up the outcomes.",
		Example: "  leadctl odoo feedback --tenant 42",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sum, err := a.readFeedback(cmd.Context(), ref)
			return errors.Join(err, a.printResultUnless(err, sum))
		},
	}
	tenantFlag(cmd, &ref)
	return a.addOutputFlag(cmd)
}

func (a *app) readFeedback(ctx context.Context, ref string) (workspace.FeedbackCounts, error) {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return workspace.FeedbackCounts{}, err
	}
	return spaces.Feedback(ctx, t.ID, operatorBy(""))
}
