package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// tenantFlag adds a required --tenant.
func tenantFlag(cmd *cobra.Command, ref *string) {
	cmd.Flags().StringVar(ref, "tenant", "", "tenant number or external ID")
	if err := cmd.MarkFlagRequired("tenant"); err != nil {
		panic(err)
	}
}

// visitTenant resolves --tenant for a command that reads the tenant's data, and records the visit in the audit log.
func (a *app) visitTenant(ctx context.Context, ref, action string) (id tenant.ID, err error) {
	err = a.inSystem(ctx, action, func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Visit(ctx, tx, ref, action, operatorBy(""))
		id = t.ID
		return err
	})
	return id, err
}

// findTenant resolves --tenant for an act that writes its own audit record. A dry run is recorded as a visit.
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

// tenantWork is work in a transaction that sees one tenant's rows.
type tenantWork func(context.Context, postgres.TenantTx) error

// readTenant runs fn in a read-only transaction of the tenant that ref names.
func (a *app) readTenant(ctx context.Context, ref, action string, fn tenantWork) error {
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

// errDryRun rolls back a transaction whose work succeeded.
var errDryRun = errors.New("dry run")

// writeTenant runs fn in a transaction of the tenant that ref names. A dry run does the same work and rolls it back.
func (a *app) writeTenant(ctx context.Context, ref, action string, dryRun bool, fn tenantWork) error {
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

// openWorkspaces opens the service for the tenants' Odoo workspaces.
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
	return wire.Workspaces(ctx, cfg, db, log)
}

// openWorkspaceOf opens the service and finds the tenant that ref names.
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
