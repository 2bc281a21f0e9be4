package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/web"
)

// Route is one row of the table. It holds every fact of a route that anything but its handler needs.
type Route struct {
	Method  string
	Path    string
	Guard   web.Guard
	Role    sso.Role   // least role, for web.Member
	Body    bool       // takes a JSON body, at most web.MaxBody bytes
	Status  int        // of success; 0 leaves it to the handler's type: 200, or 204 without a body
	Refuses []int      // statuses it may answer besides those of its guard
	Pace    *web.Pace  // how often a tenant (web.Member) or an address (other guards) may ask; nil: no limit
	Log     slog.Level // of the request's log line
	Summary string

	register func(huma.API, huma.Operation)
}

func (r Route) takesBody() Route              { r.Body = true; return r }
func (r Route) succeedsWith(status int) Route { r.Status = status; return r }
func (r Route) logsAt(level slog.Level) Route { r.Log = level; return r }

func (r Route) mayRefuse(status int) Route {
	r.Refuses = append(slices.Clone(r.Refuses), status)
	return r
}

func (r Route) atPace(p *web.Pace) Route {
	r.Pace = p
	return r.mayRefuse(http.StatusTooManyRequests)
}

func openRoute(method, path, summary string, register func(huma.API, huma.Operation)) Route {
	return Route{Method: method, Path: path, Guard: web.Open, Summary: summary, register: register}
}

func identityRoute(method, path, summary string, register func(huma.API, huma.Operation)) Route {
	return Route{Method: method, Path: path, Guard: web.Identity, Summary: summary, register: register}
}

func memberRoute(method, path string, role sso.Role, summary string, register func(huma.API, huma.Operation)) Route {
	return Route{Method: method, Path: path, Guard: web.Member, Role: role, Summary: summary, register: register}
}

// routes are all routes but the documentation's own assets.
func (s *Server) routes() []Route {
	return slices.Concat(s.healthRoutes(), s.sessionRoutes(), s.tenantRoutes(), s.leadRoutes())
}

func (s *Server) healthRoutes() []Route {
	const get = http.MethodGet
	return []Route{
		openRoute(get, "/health", "State of the process and age of its register",
			handle(s.getHealth)).logsAt(slog.LevelDebug),
		openRoute(get, "/livez", "Liveness of the process; depends on nothing else",
			handle(s.getLive)).logsAt(slog.LevelDebug),
		openRoute(get, "/readyz", "Readiness of the process", handle(s.getReady)).logsAt(slog.LevelDebug),
	}
}

func (s *Server) sessionRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		openRoute(get, "/auth/login", "Sign in: redirects the browser to the identity provider", handle(s.getLogin)).
			atPace(s.door.SignIns),
		openRoute(get, "/auth/callback", "Return from the identity provider",
			handle(s.getCallback)).atPace(s.door.SignIns),
		openRoute(post, "/auth/refresh", "New access cookie for a signed-in browser",
			handle(s.postRefresh)).atPace(s.door.Renewals),
		openRoute(post, "/auth/exchange", "Cookies for an ID token that the page holds",
			handle(s.postExchange)).takesBody().
			atPace(s.door.Renewals),
		openRoute(post, "/auth/logout", "End the session", handle(s.postLogout)),
		openRoute(get, "/odoo/userinfo", "Token check for Odoo's OAuth sign-in (called by Odoo)",
			handle(s.getUserinfo)),
	}
}

func (s *Server) tenantRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		identityRoute(get, "/info", "Issuer and audience of this API", handle(s.getInfo)),
		identityRoute(post, "/onboarding/first_login",
			"Create the caller's tenant and workspace, or join the running job", handle(s.postFirstLogin)).
			succeedsWith(http.StatusAccepted).mayRefuse(http.StatusConflict),
		memberRoute(get, "/whoami", sso.Viewer, "Caller, tenant and roles", handle(s.getWhoami)),
		memberRoute(get, "/onboarding/status", sso.Viewer, "State of the workspace", handle(s.getOnboardingStatus)),
		memberRoute(get, "/onboarding/events", sso.Viewer,
			"State of the workspace, as server-sent events until it is ready or in error", stream(s.getEvents)).
			mayRefuse(http.StatusTooManyRequests),
		memberRoute(get, "/onboarding/verify_odoo", sso.Viewer, "Whether the Odoo workspace exists and passed its test",
			handle(s.getVerifyOdoo)),
		memberRoute(get, "/session/odoo_info", sso.Viewer, "Address of the caller's Odoo workspace",
			handle(s.getOdooInfo)),
		memberRoute(get, "/tenants/{id}", sso.Viewer, "The caller's own tenant", handle(s.getTenant)),
		memberRoute(post, "/tenants/{id}/odoo/api-key/rotate", sso.Admin,
			"Replace the key of the caller's own Odoo workspace", handle(s.postRotateKey)),
	}
}

