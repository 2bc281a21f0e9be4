package odoo

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// ArchiveDatabase puts the workspace's database aside under another name, which it returns: nobody opens it there. "" means
// that there was none. A database without our marker is left as it is (CodeForeign). In a shared database a company cannot be
// put aside: fault.Unsupported.
func (p *Provisioner) ArchiveDatabase(ctx context.Context, w Workspace, at time.Time) (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	as := w.Database + "__" + at.UTC().Format("20060102")
	p.uids.Delete(w.signInKey())
	done, err := p.backend.archiveWorkspace(ctx, w, as)
	if err != nil || !done {
		return "", err
	}
	return as, nil
}

// archiveWorkspace renames and locks in one transaction: half of it would leave a database that Odoo serves under a name nobody knows.
func (c *cluster) archiveWorkspace(ctx context.Context, w Workspace, as string) (bool, error) {
	admin, err := c.connect(ctx, "")
	if err != nil {
		return false, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	switch there, err := lookupDatabase(ctx, admin, w.Database); {
	case err != nil || !there.exists:
		return false, err
	}
	switch taken, err := lookupDatabase(ctx, admin, as); {
	case err != nil:
		return false, err
	case taken.exists:
		return false, archiveTaken(as)
	}
	if err := c.demandOurs(ctx, w); err != nil {
		return false, err
	}
	for range 5 { // as in alone: Odoo may open it again in between
		if err = endSessions(ctx, admin, w.Database); err != nil {
			return false, err
		}
		err = pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "ALTER DATABASE "+quoteName(w.Database)+" RENAME TO "+quoteName(as)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "ALTER DATABASE "+quoteName(as)+" ALLOW_CONNECTIONS false")
			return err
		})
		if pgCode(err) != "55006" {
			break
		}
	}
	return err == nil, clusterFault("archive of "+w.Database, err)
}

func (m *manager) archiveWorkspace(ctx context.Context, w Workspace, as string) (bool, error) {
	switch there, err := m.databases.Exists(ctx, w.Database); {
	case err != nil || !there:
		return false, err
	}
	switch taken, err := m.databases.Exists(ctx, as); {
	case err != nil:
		return false, err
	case taken:
		return false, archiveTaken(as)
	}
	if _, err := m.openOwned(ctx, w); err != nil {
		return false, err
	}
	err := m.databases.Rename(ctx, w.Database, as)
	return err == nil, err
}

func (c *company) archiveWorkspace(context.Context, Workspace, string) (bool, error) {
	return false, fault.New(fault.Unsupported, "company in the shared database %s: cannot be put aside", c.database).
		WithHint("keep it, or drop it")
}

func archiveTaken(as string) error {
	return fault.New(fault.Conflict, "Odoo database %s: there is one already, of an earlier workspace archived today", as).
		WithHint("rename or drop it, or drop this workspace instead")
}
