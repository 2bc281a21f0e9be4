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

// Route is one row of the table. It holds every fact of a route outside its handler.
type Route struct {
	Method  string
	Path    string
	Guard   web.Guard
	Role    sso.Role   // least role, for web.Member
	Body    bool       // accepts a JSON body of at most web.MaxBody bytes
	Status  int        // of success; 0: 200, or 204 without a body
	Refuses []int      // further statuses of a rejection, beside those of the guard
	Pace    *web.Pace  // limit per tenant (web.Member) or address (other guards); nil: no limit
	Log     slog.Level // level of the request's log line
	Polled  bool       // clients may ask in a loop; its answers are repeated from memory for a second
	Summary string

	register func(huma.API, huma.Operation)
}

func (r Route) takesBody() Route              { r.Body = true; return r }
func (r Route) succeedsWith(status int) Route { r.Status = status; return r }
func (r Route) logsAt(level slog.Level) Route { r.Log = level; return r }

func (r Route) isPolled() Route { r.Polled = true; return r }

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

// routeTable returns all routes except those of the documentation.
func (s *Server) routeTable() []Route {
	return slices.Concat(s.healthRoutes(), s.sessionRoutes(), s.tenantRoutes(), s.leadRoutes())
}

func (s *Server) healthRoutes() []Route {
	const get = http.MethodGet
	return []Route{
		openRoute(get, "/health", "Health of the process and age of the register",
			timedHandler(s.getHealth)).logsAt(slog.LevelDebug),
		openRoute(get, "/livez", "Liveness of the process; depends on nothing else",
			timedHandler(s.getLive)).logsAt(slog.LevelDebug),
		openRoute(get, "/readyz", "Readiness of the process", timedHandler(s.getReady)).logsAt(slog.LevelDebug),
	}
}

func (s *Server) sessionRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		openRoute(get, "/auth/login", "Sign in: redirects the browser to the identity provider",
			timedHandler(s.getLogin)).
			atPace(s.door.SignIns),
		openRoute(post, "/auth/login", "Passwords are not accepted: 405 with the address that signs in",
			streamHandler(s.postLogin)).mayRefuse(http.StatusMethodNotAllowed),
		openRoute(get, "/auth/callback", "Return from the identity provider",
			timedHandler(s.getCallback)).atPace(s.door.SignIns),
		openRoute(post, "/auth/refresh", "New access cookie for a signed-in browser",
			timedHandler(s.postRefresh)).atPace(s.door.Renewals),
		openRoute(post, "/auth/exchange", "Exchange an ID token for cookies",
			timedHandler(s.postExchange)).takesBody().
			atPace(s.door.Renewals),
		openRoute(post, "/auth/logout", "End the session", timedHandler(s.postLogout)),
		openRoute(get, "/protocol/openid-connect/logout",
			"End the session and go on to the provider's sign-out page", timedHandler(s.getLogout)),
		openRoute(get, "/odoo/userinfo", "Token check for Odoo's OAuth sign-in (called by Odoo)",
			timedHandler(s.getUserinfo)),
	}
}

func (s *Server) tenantRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		identityRoute(get, "/info", "Issuer and audience of this API", timedHandler(s.getInfo)),
		identityRoute(post, "/onboarding/first_login",
			"Create the caller's tenant and workspace, or join the running job", timedHandler(s.postFirstLogin)).
			succeedsWith(http.StatusAccepted).mayRefuse(http.StatusConflict).isPolled(),
		memberRoute(get, "/whoami", sso.Viewer, "Caller, tenant and roles", timedHandler(s.getWhoami)).
			isPolled(),
		memberRoute(get, "/onboarding/status", sso.Viewer, "State of the workspace",
			timedHandler(s.getOnboardingStatus)).isPolled(),
		memberRoute(get, "/onboarding/events", sso.Viewer,
			"State of the workspace, as server-sent events until it is ready or in error", streamHandler(s.getEvents)).
			mayRefuse(http.StatusTooManyRequests),
		memberRoute(get, "/onboarding/verify_odoo", sso.Viewer, "Whether the Odoo workspace exists and passed its test",
			timedHandler(s.getVerifyOdoo)).isPolled(),
		memberRoute(get, "/session/odoo_info", sso.Viewer, "Address of the caller's Odoo workspace",
			timedHandler(s.getOdooInfo)).isPolled(),
		memberRoute(get, "/tenants/{id}", sso.Viewer, "The caller's own tenant", timedHandler(s.getTenant)),
		memberRoute(post, "/tenants/{id}/odoo/api-key/rotate", sso.Admin,
			"Replace the key of the caller's own Odoo workspace", timedHandler(s.postRotateKey)),
	}
}

func (s *Server) leadRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		memberRoute(get, "/icp/rules", sso.Viewer, "Ideal customer profiles, newest first", timedHandler(s.getRules)),
		memberRoute(post, "/icp/rules", sso.Ops, "Create or replace an ideal customer profile",
			timedHandler(s.postRule)).takesBody().
			mayRefuse(http.StatusConflict).atPace(s.runs),
		memberRoute(http.MethodDelete, "/icp/rules/{name}", sso.Ops,
			"Delete an ideal customer profile; the last one cannot be deleted", timedHandler(s.deleteRule)).
			mayRefuse(http.StatusConflict).atPace(s.runs),
		memberRoute(post, "/runs", sso.Ops, "Rescore the tenant's companies",
			timedHandler(s.postRun)).succeedsWith(http.StatusAccepted).atPace(s.runs),
		memberRoute(get, "/runs/{id}", sso.Ops, "Progress or result of a run", timedHandler(s.getRun)),
		memberRoute(get, "/scores/latest", sso.Viewer, "Scored leads, best first, page by page",
			timedHandler(s.getScores)),
		memberRoute(get, "/candidates/latest", sso.Viewer, "Matching companies, newest first, page by page",
			timedHandler(s.getCandidates)),
		memberRoute(get, "/shortlist/status", sso.Viewer, "Number of scored leads and time of the last run",
			timedHandler(s.getShortlist)),
		memberRoute(get, "/export/latest_scores.json", sso.Viewer, "All scored leads as JSON",
			streamHandler(s.exportJSON)).
			mayRefuse(http.StatusTooManyRequests),
		memberRoute(get, "/export/latest_scores.csv", sso.Viewer, "All scored leads as CSV",
			streamHandler(s.exportCSV)).
			mayRefuse(http.StatusTooManyRequests),
		memberRoute(get, "/export/latest_scores.ndjson", sso.Viewer, "All scored leads, one JSON object a line",
			streamHandler(s.exportNDJSON)).
			mayRefuse(http.StatusTooManyRequests),
	}
}

// Routes returns the table, for tests.
func Routes() []Route { return (&Server{door: &web.Door{}}).routeTable() }

// timedHandler registers fn for a route and cancels its context after web.Patience.
func timedHandler[I, O any](fn func(context.Context, *I) (*O, error)) func(huma.API, huma.Operation) {
	return streamHandler(func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, web.Patience)
		defer cancel()
		return fn(ctx, in)
	})
}

// streamHandler registers fn for a route without a time limit, because its answer is written after fn returns. An error
// becomes a problem, which never shows the cause.
func streamHandler[I, O any](fn func(context.Context, *I) (*O, error)) func(huma.API, huma.Operation) {
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

func (r Route) openAPIOperation() huma.Operation {
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
