// Package console serves the pages: sign-in, workspace setup, leads and profiles for a tenant's members, and operations
// pages for the operators of the installation.
//
// routes.go has the table of routes: pattern, guard, handler. A handler calls the same domain functions with the same
// transactions as the API's handlers, and renders a template of web/ (render.go). It contains no SQL. Package web
// identifies the caller; package serve mounts the pages beside the API. Everything that a page loads is embedded:
// html/template, htmx, one style sheet, charts drawn as SVG here. Pages work without JavaScript, but then
// they do not refresh by themselves. ShowProblem shows the problems of the API as pages (explain.go).
package console

import (
	"cmp"
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Config are the settings of a Console.
type Config struct {
	Version        string
	Issuer         string      // URL; forms may redirect there, because sign-out does
	Secure         bool        // served over https: responses have Strict-Transport-Security
	OperatorTenant tenantid.ID // its ops and admin users can open the operations pages; 0: none
	OperatorRole   string      // so can users with this role in the token; "": none
	Development    bool        // the sign-in page lets a developer choose a tenant
}

// Deps are the dependencies of a Console.
type Deps struct {
	DB         *postgres.DB
	Onboarding *onboarding.Service
	Jobs       *jobs.Client

	Door   Door
	Quotas tenant.Quotas

	// Examine runs the checks of `leadctl doctor`, at most every 30 seconds. Nil: health is not shown.
	Examine func(context.Context) []Check
	Policy  workspace.PolicyDefaults // see workspace.ReadPolicy
	// Probe signs leadctl in to a tenant's workspace and returns the duration. Nil: no Odoo is configured.
	Probe func(context.Context, tenantid.ID) (time.Duration, error)

	Log *slog.Logger
	Now func() time.Time
}

// Door identifies the caller of a request and ends sessions. It is *web.Door; tests use another one to produce faults.
type Door interface {
	// Caller returns the caller of a request and refreshes the session. Faults: Unauthenticated; Denied, with the
	// identity known.
	Caller(w http.ResponseWriter, r *http.Request) (context.Context, tenant.Principal, error)
	// SignOut ends the session and returns the provider's page that ends it there.
	SignOut(w http.ResponseWriter, r *http.Request) (endSession string, err error)
	// ActAs sets the tenant for which a developer's browser acts.
	ActAs(w http.ResponseWriter, r *http.Request, id tenantid.ID) error
}

// Check is one check of the health page.
type Check struct{ Name, State, Fact, Fix string }

// Console serves the pages. Make one with New; it is safe for concurrent use.
type Console struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	now    func() time.Time
	policy string // Content-Security-Policy
	pages  map[string]*template.Template
	assets map[string]asset
	health health
	probes probes
}

// New makes a Console. It panics when an embedded template is invalid, which the tests rule out.
func New(cfg Config, d Deps) *Console {
	c := &Console{cfg: cfg, deps: d, log: cmp.Or(d.Log, slog.New(slog.DiscardHandler)), now: d.Now,
		policy: contentPolicy(cfg.Issuer)}
	if c.now == nil {
		c.now = time.Now
	}
	c.assets = readAssets()
	c.pages = parsePages(c)
	return c
}
