package workspace

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Fate says what Close does with the workspace of the tenant.
type Fate string

// The fates.
const (
	Keep    Fate = "keep"    // leave its data unchanged; no person can use it until the tenant is resumed
	Archive Fate = "archive" // keep its data, where users cannot open it
	Drop    Fate = "drop"    // delete it
)

// Closed is the result of Close.
type Closed struct {
	Tenant     tenantid.ID `json:"tenant_id"`
	Workspace  Fate        `json:"workspace"`
	ArchivedAs string      `json:"archived_as"` // new name of the database; "" when Close archived none
	Dropped    bool        `json:"dropped"`
}

// Close closes a tenant: leadctl refuses its users from now on. Then Close keeps, archives or drops the tenant's
// workspace, provided that the workspace has leadctl's marker. A second call continues an interrupted one. Faults:
// Invalid for an unknown fate; those of Odoo, after which the tenant stays closed.
func (s *Service) Close(ctx context.Context, id tenantid.ID, fate Fate, by tenant.By) (Closed, error) {
	out := Closed{Tenant: id, Workspace: fate}
	switch fate {
	case Keep, Archive, Drop:
	default:
		return out, fault.New(fault.Invalid, "workspace %q: must be keep, archive or drop", string(fate))
	}
	err := s.DB.InSystem(ctx, "close tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Close(ctx, tx, id, string(fate), by)
	})
	switch {
	case err != nil:
		return out, err
	case fate == Keep:
		return out, s.closeKept(ctx, id)
	}
	return out, s.removeWorkspace(ctx, &out, by)
}

// closeKept ends the access of all people to the workspace of a closed tenant.
func (s *Service) closeKept(ctx context.Context, id tenantid.ID) error {
	if s.Odoo == nil {
		return nil
	}
	err := s.SyncAccess(ctx, id, "")
	if fault.Is(err, fault.NotFound) {
		return nil // there is no workspace
	}
	return err
}

// removeWorkspace archives or drops the workspace of a closed tenant, and notes the result in out.
func (s *Service) removeWorkspace(ctx context.Context, out *Closed, by tenant.By) error {
	c, err := s.readConnection(ctx, out.Tenant)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		err = s.Configured()
	}
	if err != nil {
		return err
	}
	release, err := s.waitForLock(ctx, out.Tenant)
	if err != nil {
		return err
	}
	defer release()
	if out.Workspace == Drop {
		out.Dropped, err = s.Odoo.DropDatabase(ctx, c.Workspace)
	} else {
		out.ArchivedAs, err = s.Odoo.ArchiveDatabase(ctx, c.Workspace, time.Now())
	}
	if err != nil {
		return err
	}
	if err := s.clearLedger(ctx, out.Tenant); err != nil {
		return err
	}
	return s.DB.InSystem(ctx, "close tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		// The row keeps the secret of an archived workspace: an operator may restore it.
		sql := `UPDATE odoo_connections SET active = false, updated_at = now() WHERE tenant_id = $1`
		if out.Workspace == Drop {
			sql = `DELETE FROM odoo_connections WHERE tenant_id = $1`
		}
		if _, err := tx.Exec(ctx, sql, out.Tenant); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: out.Tenant,
			Action: "odoo.workspace." + string(out.Workspace), Object: c.Database,
			Detail: map[string]any{"archived_as": out.ArchivedAs}})
	})
}

// requireUsable returns a Denied fault unless the tenant is active.
func (s *Service) requireUsable(ctx context.Context, id tenantid.ID) error {
	return s.DB.InSystem(ctx, "workspace tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, id.String())
		if err != nil {
			return err
		}
		return t.Usable()
	})
}
