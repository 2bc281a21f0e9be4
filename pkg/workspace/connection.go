package workspace

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// purpose is the purpose that the secrets in odoo_connections are sealed for.
const purpose = "odoo_secret"

// Connection is a tenant's odoo_connections row with its secrets unsealed.
type Connection struct {
	provision.Workspace
	Next odoo.Secret // the next secret, while a rotation is unfinished; otherwise ""
}

// Open reads a tenant's connection and unseals its secret. Faults: NotFound when the tenant has no connection, Operator
// when the keyset cannot open the secret.
func (s *Service) Open(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) (Connection, error) {
	r, err := readRow(ctx, tx, id)
	if err != nil {
		return Connection{}, err
	}
	if !r.isComplete() {
		return Connection{}, fault.New(fault.NotFound, "tenant %s has no Odoo connection yet", id).
			WithHint("leadctl tenant provision %s --wait", id)
	}
	return s.unsealConnection(r, id)
}

// row is a row of odoo_connections, its secrets sealed.
type row struct {
	database string
	secret   string
	pending  string
	active   bool
}

// isComplete reports whether the row has a database and a secret. leadctl writes both; a row that another service wrote
// may lack one.
func (r row) isComplete() bool { return r.database != "" && r.secret != "" }

// readRow locks and reads the tenant's row. It returns the zero row when there is none.
func readRow(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) (r row, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(db_name, ''), coalesce(secret, ''), coalesce(pending_secret, ''), active
		FROM odoo_connections WHERE tenant_id = $1 FOR UPDATE`, id).Scan(&r.database, &r.secret, &r.pending, &r.active)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return r, err
}

func (s *Service) unsealConnection(r row, id tenantid.ID) (Connection, error) {
	c := Connection{Workspace: provision.Workspace{Tenant: id, Database: r.database}}
	text, err := s.Keys.Open(r.secret, purpose, id)
	if err != nil {
		return c, err
	}
	c.Secret = odoo.Secret(text)
	if r.pending != "" {
		text, err = s.Keys.Open(r.pending, purpose, id)
		c.Next = odoo.Secret(text)
	}
	return c, err
}

// Prepare returns the tenant's workspace, with its name and secret. For a new workspace it chooses both and stores
// them, the secret sealed, before Odoo learns them: a crash loses neither, and the later steps install this secret.
// Prepare finishes an interrupted rotation. The caller holds the workspace lock (TryLock).
//
// Prepare never uses a secret that another service stored in the clear: it overwrites the row in one statement.
func (s *Service) Prepare(ctx context.Context, id tenantid.ID, by tenant.By) (provision.Workspace, error) {
	var c Connection
	err := s.DB.InSystem(ctx, "workspace connection", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		c, err = s.ensureRow(ctx, tx, id, by)
		return err
	})
	if err != nil || c.Next == "" {
		return c.Workspace, err
	}
	return s.finishRotation(ctx, c, by)
}

// ensureRow returns the tenant's connection, and writes a new one when there is no row or its secret is not sealed.
func (s *Service) ensureRow(
	ctx context.Context, tx postgres.SystemTx, id tenantid.ID, by tenant.By,
) (Connection, error) {
	name := s.Odoo.DatabaseName(s.Prefix, id)
	r, err := readRow(ctx, tx, id)
	sealedByUs := r.isComplete() && secret.Sealed(r.secret)
	switch {
	case err != nil:
		return Connection{}, err
	case sealedByUs && r.database == name:
		return s.unsealConnection(r, id)
	case sealedByUs:
		return Connection{}, fault.New(fault.Operator,
			"tenant %s is connected to an Odoo database with another name than %s", id, name).
			WithHint("leadctl does not change that workspace; " +
				"delete the tenant's row in odoo_connections to get a new one")
	}
	c := Connection{Workspace: provision.Workspace{Tenant: id, Database: name, Secret: odoo.NewSecret()}}
	sealed, err := s.Keys.Seal(string(c.Secret), purpose, id)
	if err != nil {
		return c, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO odoo_connections (tenant_id, base_url, db_name, auth_type, login, secret, protocol, active)
		VALUES ($1, $2, $3, $6, $4, $5, 'xmlrpc', false)
		ON CONFLICT (tenant_id) DO UPDATE SET
			base_url = EXCLUDED.base_url, db_name = EXCLUDED.db_name, company_id = NULL,
			auth_type = EXCLUDED.auth_type, login = EXCLUDED.login,
			secret = EXCLUDED.secret, pending_secret = NULL,
			protocol = EXCLUDED.protocol, server_version = NULL, active = false,
			smoke_at = NULL, smoke_passed = NULL, smoke_checks = NULL, updated_at = now()`,
		id, s.BaseURL, name, s.Odoo.ServiceLogin(id), sealed, s.Odoo.AuthType())
	if err != nil || r.secret == "" {
		return c, err
	}
	return c, tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.connection.replace", Object: name,
		Detail: map[string]any{"former_database": r.database, "reason": "its secret was stored in the clear"}})
}

// Activate marks the workspace active after its smoke test and stores the version and protocol of its Odoo. It returns
// a Conflict fault when the row is deleted or names another database.
func (s *Service) Activate(ctx context.Context, w provision.Workspace) error {
	about, err := s.Odoo.About(ctx, w)
	if err != nil {
		return err
	}
	return s.DB.InSystem(ctx, "workspace connection", func(ctx context.Context, tx postgres.SystemTx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE odoo_connections
			SET active = true, server_version = $3, protocol = $4, company_id = nullif($5::int, 0), updated_at = now()
			WHERE tenant_id = $1 AND db_name = $2`, w.Tenant, w.Database, about.Version, about.Protocol, about.Company)
		if err == nil && tag.RowsAffected() == 0 {
			err = fault.New(fault.Conflict, "Odoo connection of tenant %s: another process changed it", w.Tenant)
		}
		return err
	})
}

// Current returns the workspace with the secret that opens it. It finishes an interrupted rotation first, and calls
// Odoo only then. Faults: those of Open and of Odoo.
func (s *Service) Current(ctx context.Context, id tenantid.ID) (provision.Workspace, error) {
	c, err := s.readConnection(ctx, id)
	if err != nil || c.Next == "" {
		return c.Workspace, err
	}
	release, err := s.waitForLock(ctx, id)
	if err != nil {
		return c.Workspace, err
	}
	defer release()
	if c, err = s.readConnection(ctx, id); err != nil || c.Next == "" { // the process that held the lock finished it
		return c.Workspace, err
	}
	return s.finishRotation(ctx, c, tenant.By{Actor: tenant.ActorLeadctl})
}

func (s *Service) readConnection(ctx context.Context, id tenantid.ID) (c Connection, err error) {
	err = s.DB.InSystem(ctx, "workspace connection", func(ctx context.Context, tx postgres.SystemTx) error {
		c, err = s.Open(ctx, tx, id)
		return err
	})
	return c, err
}

// SealedColumns lists the columns with sealed values that this package owns.
func SealedColumns() []secret.Column {
	return []secret.Column{
		{Table: "odoo_connections", Key: "tenant_id", Value: "secret", Purpose: purpose, Tenant: true},
		{Table: "odoo_connections", Key: "tenant_id", Value: "pending_secret", Purpose: purpose, Tenant: true},
	}
}
