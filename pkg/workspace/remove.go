package workspace

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Fate is what becomes of the workspace of a tenant that is closed.
type Fate string

// The fates.
const (
	Keep    Fate = "keep"    // it stays as it is
	Archive Fate = "archive" // it is put aside, where nobody opens it
	Drop    Fate = "drop"    // it is deleted
)

// Closed says what Close did.
type Closed struct {
	Tenant     tenantid.ID `json:"tenant_id"`
	Workspace  Fate        `json:"workspace"`
	ArchivedAs string      `json:"archived_as"` // the database's name now; "" when none was put aside
	Dropped    bool        `json:"dropped"`
}

// Close ends a tenant: its users are refused from now on, and then its workspace meets its fate, if it carries our
// marker. It may be repeated, and then goes on. Faults: Invalid for a fate that there is not, and those of Odoo, with
// the tenant closed.
func (s *Service) Close(ctx context.Context, id tenantid.ID, fate Fate, by tenant.By) (Closed, error) {
	out := Closed{Tenant: id, Workspace: fate}
	switch fate {
	case Keep, Archive, Drop:
	default:
		return out, fault.New(fault.Invalid, "workspace %q: not one of keep, archive, drop", string(fate))
	}
	err := s.DB.InSystem(ctx, "close tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Close(ctx, tx, id, string(fate), by)
	})
	if err != nil || fate == Keep {
		return out, err
	}
	return out, s.removeWorkspace(ctx, &out, by)
}

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
	return s.DB.InSystem(ctx, "close tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		// what is put aside may be wanted back
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

// requireUsable is a Denied fault for a tenant whose workspace is not to be worked on.
func (s *Service) requireUsable(ctx context.Context, id tenantid.ID) error {
	return s.DB.InSystem(ctx, "workspace tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, id.String())
		if err != nil {
			return err
		}
		return t.Usable()
	})
}