func (s *Server) leadRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		memberRoute(get, "/icp/rules", sso.Viewer, "Ideal customer profiles, newest first", handle(s.getRules)),
		memberRoute(post, "/icp/rules", sso.Ops, "Create or replace an ideal customer profile",
			handle(s.postRule)).takesBody().
			mayRefuse(http.StatusConflict).atPace(s.runs),
		memberRoute(http.MethodDelete, "/icp/rules/{name}", sso.Ops,
			"Delete an ideal customer profile; the last one cannot be deleted", handle(s.deleteRule)).
			mayRefuse(http.StatusConflict).atPace(s.runs),
		memberRoute(post, "/runs", sso.Ops, "Rescore the tenant's companies",
			handle(s.postRun)).succeedsWith(http.StatusAccepted).atPace(s.runs),
		memberRoute(get, "/runs/{id}", sso.Ops, "Progress or result of a run", handle(s.getRun)),
		memberRoute(get, "/scores/latest", sso.Viewer, "Scored leads, best first, page by page", handle(s.getScores)),
		memberRoute(get, "/candidates/latest", sso.Viewer, "Matching companies, newest first, page by page",
			handle(s.getCandidates)),
		memberRoute(get, "/shortlist/status", sso.Viewer, "Number of scored leads and time of the last run",
			handle(s.getShortlist)),
		memberRoute(get, "/export/latest_scores.json", sso.Viewer, "All scored leads as JSON", stream(s.exportJSON)).
			mayRefuse(http.StatusTooManyRequests),
		memberRoute(get, "/export/latest_scores.csv", sso.Viewer, "All scored leads as CSV", stream(s.exportCSV)).
			mayRefuse(http.StatusTooManyRequests),
		memberRoute(get, "/export/latest_scores.ndjson", sso.Viewer, "All scored leads, one JSON object a line",
			stream(s.exportNDJSON)).
			mayRefuse(http.StatusTooManyRequests),
	}
}

// Routes is the table, for tests and for `leadctl` to print.
func Routes() []Route { return (&Server{door: &web.Door{}}).routes() }

// handle puts a typed function behind a route, with an end to its time.
func handle[I, O any](fn func(context.Context, *I) (*O, error)) func(huma.API, huma.Operation) {
	return stream(func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, web.Patience)
		defer cancel()
		return fn(ctx, in)
	})
}

// stream is handle for answers that are written after the function returned, for as long as they take. Its errors
// become problems; nothing of a cause goes out.
func stream[I, O any](fn func(context.Context, *I) (*O, error)) func(huma.API, huma.Operation) {
	return func(api huma.API, op huma.Operation) {
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := fn(ctx, in)
			if err != nil {
				return nil, web.ProblemOf(ctx, err)
			}
			return out, nil
		})
	}
}

func (r Route) operation() huma.Operation {
	op := huma.Operation{Method: r.Method, Path: r.Path, Summary: r.Summary, OperationID: operationID(r),
		MaxBodyBytes: web.MaxBody + 1}
	if r.Guard != web.Open {
		op.Security = []map[string][]string{{"token": {}}}
		op.Errors = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
	}
	op.DefaultStatus = r.Status
	op.Errors = append(op.Errors, r.Refuses...)
	return op
}

func operationID(r Route) string {
	id := []byte(r.Method)
	for _, c := range []byte(r.Path) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			id = append(id, c)
		case len(id) > 0 && id[len(id)-1] != '_':
			id = append(id, '_')
		}
	}
	return strings.Trim(string(id), "_")
}
