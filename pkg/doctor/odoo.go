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
		return Check{Name: "keyset", State: Failed, Fact: "not set: leadctl cannot store an Odoo secret",
			Fix: "run `leadctl secrets init FILE`, then set LEADCTL_KEYSET_FILE=FILE"}
	}
	_, err := secret.Parse([]byte(o.Config.Secrets.Keyset))
	return fromError("keyset", err, "readable").orFix(
		"set LEADCTL_KEYSET_FILE to a file that `leadctl secrets init` wrote")
}

// checkStoredSecrets opens every sealed value in the database with the keyset, and discards the plaintext.
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
		return []Check{c.orFix("restore the key that sealed them to the keyset of LEADCTL_KEYSET_FILE; " +
			"if the key is lost, `leadctl tenant provision TENANT` makes new secrets")}
	}
	c.Fact = fmt.Sprintf("%d open, %d of them with an older key", whole, older)
	return []Check{c}
}

// checkOdoo checks the Odoo server for new workspaces.
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
		"start Odoo, and set ODOO_SERVER_URL to its address; `leadctl odoo test` checks more")}
}

// mostWorkspaces is how many workspaces checkWorkspaces checks, those of the newest tenants.
const mostWorkspaces = 100

// checkWorkspaces signs in to tenants' workspaces with leadctl's account. It returns one check for all of them, and one
// for each workspace that refuses the sign-in.
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
			c.Fix = fmt.Sprintf("run `leadctl odoo test --tenant %s` to find the step that fails; "+
				"`leadctl tenant provision %[1]s --wait` repairs the workspace", id)
		}
		if refused = append(refused, c); len(refused) == mostShown {
			break
		}
	}
	return append([]Check{{Name: "workspaces", State: OK,
		Fact: fmt.Sprintf("%d checked, %d refused", len(ids), len(refused))}}, refused...)
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
