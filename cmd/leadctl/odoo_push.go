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
	var limit int
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Push a tenant's scored leads to its Odoo CRM",
		Long: "Push a tenant's scored leads to its Odoo CRM, best first. Each company gets a contact and an\n" +
			"opportunity (or a lead: odoo.lead_type). Later pushes write what changed, and keep what salespeople\n" +
			"changed. A lead that a person deleted in Odoo is skipped, unless you give --again. Leads that no\n" +
			"longer fit are archived; if a person works on one, it gets a tag instead. A push that was stopped\n" +
			"continues with the remaining leads. `leadctl odoo policy` says which leads are pushed, and how many.\n" +
			"`leadctl serve` pushes after each scoring.",
		Example: "  leadctl odoo push --tenant 42\n  leadctl odoo push --tenant 42 --bucket high --limit 100 --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("limit") {
				opts.Limit = &limit
			}
			sum, err := a.pushLeads(cmd.Context(), ref, opts)
			if sum.Leads == 0 && err != nil {
				return err
			}
			return errors.Join(a.printResult(sum), err, refusedLeads(sum))
		},
	}
	tenantFlag(cmd, &ref)
	cmd.Flags().StringVar(&opts.Bucket, "bucket", "", "only leads in this bucket: high, medium or low")
	cmd.Flags().IntVar(&limit, "limit", 0,
		"push the best leads, at most this number, whatever the CRM holds; 0 means all; the policy if not given")
	cmd.Flags().BoolVar(&opts.Again, "again", false, "also push leads that were deleted in Odoo")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "compare and count, but write nothing")
	return a.addOutputFlag(cmd)
}

func (a *app) pushLeads(ctx context.Context, ref string, opts workspace.PushOptions) (sum workspace.Pushed, err error) {
	if opts.Limit != nil && *opts.Limit < 0 {
		return sum, fault.New(fault.Invalid, "--limit %d: must be 0 or more", *opts.Limit)
	}
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return sum, err
	}
	if _, err := spaces.Current(ctx, t.ID); err != nil {
		return sum, err
	}
	bar := a.newProgress("leads", -1)
	sum, err = spaces.Push(ctx, t.ID, opts, operatorBy(""), func(p workspace.Pushed) { bar.setDone(p.Leads) })
	bar.finish()
	if sum.Waiting > 0 {
		a.printNotice("%d leads wait, because the CRM has all that its policy allows: "+
			"`leadctl odoo policy --tenant %s --max N` allows more", sum.Waiting, t.ID)
	}
	return sum, err
}

// refusedLeads returns an error if Odoo rejected some of the leads.
func refusedLeads(sum workspace.Pushed) error {
	if sum.Failed == 0 {
		return nil
	}
	return fault.New(fault.Unprocessable, "%d of %d leads: not pushed; the first error: %s",
		sum.Failed, sum.Leads, sum.Reasons[0])
}
