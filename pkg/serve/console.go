package serve

import (
	"context"
	"net/http"

	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/wire"
)

// withConsole adds the console's pages to the API's routes, and shows the API's problems to browsers as pages.
func (d *daemon) withConsole(api *httpapi.Server) http.Handler {
	cfg := d.cfg
	deps := console.Deps{
		DB: d.db, Onboarding: wire.Onboarding(cfg, d.db, d.jobs), Jobs: d.jobs, Log: d.opts.Log,
		Door: d.door, Quotas: wire.Quotas(cfg), Policy: wire.PolicyDefaults(cfg),
	}
	if d.opts.Examine != nil {
		deps.Examine = func(ctx context.Context) []console.Check { return d.opts.Examine(ctx, cfg) }
	}
	if d.workspaces.Odoo != nil {
		deps.Probe = d.workspaces.Latency
	}
	pages := console.New(console.Config{
		Version: d.opts.Version, Issuer: cfg.SSO.Issuer, Secure: cfg.API.CookieSecure, Development: cfg.Dev.AllowBypass,
		OperatorTenant: cfg.Console.OperatorTenant, OperatorRole: cfg.Console.OperatorRole,
	}, deps)
	api.Mount(pages.Pages(), pages.ShowProblem)
	return api.Handler()
}
