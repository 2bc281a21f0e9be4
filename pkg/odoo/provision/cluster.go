package provision

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/failpoint"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// cluster makes databases by raw clone on Odoo's PostgreSQL. Each step opens its connections and closes them again,
// because Odoo's processes need the connection slots more than an idle pool would.
type cluster struct {
	admin        *pgx.ConnConfig
	template     string
	installation string
	language     string // of new users
}

func newCluster(p Provisioning) (*cluster, error) {
	cfg, err := pgx.ParseConfig(string(p.ClusterDSN))
	if err != nil {
		// The error of pgx has parts of the DSN, so it is not shown.
		return nil, fault.New(fault.Operator, "ODOO_POSTGRES_DSN: not a PostgreSQL connection string").WithCode(
			odoo.CodeMisconfig)
	}
	cfg.RuntimeParams["application_name"] = "leadctl"
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	return &cluster{cfg, p.Template, p.Installation, cmp.Or(p.Language, english)}, nil
}

// connect opens one database of the cluster; "" is the database of the DSN.
func (c *cluster) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg := c.admin.Copy()
	if database != "" {
		cfg.Database = database
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, clusterFault("connection", err)
	}
	return conn, nil
}

func (c *cluster) ensureWorkspace(ctx context.Context, w Workspace) (bool, error) {
	admin, err := c.connect(ctx, "")
	if err != nil {
		return false, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	// A session lock: replicas make a workspace one after the other, and a killed one frees it with its connection.
	if _, err := admin.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, 0))`,
		"leadctl workspace "+w.Database); err != nil {
		return false, clusterFault("lock of "+w.Database, err)
	}
	found, err := lookupDatabase(ctx, admin, w.Database)
	if err != nil {
		return false, err
	}
	if found.exists {
		return false, c.requireMarker(ctx, w)
	}
	return true, c.createDatabase(ctx, admin, w)
}

// createDatabase clones the template, gives the clone its identity and then its final name, which is the commit point.
func (c *cluster) createDatabase(ctx context.Context, admin *pgx.Conn, w Workspace) error {
	half, err := lookupDatabase(ctx, admin, w.provisionalName())
	if err != nil {
		return err
	}
	if !half.exists {
		failpoint.Hit("before odoo", "clone")
		if err := c.cloneTemplate(ctx, admin, w.provisionalName()); err != nil {
			return err
		}
	}
	failpoint.Hit("before odoo", "identity")
	if err := c.setIdentity(ctx, w); err != nil {
		// The template is wrong. Drop its clone, so that the next attempt clones the repaired template.
		if fault.Is(err, fault.Operator) {
			half := w.provisionalName()
			_ = withSoleAccess(ctx, admin, half, "DROP DATABASE IF EXISTS "+quoteName(half))
		}
		return err
	}
	failpoint.Hit("before odoo", "rename")
	err = commitName(ctx, admin, w.provisionalName(), w.Database)
	failpoint.Hit("after odoo", "rename")
	return err
}

// setIdentity gives the provisional database its own identity, in one transaction. It is SQL because Odoo must not load
// the database before: a raw clone still has the template's uuid, session secret and accounts.
func (c *cluster) setIdentity(ctx context.Context, w Workspace) error {
	conn, err := c.connect(ctx, w.provisionalName())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	prepared, err := readParameter(ctx, conn, templateKey)
	if err != nil {
		return err
	}
	if prepared == "" {
		return notPrepared(c.template)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := newIdentity(ctx, tx, markerOf(c.installation, w.Tenant)); err != nil {
			return err
		}
		if err := closeAccounts(ctx, tx, w.Database); err != nil {
			return err
		}
		return installKey(ctx, tx, odoo.ServiceLogin, w.Secret)
	})
	return clusterFault("identity of "+w.Database, err)
}

// cloneTemplate copies the template, which must be locked. Otherwise Odoo's own sessions on it make the copy fail, and
// it may be a database in use instead of a template.
func (c *cluster) cloneTemplate(ctx context.Context, admin *pgx.Conn, name string) error {
	t, err := lookupDatabase(ctx, admin, c.template)
	if err != nil {
		return err
	}
	if !t.exists || !t.locked {
		return notPrepared(c.template)
	}
	_, err = admin.Exec(ctx, "CREATE DATABASE "+quoteName(name)+" TEMPLATE "+quoteName(c.template)+" OWNER "+quoteName(
		t.owner))
	return clusterFault("clone "+name, err)
}

// requireMarker returns an error unless the final database has the workspace's marker.
func (c *cluster) requireMarker(ctx context.Context, w Workspace) error {
	conn, err := c.connectOwned(ctx, w)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// connectOwned connects to the final database and returns the connection only if it has the workspace's marker.
func (c *cluster) connectOwned(ctx context.Context, w Workspace) (*pgx.Conn, error) {
	conn, err := c.connect(ctx, w.Database)
	if err != nil {
		if pgCode(err) == "55000" {
			return nil, foreignWorkspace(w, "accepts no connections")
		}
		return nil, err
	}
	switch owner, err := readParameter(ctx, conn, markerKey); {
	case err != nil:
		conn.Close(ctx)
		return nil, err
	case owner == "":
		conn.Close(ctx)
		return nil, foreignWorkspace(w, "carries no marker of leadctl")
	case owner != markerOf(c.installation, w.Tenant):
		conn.Close(ctx)
		return nil, foreignWorkspace(w, "its marker names another owner")
	}
	return conn, nil
}

func (c *cluster) installSecret(ctx context.Context, w Workspace) error {
	conn, err := c.connectOwned(ctx, w)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return clusterFault("account in "+w.Database, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return installKey(ctx, tx, odoo.ServiceLogin, w.Secret)
	}))
}

func (c *cluster) dropWorkspace(ctx context.Context, w Workspace) (bool, error) {
	admin, err := c.connect(ctx, "")
	if err != nil {
		return false, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	dropped := false
	for _, name := range []string{w.Database, w.provisionalName()} {
		found, err := lookupDatabase(ctx, admin, name)
		if err != nil || !found.exists {
			if err != nil {
				return dropped, err
			}
			continue
		}
		if name == w.Database {
			if err := c.requireMarker(ctx, w); err != nil {
				return dropped, err
			}
		}
		if err := withSoleAccess(ctx, admin, name, "DROP DATABASE IF EXISTS "+quoteName(name)); err != nil {
			return dropped, clusterFault("drop "+name, err)
		}
		dropped = true
	}
	return dropped, nil
}

// archiveWorkspace renames and locks the database in one transaction. After a rename alone, Odoo would serve the
// database under its new name.
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
	if err := c.requireMarker(ctx, w); err != nil {
		return false, err
	}
	for range 5 { // as in withSoleAccess: Odoo may open the database again in between
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

// checkAccess checks that the cluster answers, that the role may create databases, and that the template is ready.
func (c *cluster) checkAccess(ctx context.Context) (string, error) {
	if c == nil {
		return "", odoo.Misconfigured("Odoo PostgreSQL: ODOO_POSTGRES_DSN is not set")
	}
	conn, err := c.connect(ctx, "")
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var allowed bool
	if err := conn.QueryRow(ctx, `SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(
		&allowed); err != nil {
		return "", clusterFault("role", err)
	}
	if !allowed {
		return "", odoo.Misconfigured("Odoo PostgreSQL: the role has no right to create databases").
			WithHint("the role of ODOO_POSTGRES_DSN needs CREATEDB and membership in Odoo's role")
	}
	t, err := lookupDatabase(ctx, conn, c.template)
	if err != nil {
		return "", err
	}
	if !t.exists || !t.locked {
		return "", notPrepared(c.template)
	}
	return "template " + c.template + " is locked and ready", nil
}
