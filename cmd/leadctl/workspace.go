package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/serve"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// workspaces opens what there is to do to tenants' workspaces.
func (a *app) workspaces(ctx context.Context) (*workspace.Service, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return nil, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	return serve.Workspaces(ctx, cfg, db, log)
}

// workspaceOf is that with the tenant that ref names.
func (a *app) workspaceOf(ctx context.Context, ref string) (spaces *workspace.Service, t tenant.Tenant, err error) {
	if spaces, err = a.workspaces(ctx); err != nil {
		return nil, t, err
	}
	err = a.inSystem(ctx, "find tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err = tenant.Find(ctx, tx, ref)
		return err
	})
	return spaces, t, err
}

func newOdooRotateKey(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Give a tenant's workspace another key; the old one is refused from then on",
		Long: "Give leadctl's account in a tenant's workspace another key. The new one is stored before Odoo learns it, so a run that is stopped is\n" +
			"finished by the next one, or by whoever needs the workspace next. When the command ends well, Odoo refuses the old key.",
		Example: "  leadctl odoo rotate-key --tenant 42",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spaces, t, err := a.workspaceOf(cmd.Context(), ref)
			if err != nil {
				return err
			}
			return spaces.Rotate(cmd.Context(), t.ID, workspace.By{Actor: actor()})
		},
	}
	tenantFlag(cmd, &ref)
	return cmd
}
