package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// withConsole puts the pages for people beside the API's routes, and lets them explain its problems to people.
func (d *daemon) withConsole(api *httpapi.Server) http.Handler {
	cfg := d.cfg
	deps := console.Deps{
		DB: d.db, Onboarding: Onboarding(cfg, d.db, d.jobs), Jobs: d.jobs, Log: d.opts.Log,
		Caller: api.Caller, SignOut: api.SignOut, ActAs: api.ActAs,
	}
	if d.opts.Examine != nil {
		deps.Examine = func(ctx context.Context) []console.Check { return d.opts.Examine(ctx, cfg) }
	}
	if d.workspaces.Odoo != nil {
		deps.Probe = probe(d.db, d.workspaces)
	}
	pages := console.New(console.Config{
		Version: d.opts.Version, Issuer: cfg.SSO.Issuer, Secure: cfg.API.CookieSecure, Development: cfg.Dev.AllowBypass,
		OperatorTenant: cfg.Console.OperatorTenant, OperatorRole: cfg.Console.OperatorRole,
	}, deps)
	api.Mount(pages.Pages())
	return pages.Explain(api.Handler())
}

// probe times one small question to a tenant's workspace, asked as leadctl's own account.
func probe(db *postgres.DB, spaces *workspace.Service) func(context.Context, tenantid.ID) (time.Duration, error) {
	return func(ctx context.Context, id tenantid.ID) (time.Duration, error) {
		var at workspace.Connection
		err := db.InSystem(ctx, "console: Odoo latency", func(ctx context.Context, tx postgres.SystemTx) (err error) {
			at, err = spaces.Open(ctx, tx, id)
			return err
		})
		if err != nil {
			return 0, err
		}
		session, err := spaces.Odoo.Session(ctx, at.Workspace)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		_, err = session.SearchCount(ctx, "res.company", odoo.Query{})
		return time.Since(start), err
	}
}
