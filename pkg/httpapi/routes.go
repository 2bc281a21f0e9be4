package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/sso"
)

// Guard says what a request must prove before its handler runs.
type Guard string

// The guards.
const (
	Open     Guard = "open"     // nothing
	Identity Guard = "identity" // a good token; it may have no tenant yet
	Member   Guard = "member"   // a good token with a usable tenant and at least the route's role
)

// Route is one row of the table.
type Route struct {
	Method   string
	Path     string
	Guard    Guard
	Role     sso.Role // least role, for Member
	Body     bool     // takes a JSON body
	Summary  string
	register func(huma.API, huma.Operation)
}

// routes is every route there is, but for the documentation's own assets.
func (s *Server) routes() []Route {
	return []Route{
		{http.MethodGet, "/health", Open, "", false, "The process answers, and how old its register is", handle(s.getHealth)},
		{http.MethodGet, "/livez", Open, "", false, "The process lives; touches nothing else", handle(s.getLive)},
		{http.MethodGet, "/readyz", Open, "", false, "The process can do its job", handle(s.getReady)},

		{http.MethodGet, "/auth/login", Open, "", false, "Sign a browser in: redirects to the identity provider", s.paced(s.paces.signIns, handle(s.getLogin))},
		{http.MethodGet, "/auth/callback", Open, "", false, "Where the identity provider sends the browser back", s.paced(s.paces.signIns, handle(s.getCallback))},
		{http.MethodPost, "/auth/refresh", Open, "", false, "A new access cookie for a signed-in browser", s.paced(s.paces.renewals, handle(s.postRefresh))},
		{http.MethodPost, "/auth/exchange", Open, "", true, "Cookies for an ID token that the page has", s.paced(s.paces.renewals, handle(s.postExchange))},
		{http.MethodPost, "/auth/logout", Open, "", false, "End the session at once", handle(s.postLogout)},

		{http.MethodGet, "/odoo/userinfo", Open, "", false, "Asked by Odoo: whose token it is that somebody signs in with", handle(s.getUserinfo)},

		{http.MethodGet, "/info", Identity, "", false, "How this API signs users in", handle(s.getInfo)},
		{http.MethodPost, "/onboarding/first_login", Identity, "", false, "Make the caller's tenant and workspace, or join the work under way", refuses(http.StatusConflict, handle(s.postFirstLogin))},
		{http.MethodGet, "/whoami", Member, sso.Viewer, false, "The caller, tenant and roles", handle(s.getWhoami)},
		{http.MethodGet, "/onboarding/status", Member, sso.Viewer, false, "Where the workspace stands", handle(s.getOnboardingStatus)},
		{http.MethodGet, "/onboarding/events", Member, sso.Viewer, false, "Where the workspace stands, as server-sent events until it is ready or in error", refuses(http.StatusTooManyRequests, stream(s.getEvents))},
		{http.MethodGet, "/onboarding/verify_odoo", Member, sso.Viewer, false, "Whether the Odoo workspace is there and passed its test", handle(s.getVerifyOdoo)},
		{http.MethodGet, "/session/odoo_info", Member, sso.Viewer, false, "Where the caller's Odoo workspace is", handle(s.getOdooInfo)},
		{http.MethodGet, "/tenants/{id}", Member, sso.Viewer, false, "The caller's own tenant", handle(s.getTenant)},
		{http.MethodPost, "/tenants/{id}/odoo/api-key/rotate", Member, sso.Admin, false, "Give the caller's own Odoo workspace another key", handle(s.postRotateKey)},

		{http.MethodGet, "/icp/rules", Member, sso.Viewer, false, "Ideal customer profiles, newest first", handle(s.getRules)},
		{http.MethodPost, "/icp/rules", Member, sso.Ops, true, "Make or change an ideal customer profile", s.pacedRuns(refuses(http.StatusConflict, handle(s.postRule)))},
		{http.MethodDelete, "/icp/rules/{name}", Member, sso.Ops, false, "Delete an ideal customer profile; the last one stays", s.pacedRuns(refuses(http.StatusConflict, handle(s.deleteRule)))},
		{http.MethodPost, "/runs", Member, sso.Ops, false, "Bring the scores to what rules and companies say", s.pacedRuns(handle(s.postRun))},
		{http.MethodGet, "/runs/{id}", Member, sso.Ops, false, "How far a run is, or what came of it", handle(s.getRun)},
		{http.MethodGet, "/scores/latest", Member, sso.Viewer, false, "Scored leads, best first, page by page", handle(s.getScores)},
		{http.MethodGet, "/candidates/latest", Member, sso.Viewer, false, "Companies that fit, most recent first, page by page", handle(s.getCandidates)},
		{http.MethodGet, "/shortlist/status", Member, sso.Viewer, false, "How many leads are scored, and since when", handle(s.getShortlist)},
		{http.MethodGet, "/export/latest_scores.json", Member, sso.Viewer, false, "All scored leads as JSON", refuses(http.StatusTooManyRequests, stream(s.exportJSON))},
		{http.MethodGet, "/export/latest_scores.csv", Member, sso.Viewer, false, "All scored leads as CSV", refuses(http.StatusTooManyRequests, stream(s.exportCSV))},
		{http.MethodGet, "/export/latest_scores.ndjson", Member, sso.Viewer, false, "All scored leads, one JSON object a line", refuses(http.StatusTooManyRequests, stream(s.exportNDJSON))},
	}
}

// Routes is the table, for tests and for `leadctl` to print.
func Routes() []Route { return (&Server{}).routes() }

// patience is how long a caller is kept at most. It is longer than PostgreSQL waits for a lock, so that those end first,
// with a reason.
const patience = 20 * time.Second

// handle puts a typed function behind a route, with an end to its time.
func handle[I, O any](fn func(context.Context, *I) (*O, error)) func(huma.API, huma.Operation) {
	return stream(func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return fn(ctx, in)
	})
}

// stream is handle for answers that are written after the function returned, for as long as they take. Its errors become
// problems; nothing of a cause goes out.
func stream[I, O any](fn func(context.Context, *I) (*O, error)) func(huma.API, huma.Operation) {
	return func(api huma.API, op huma.Operation) {
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := fn(ctx, in)
			if err != nil {
				return nil, problemOf(ctx, err)
			}
			return out, nil
		})
	}
}

// refuses says in the API's description that a route may also answer with that status.
func refuses(status int, register func(huma.API, huma.Operation)) func(huma.API, huma.Operation) {
	return func(api huma.API, op huma.Operation) {
		op.Errors = append(op.Errors, status)
		register(api, op)
	}
}

func (r Route) operation() huma.Operation {
	op := huma.Operation{Method: r.Method, Path: r.Path, Summary: r.Summary, OperationID: operationID(r), MaxBodyBytes: maxBody + 1}
	if r.Guard != Open {
		op.Security = []map[string][]string{{"token": {}}}
		op.Errors = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
	}
	if r.Path == "/onboarding/first_login" || r.Path == "/runs" {
		op.DefaultStatus = http.StatusAccepted
	}
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
