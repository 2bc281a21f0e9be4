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
		Short: "Push a tenant's scored leads to its Odoo CRM",
		Long: "Push a tenant's scored leads to its Odoo CRM, best first. Each company gets a contact and a lead.\n" +
			"Existing records are compared first, and only leadctl's own fields are written: names, stages and\n" +
			"contact details that salespeople changed stay. A push that was stopped continues with the remaining\n" +
			"leads. `leadctl serve` pushes after each scoring.",
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
	cmd.Flags().StringVar(&opts.Bucket, "bucket", "", "only leads in this bucket: high, medium or low")
	cmd.Flags().IntVar(&opts.Limit, "limit", 0, "maximum number of leads, best first; 0 means all")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "compare and count, but write nothing")
	return a.addOutputFlag(cmd)
}

func (a *app) pushLeads(ctx context.Context, ref string, opts workspace.PushOptions) (sum workspace.Pushed, err error) {
	if opts.Limit < 0 {
		return sum, fault.New(fault.Invalid, "--limit %d: must be 0 or more", opts.Limit)
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

// refusedLeads returns an error if Odoo rejected some of the leads.
func refusedLeads(sum workspace.Pushed) error {
	if sum.Failed == 0 {
		return nil
	}
	return fault.New(fault.Unprocessable, "%d of %d leads: not pushed; the first error: %s",
		sum.Failed, sum.Leads, sum.Reasons[0])
}
