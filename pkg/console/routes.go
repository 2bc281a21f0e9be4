package console

import (
	"net/http"
	"strings"

	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Guard is the condition that a caller must meet to open a page.
type Guard string

// The guards.
const (
	Open      Guard = "open"      // nothing
	SignedIn  Guard = "signed in" // a session; it may have no tenant yet
	Member    Guard = "member"    // a session with a usable tenant and at least the route's role
	Operator  Guard = "operator"  // an operator of this installation; for other callers the page does not exist
	Developer Guard = "developer" // any caller, in development; otherwise the page does not exist
)

// Route is one row of the table.
type Route struct {
	Pattern string // method and path of net/http
	Guard   Guard
	Role    sso.Role // least role, for Member
	do      action
}

// action answers a request that its guard allowed. It returns an error if it has not answered.
type action func(http.ResponseWriter, *http.Request, visitor) error

// routeTable returns every route except the assets.
func (c *Console) routeTable() []Route {
	return []Route{
		{"GET /{$}", SignedIn, "", c.getHome},
		{"GET /signin", Open, "", c.getSignIn},
		{"POST /signout", Open, "", c.postSignOut},
		{"POST /dev/tenant", Developer, "", c.postDevTenant},

		{"GET /setup", SignedIn, "", c.getSetup},
		{"POST /setup", SignedIn, "", c.postSetup},
		{"GET /setup/timeline", Member, sso.Viewer, c.getTimeline},

		{"GET " + workspace.RefusedPath, SignedIn, "", c.getRefused},

		{"GET /leads", Member, sso.Viewer, c.getLeads},
		{"GET /leads/rows", Member, sso.Viewer, c.getLeadRows},
		{"GET /leads/download", Member, sso.Viewer, c.getDownload},
		{"GET /leads/run", Member, sso.Viewer, c.getRun},
		{"POST /leads/score", Member, sso.Ops, c.postScore},
		{"GET /profiles", Member, sso.Viewer, c.getProfiles},
		{"POST /profiles", Member, sso.Ops, c.postProfile},
		{"POST /profiles/delete", Member, sso.Ops, c.postDeleteProfile},
		{"POST /profiles/try", Member, sso.Ops, c.postTry},
		{"GET /members", Member, sso.Admin, c.getMembers},
		{"POST /members", Member, sso.Admin, c.postMember},
		{"POST /members/remove", Member, sso.Admin, c.postRemoveMember},

		{"GET /ops", Operator, "", c.getOps},
		{"GET /ops/health", Operator, "", c.getHealth},
		{"GET /ops/tenants", Operator, "", c.getTenants},
		{"GET /ops/tenants/{id}/latency", Operator, "", c.getLatency},
		{"GET /ops/ingestion", Operator, "", c.getIngestion},
		{"GET /ops/jobs", Operator, "", c.getJobs},
		{"GET /ops/audit", Operator, "", c.getAudit},
	}
}

// Routes returns the table, for tests.
func (c *Console) Routes() []Route { return c.routeTable() }

// Pages returns the handlers by pattern, assets included, for the API's mux.
func (c *Console) Pages() map[string]http.Handler {
	pages := map[string]http.Handler{}
	for _, route := range c.routeTable() {
		if route.Guard == Developer && !c.cfg.Development {
			continue
		}
		pages[route.Pattern] = c.guardRoute(route)
		if _, path, _ := strings.Cut(route.Pattern, " "); route.Guard == Operator {
			// 405 for another method would reveal that the page exists
			pages[path] = http.HandlerFunc(c.showNotFound)
		}
	}
	for path, a := range c.assets {
		pages["GET "+path] = a
	}
	return pages
}
