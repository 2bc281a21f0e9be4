package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/schema"
)

func newTenantAssignRows(a *app) *cobra.Command {
	var order schema.Assignment
	cmd := &cobra.Command{
		Use:   "assign-rows --table TABLE --to TENANT",
		Short: "Give a tenant the rows that adoption set aside",
		Long: "Give a tenant the rows of TABLE_unassigned that had no tenant, or an unknown one, when the database\n" +
			"was adopted. A row whose key the tenant has already stays there with the reason.\n\n" +
			"POSTGRES_DSN must name the login that migrates.",
		Example: "  leadctl tenant assign-rows --table lead_scores --to 7 --dry-run\n" +
			"  leadctl tenant assign-rows --table lead_scores --to acme",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dsn, err := a.ownerDSN(cmd.Context())
			if err != nil {
				return err
			}
			order.Actor = operatorBy("").Actor
			res, err := schema.AssignRows(cmd.Context(), dsn, order, schema.Options{FS: migrations.FS})
			return errors.Join(err, a.printResultUnless(err, res))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&order.Table, "table", "", "table whose rows were set aside, such as lead_scores")
	flags.StringVar(&order.Tenant, "to", "", "tenant number or external ID")
	flags.BoolVar(&order.DryRun, "dry-run", false, "count the rows, but move none")
	for _, name := range []string{"table", "to"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return a.addOutputFlag(cmd)
}
