package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/reseal"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/pkg/workspace"
)

func checkKeyset(o Options) Check {
	if o.Config.Secrets.Keyset == "" {
		return Check{Name: "keyset", State: Failed, Fact: "not set: no Odoo secret can be kept",
			Fix: "leadctl secrets init FILE, then LEADCTL_KEYSET_FILE=FILE"}
	}
	_, err := secret.Parse([]byte(o.Config.Secrets.Keyset))
	return fromError("keyset", err, "readable").orFix(
		"LEADCTL_KEYSET_FILE has to name a file that `leadctl secrets init` made")
}

// checkStoredSecrets opens everything that is sealed in the database with the keys at hand, and looks at nothing of it.
func checkStoredSecrets(ctx context.Context, o Options, db *postgres.DB) []Check {
	const name = "stored secrets"
	keys, err := secret.Parse([]byte(o.Config.Secrets.Keyset))
	if err != nil {
		return skippedChecks("no keyset", name)
	}
	columns, err := reseal.Reseal(ctx, db, keys, true, tenant.By{}, func(int64) {})
	c := fromError(name, err, "")
	var whole, older int64
	for _, col := range columns {
		whole, older = whole+col.Current+col.Moved, older+col.Moved
		if col.Failed > 0 {
			c.State = Failed
			c.Fact += fmt.Sprintf("%d of %s do not open: %v; ", col.Failed, col.Column, col.Where)
		}
	}
	if c.State == Failed {
		return []Check{c.orFix(
			"put the key that sealed them back into the keyset that LEADCTL_KEYSET_FILE names; what is lost is made " +
				"anew by `leadctl tenant provision TENANT`")}
	}
	c.Fact = fmt.Sprintf("%d open, %d of them with an older key", whole, older)
	return []Check{c}
}

// checkOdoo asks the server that new workspaces are made on.
func checkOdoo(ctx context.Context, o Options) []Check {
	if o.Config.Odoo.ServerURL == "" {
		return skippedChecks("ODOO_SERVER_URL is not set", "odoo")
	}
	server, err := odoo.New(odoo.Options{BaseURL: o.Config.Odoo.ServerURL, Timeout: 10 * time.Second})
	var v odoo.Version
	if err == nil {
		v, err = server.Version(ctx)
	}
	return []Check{fromError("odoo", err, "version "+v.Name).orFix(
		"is Odoo running, and is ODOO_SERVER_URL its address? `leadctl odoo test` tries more")}
}

// mostWorkspaces is how many tenants' workspaces are tried: the latest ones. `leadctl odoo test --tenant` tries any.
const mostWorkspaces = 100

// checkWorkspaces signs in to tenants' workspaces as leadctl does. Those that let it in are one line, each other one its
// own.
func checkWorkspaces(ctx context.Context, o Options, db *postgres.DB) []Check {
	if o.Config.Odoo.ServerURL == "" {
		return nil
	}
	spaces, err := wire.Workspaces(ctx, o.Config, db, logging.Discard())
	if err != nil {
		return []Check{fromError("workspaces", err, "")}
	}
	var ids []tenantid.ID
	err = db.InSystem(ctx, "doctor: workspaces", func(ctx context.Context, tx postgres.SystemTx) error {
		rows, err := tx.Query(ctx, `SELECT tenant_id FROM odoo_connections JOIN tenants USING (tenant_id)
			WHERE active AND status = 'active' ORDER BY tenant_id DESC LIMIT $1`, mostWorkspaces)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[tenantid.ID])
		return err
	})
	if err != nil {
		return []Check{fromError("workspaces", err, "")}
	}
	var refused []Check
	for _, id := range ids {
		err := signIn(ctx, spaces, id)
		if err == nil {
			continue
		}
		c := fromError(fmt.Sprintf("workspace %s", id), err, "")
		if c.Fix == "" {
			c.Fix = fmt.Sprintf("`leadctl odoo test --tenant %s` tries it step by step; `leadctl tenant provision "+
				"%[1]s --wait` mends what is missing", id)
		}
		if refused = append(refused, c); len(refused) == mostShown {
			break
		}
	}
	return append([]Check{{Name: "workspaces", State: OK,
		Fact: fmt.Sprintf("%d tried, %d refused", len(ids), len(refused))}}, refused...)
}

func signIn(ctx context.Context, spaces *workspace.Service, id tenantid.ID) error {
	var c workspace.Connection
	err := spaces.DB.InSystem(ctx, "doctor: workspace", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		c, err = spaces.Open(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	if spaces.Odoo == nil {
		return fault.New(fault.Operator, "no Odoo server is configured")
	}
	_, err = spaces.Odoo.Session(ctx, c.Workspace)
	return err
}
