package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/serve"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// tenantFlag adds the --tenant that a command cannot do without.
func tenantFlag(cmd *cobra.Command, ref *string) {
	cmd.Flags().StringVar(ref, "tenant", "", "the tenant's number or external id")
	if err := cmd.MarkFlagRequired("tenant"); err != nil {
		panic(err)
	}
}

// visitTenant resolves what --tenant says for a command that reads the tenant's data, and records the visit.
func (a *app) visitTenant(ctx context.Context, ref, action string) (id tenant.ID, err error) {
	err = a.inSystem(ctx, action, func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Visit(ctx, tx, ref, action, operatorBy(""))
		id = t.ID
		return err
	})
	return id, err
}

// findTenant resolves what --tenant says for an act that records itself. A dry run is recorded as a visit.
func (a *app) findTenant(ctx context.Context, ref, action string, dryRun bool) (id tenant.ID, err error) {
	if dryRun {
		return a.visitTenant(ctx, ref, action+".dry_run")
	}
	err = a.inSystem(ctx, action, func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		id = t.ID
		return err
	})
	return id, err
}

// readTenant runs fn as that tenant, reading only.
func (a *app) readTenant(ctx context.Context, ref, action string, fn func(context.Context, postgres.TenantTx) error) error {
	id, err := a.visitTenant(ctx, ref, action)
	if err != nil {
		return err
	}
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	return db.ReadTenant(ctx, id, fn)
}

// errDryRun takes a transaction back that did everything asked.
var errDryRun = errors.New("dry run")

// writeTenant runs fn as that tenant. A dry run does the same work and takes it back.
func (a *app) writeTenant(ctx context.Context, ref, action string, dryRun bool, fn func(context.Context, postgres.TenantTx) error) error {
	id, err := a.findTenant(ctx, ref, action, dryRun)
	if err != nil {
		return err
	}
	db, err := a.db(ctx)
	if err != nil {
		return err
	}
	err = db.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		if err := fn(ctx, tx); err != nil || !dryRun {
			return err
		}
		return errDryRun
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// openWorkspaces opens what there is to do to tenants' workspaces.
func (a *app) openWorkspaces(ctx context.Context) (*workspace.Service, error) {
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

// openWorkspaceOf is that with the tenant that ref names.
func (a *app) openWorkspaceOf(ctx context.Context, ref string) (spaces *workspace.Service, t tenant.Tenant, err error) {
	if spaces, err = a.openWorkspaces(ctx); err != nil {
		return nil, t, err
	}
	err = a.inSystem(ctx, "find tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err = tenant.Find(ctx, tx, ref)
		return err
	})
	return spaces, t, err
}
