package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func newICPDelete(a *app) *cobra.Command {
	var ref string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a rule",
		Long: "Delete a rule, and have the tenant's scores follow the ones that are left: a job does that where `leadctl serve` runs. The last rule stays, since all\n" +
			"leads would go with it. What is printed is the rule as it was; the audit log keeps it too.",
		Example: "  leadctl icp delete Software --tenant 42\n  leadctl icp delete Software --tenant 42 --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rule, err := a.deleteRule(cmd.Context(), ref, args[0], dryRun)
			return errors.Join(err, a.printUnless(err, rule))
		},
	}
	tenantFlag(cmd, &ref)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "find out whether it can be deleted, and keep it")
	return a.reads(cmd)
}

func (a *app) deleteRule(ctx context.Context, ref, name string, dryRun bool) (rule leads.Rule, err error) {
	queue, err := a.jobs(ctx, false)
	if err != nil {
		return rule, err
	}
	id, err := a.findTenant(ctx, ref, "icp.delete")
	if err != nil {
		return rule, err
	}
	err = a.inSystem(ctx, "icp.delete", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if rule, err = leads.RemoveRule(ctx, tx, queue, id, name, tenant.Act{Actor: actor()}); err == nil && dryRun {
			err = errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return rule, err
}
