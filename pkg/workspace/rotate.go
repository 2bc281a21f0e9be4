package workspace

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// rotateWithin limits a rotation, which continues after its caller was cancelled.
const rotateWithin = time.Minute

// Rotate gives a workspace a new secret: when it returns nil, only the new secret opens leadctl's account, over either
// protocol. Rotate stores the new secret, sealed, before Odoo learns it. If leadctl or Odoo is killed in between, the
// row has both secrets, and the next call of Current, Prepare or Rotate finishes the rotation. Faults: those of Open
// and of Odoo.
func (s *Service) Rotate(ctx context.Context, id tenantid.ID, by tenant.By) error {
	if err := s.Configured(); err != nil {
		return err
	}
	release, err := s.waitForLock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rotateWithin)
	defer cancel()
	var c Connection
	err = s.DB.InSystem(ctx, "rotate Odoo key", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if c, err = s.Open(ctx, tx, id); err != nil || c.Next != "" {
			return err
		}
		c.Next = odoo.NewSecret()
		sealed, err := s.Keys.Seal(string(c.Next), purpose, id)
		if err != nil {
			return err
		}
		if _, err = tx.Exec(ctx,
			`UPDATE odoo_connections SET pending_secret = $2, updated_at = now() WHERE tenant_id = $1`, id,
			sealed); err != nil {
			return err
		}
		if err := s.recordRotation(ctx, tx, c, by, "odoo.key.rotate"); err != nil {
			return err
		}
		return by.StillMay(ctx, tx, id)
	})
	if err != nil {
		return err
	}
	_, err = s.finishRotation(ctx, c, by)
	return err
}

// finishRotation sets the stored next secret in Odoo and makes it the row's secret. The caller holds the workspace
// lock.
func (s *Service) finishRotation(ctx context.Context, c Connection, by tenant.By) (provision.Workspace, error) {
	if err := s.Configured(); err != nil {
		return c.Workspace, err
	}
	err := s.Odoo.Rotate(ctx, c.Workspace, c.Next)
	if err != nil && fault.Code(err) != odoo.CodeMissing { // a database that is made later gets the next secret
		return c.Workspace, err
	}
	err = s.DB.InSystem(ctx, "rotate Odoo key", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tx.Exec(ctx, `
			UPDATE odoo_connections SET secret = pending_secret, pending_secret = NULL, updated_at = now()
			WHERE tenant_id = $1 AND pending_secret IS NOT NULL`, c.Tenant)
		if err != nil {
			return err
		}
		return s.recordRotation(ctx, tx, c, by, "odoo.key.rotated")
	})
	after := c.Workspace
	after.Secret = c.Next
	return after, err
}

func (s *Service) recordRotation(
	ctx context.Context, tx postgres.SystemTx, c Connection, by tenant.By, action string,
) error {
	return tenant.Record(ctx, tx, by, tenant.Act{Tenant: c.Tenant, Action: action, Object: c.Database})
}
