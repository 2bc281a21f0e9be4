package onboarding

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// step is one part of the work: idempotent, in order, with the status that callers see while it runs.
type step struct {
	name   string
	status string
	run    func(context.Context, *task) error
}

// steps are the whole way. Each looks first, acts, and looks again, so any of them may be repeated at any time.
func steps() []step {
	return []step{
		{"tenant", Provisioning, checkTenant},
		{"odoo_database", Provisioning, makeDatabase},
		{"odoo_fields", Provisioning, makeFields},
		{"odoo_service_account", Provisioning, makeServiceAccount},
		{"odoo_user", Provisioning, makeUsers},
		{"smoke_test", Provisioning, smokeTest},
		{"baseline", Syncing, baseline},
		{"icp_template", Syncing, icpTemplate},
	}
}

// task is one attempt's state: what the first steps read and the later ones use.
type task struct {
	worker    *Worker
	tenant    tenant.ID
	name      string
	workspace odoo.Workspace
}

// checkTenant refuses a tenant that is gone or suspended, and reads or makes the secret of its workspace.
func checkTenant(ctx context.Context, t *task) error {
	if t.worker.Odoo == nil {
		return fault.New(fault.Operator, "no Odoo server is configured").
			WithHint("set ODOO_SERVER_URL and ODOO_TEMPLATE_DB, then `leadctl tenant provision --retry`")
	}
	return t.worker.DB.InSystem(ctx, "onboarding tenant", func(ctx context.Context, tx postgres.SystemTx) error {
		found, err := tenant.Find(ctx, tx, t.tenant.String())
		if err != nil {
			return err
		}
		t.name = found.Name
		if err := found.Usable(); err != nil {
			return err
		}
		t.workspace, err = t.worker.ensureConnection(ctx, tx, t.tenant)
		return err
	})
}

func makeDatabase(ctx context.Context, t *task) error {
	_, err := t.worker.Odoo.EnsureDatabase(ctx, t.workspace)
	return err
}

func makeFields(ctx context.Context, t *task) error {
	_, err := t.worker.Odoo.EnsureFields(ctx, t.workspace)
	return err
}

func makeServiceAccount(ctx context.Context, t *task) error {
	_, err := t.worker.Odoo.EnsureServiceAccount(ctx, t.workspace)
	return err
}

// makeUsers gives every user of the tenant an account in the workspace.
func makeUsers(ctx context.Context, t *task) error {
	var members []tenant.Member
	err := t.worker.DB.InSystem(ctx, "onboarding users", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		members, err = tenant.Members(ctx, tx, t.tenant)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range members {
		email, _, _ := strings.Cut(m.UserID, " (") // what tells two identities with one address apart is no part of it
		if _, err := t.worker.Odoo.EnsureUser(ctx, t.workspace, odoo.User{Email: email}); err != nil {
			return err
		}
	}
	return nil
}

// smokeTest proves the workspace with a record of its own; only then does the connection count as active.
func smokeTest(ctx context.Context, t *task) error {
	checks, err := t.worker.Odoo.SmokeTest(ctx, t.workspace)
	for _, c := range checks {
		err = errors.Join(err, c.Err)
	}
	if err != nil {
		return err
	}
	return t.worker.DB.InSystem(ctx, "onboarding connection", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tx.Exec(ctx, `UPDATE odoo_connections SET active = true, updated_at = now() WHERE tenant_id = $1 AND NOT active`, t.tenant)
		return err
	})
}

func baseline(ctx context.Context, t *task) error {
	return t.worker.Odoo.EnsureBaseline(ctx, t.workspace, t.name)
}

// icpTemplate gives the tenant a first ideal customer profile, unless it has one.
func icpTemplate(ctx context.Context, t *task) error {
	return t.worker.DB.InTenant(ctx, t.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
		rules, err := leads.ListRules(ctx, tx)
		if err != nil || len(rules) > 0 {
			return err
		}
		_, err = leads.SetRule(ctx, tx, leads.DefaultRuleName, []byte(leads.DefaultPayload))
		return err
	})
}

const purpose = "odoo_secret"

// OpenConnection reads where a tenant's workspace is and unseals its secret. NotFound when none was recorded.
func OpenConnection(ctx context.Context, tx postgres.SystemTx, keys *secret.Keyring, id tenant.ID) (odoo.Workspace, error) {
	ws := odoo.Workspace{Tenant: id}
	var sealed string
	err := tx.QueryRow(ctx, `SELECT db_name, secret FROM odoo_connections WHERE tenant_id = $1 AND db_name IS NOT NULL AND secret IS NOT NULL`, id).
		Scan(&ws.Database, &sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return ws, fault.New(fault.NotFound, "Odoo connection of tenant %s: there is none yet", id).WithHint("leadctl tenant provision %s --wait", id)
	}
	if err != nil {
		return ws, err
	}
	text, err := keys.Open(sealed, purpose, id)
	ws.Secret = odoo.Secret(text)
	return ws, err
}

// ensureConnection reads the workspace's secret, or makes one and stores it, sealed, before anything in Odoo knows it: then
// no crash can lose it, and the later steps install exactly that one.
func (w *Worker) ensureConnection(ctx context.Context, tx postgres.SystemTx, id tenant.ID) (odoo.Workspace, error) {
	name := odoo.DatabaseName(w.Where.Prefix, id)
	ws, err := OpenConnection(ctx, tx, w.Keys, id)
	switch {
	case err == nil && ws.Database == name:
		return ws, nil
	case err == nil:
		return ws, fault.New(fault.Operator, "tenant %s: connected to another Odoo database than leadctl would make", id).
			WithHint("that workspace was not made by leadctl and stays untouched; remove its odoo_connections row to have a new one made")
	case !fault.Is(err, fault.NotFound):
		return ws, err
	}
	ws = odoo.Workspace{Tenant: id, Database: name, Secret: odoo.NewSecret()}
	stored, err := w.Keys.Seal(string(ws.Secret), purpose, id)
	if err != nil {
		return ws, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO odoo_connections (tenant_id, base_url, db_name, auth_type, login, secret, protocol, active)
		VALUES ($1, $2, $3, 'api_key', $4, $5, 'xmlrpc', false)
		ON CONFLICT (tenant_id) DO UPDATE SET base_url = EXCLUDED.base_url, db_name = EXCLUDED.db_name, login = EXCLUDED.login, secret = EXCLUDED.secret, updated_at = now()`,
		id, w.Where.BaseURL, ws.Database, odoo.ServiceLogin, stored)
	return ws, err
}
