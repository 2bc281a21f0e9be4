package workspace

import (
	"context"
	"errors"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// RemoveFields takes leadctl's fields, views and the viewers' group out of the tenant's workspace, and returns what it
// took; with dry what it would take. The next push, or EnsureFields, brings them back. It is a Conflict while a push
// runs. It returns, and records, what was done before an error, too.
func (s *Service) RemoveFields(ctx context.Context, id tenantid.ID, dry bool, by tenant.By) ([]string, error) {
	if err := s.Configured(); err != nil {
		return nil, err
	}
	release, ok, err := s.DB.Lock(ctx, lockPush, int32(id))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Conflict, "fields of the workspace of tenant %s: a push is running", id)
	}
	defer release()
	w, err := s.Current(ctx, id)
	if err != nil {
		return nil, err
	}
	if !dry {
		// First: if the removal is interrupted, the next push still fills the fields.
		if err := s.forgetHashes(ctx, id); err != nil {
			return nil, err
		}
	}
	gone, err := s.Odoo.RemoveFields(ctx, w, dry)
	if dry || len(gone) == 0 {
		return gone, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	return gone, errors.Join(err, s.DB.InSystem(ctx, "odoo fields",
		func(ctx context.Context, tx postgres.SystemTx) error {
			return tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.fields.remove", Object: w.Database,
				Detail: map[string]any{"removed": len(gone)}})
		}))
}

// ensureFields gives the workspace this version's fields and views. If fields were missing, so may be the viewers'
// group, and it gives the members their roles again.
func (s *Service) ensureFields(ctx context.Context, w provision.Workspace) error {
	made, err := s.Odoo.EnsureFields(ctx, w)
	if err != nil || len(made) == 0 {
		return err
	}
	roles, err := s.workspaceRoles(ctx, w.Tenant)
	if err != nil {
		return err
	}
	for email := range roles {
		if _, err := s.Odoo.SetRole(ctx, w, email, roles.roleOf(email)); err != nil {
			return err
		}
	}
	return nil
}
