package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func newOdooPush(a *app) *cobra.Command {
	var ref string
	var opts workspace.PushOptions
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Bring a tenant's scored leads into its Odoo CRM",
		Long: "Bring a tenant's scored leads into its Odoo CRM, best first: a contact and a lead for each company. What is there is compared first,\n" +
			"and only leadctl's own fields are written: names, stages and contact details that salespeople changed stay. A run that is stopped\n" +
			"goes on where there is something left. `leadctl serve` does the same after each scoring.",
		Example: "  leadctl odoo push --tenant 42\n  leadctl odoo push --tenant 42 --bucket high --limit 100 --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sum, err := a.pushLeads(cmd.Context(), ref, opts)
			if sum.Leads == 0 && err != nil {
				return err
			}
			return errors.Join(a.printResult(sum), err, refusedLeads(sum))
		},
	}
	tenantFlag(cmd, &ref)
	cmd.Flags().StringVar(&opts.Bucket, "bucket", "", "high, medium or low leads only")
	cmd.Flags().IntVar(&opts.Limit, "limit", 0, "the best so many; 0 means all")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "compare and count, and write nothing")
	return a.addOutputFlag(cmd)
}

func (a *app) pushLeads(ctx context.Context, ref string, opts workspace.PushOptions) (sum workspace.Pushed, err error) {
	if opts.Limit < 0 {
		return sum, fault.New(fault.Invalid, "limit %d: below 0", opts.Limit)
	}
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return sum, err
	}
	if _, err := spaces.Current(ctx, t.ID); err != nil {
		return sum, err
	}
	bar := a.newProgress("leads", -1)
	defer bar.finish()
	return spaces.Push(ctx, t.ID, opts, operatorBy(""), func(p workspace.Pushed) { bar.setDone(p.Leads) })
}

func refusedLeads(sum workspace.Pushed) error {
	if sum.Failed == 0 {
		return nil
	}
	return fault.New(fault.Unprocessable, "%d of %d leads: not pushed, first %s", sum.Failed, sum.Leads, sum.Reasons[0])
}
