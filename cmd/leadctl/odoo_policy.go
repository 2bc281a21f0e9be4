package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// policyFlags are the values that a change of the policy sets, if their flags are given.
type policyFlags struct {
	buckets       []string
	most          int
	whenFull      string
	pause, resume bool
	reason        string
	assign        string
}

func newOdooPolicy(a *app) *cobra.Command {
	var ref string
	var f policyFlags
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Show or change which leads a tenant's CRM gets",
		Long: "Show which leads a tenant's CRM gets, or change it with flags. A change takes effect at the next\n" +
			"push. --max is the number of pushed leads in the CRM at a time. When the CRM has that many, new leads\n" +
			"wait until one is withdrawn or deleted; with --when-full replace, pushed leads with a lower score that\n" +
			"no person works on are archived instead. With --assign round_robin, new leads go to the salespeople of\n" +
			"the sales team in turn. The settings odoo.push_limit and odoo.assign apply to tenants without values\n" +
			"of their own.",
		Example: "  leadctl odoo policy --tenant 42\n" +
			"  leadctl odoo policy --tenant 42 --buckets high,medium --max 300 --when-full replace\n" +
			"  leadctl odoo policy --tenant 42 --pause --reason 'until the pipeline is set up'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.reason != "" && !f.pause {
				return fault.New(fault.Invalid, "--reason %q: says why pushes are paused, and --pause is not set",
					f.reason).WithHint("add --pause")
			}
			policy, err := a.odooPolicy(cmd.Context(), ref, f.change(cmd))
			return errors.Join(err, a.printResultUnless(err, policy))
		},
	}
	tenantFlag(cmd, &ref)
	cmd.Flags().StringSliceVar(&f.buckets, "buckets", nil, "buckets to push, separated by commas: high, medium, low")
	cmd.Flags().IntVar(&f.most, "max", 0, "maximum number of pushed leads in the CRM; 0 means no limit")
	cmd.Flags().StringVar(&f.whenFull, "when-full", "",
		"what a new lead does when the CRM has the maximum: wait or replace")
	cmd.Flags().StringVar(&f.assign, "assign", "",
		"to whom new leads belong: none (no person) or round_robin (the team's salespeople in turn)")
	cmd.Flags().BoolVar(&f.pause, "pause", false, "push nothing until --resume")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "push again")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why pushes are paused, for the people of the tenant")
	cmd.MarkFlagsMutuallyExclusive("pause", "resume")
	return a.addOutputFlag(cmd)
}

// change returns the change that the given flags make; nil if none is given.
func (f *policyFlags) change(cmd *cobra.Command) *workspace.PolicyChange {
	given := cmd.Flags().Changed
	c := workspace.PolicyChange{Buckets: f.buckets}
	if given("max") {
		c.MaxLeads = &f.most
	}
	if given("when-full") {
		when := workspace.WhenFull(f.whenFull)
		c.WhenFull = &when
	}
	if given("assign") {
		assign := crm.Assign(f.assign)
		c.Assign = &assign
	}
	if f.pause || f.resume {
		c.Paused, c.Reason = &f.pause, f.reason
	}
	if c.MaxLeads == nil && c.WhenFull == nil && c.Assign == nil && c.Paused == nil && len(c.Buckets) == 0 {
		return nil
	}
	return &c
}

func (a *app) odooPolicy(ctx context.Context, ref string, c *workspace.PolicyChange) (p workspace.PushPolicy,
	err error) {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return p, err
	}
	if c != nil {
		return spaces.SetPolicy(ctx, t.ID, *c, operatorBy(""))
	}
	err = spaces.DB.ReadTenant(ctx, t.ID, func(ctx context.Context, tx postgres.TenantTx) error {
		p, err = workspace.ReadPolicy(ctx, tx, spaces.Defaults)
		return err
	})
	return p, err
}
