// Package web is the door that every request passes, whether it asks for the API (package httpapi) or a page (package
// console): request id, log line, metrics, recovery, CORS, limits, credentials, session, tenant, and the form of
// refusals.
//
// Wrap puts the door around a mux. Authenticate and Caller say who sends a request: which token it carries is decided
// here, what the token is worth by package sso, which tenant it belongs to by package tenant, and whether its session
// has ended by package websession. Routes, handlers and pages are not known here.
package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/websession"
)

// Guard says what a request must prove before its handler runs.
type Guard string

// The guards of a route.
const (
	Open     Guard = "open"     // nothing
	Identity Guard = "identity" // a valid token; it may have no tenant yet
	Member   Guard = "member"   // a valid token with a usable tenant and at least the route's role
)

// Need is what a route requires of its caller.
type Need struct {
	Guard Guard
	Role  sso.Role // least role, for Member
}

// Patience is the longest time that a caller waits. PostgreSQL's lock timeout is shorter, so that its fault, which
// names the reason, comes first.
const Patience = 20 * time.Second

// Config are the settings of a Door.
type Config struct {
	CORSOrigins []string // origins whose pages may call with credentials, compared exactly
	Cookies     Cookies  // of signed-in browsers; the access cookie counts beside the Authorization header
	// requests without a token count as DevTenant's admin; the caller has checked that this is allowed
	DevBypass bool
	DevTenant tenantid.ID    // 0: only X-Tenant-ID names one
	Proxies   []netip.Prefix // whose X-Forwarded-For is believed

	Membership tenant.Membership // what a token's tenant claim is worth
}

// Deps are the dependencies of a Door.
type Deps struct {
	DB       *postgres.DB
	Verifier *sso.Verifier
	Sessions *websession.Manager   // nil: browsers cannot sign in here
	Log      *slog.Logger          // nil: discarded
	Metrics  prometheus.Registerer // nil: not exported
}

// Door admits or refuses requests. Make one with New; it is safe for concurrent use.
type Door struct {
	cfg      Config
	db       *postgres.DB
	verifier *sso.Verifier
	sessions *websession.Manager
	log      *slog.Logger
	metrics  *metrics
	now      func() time.Time

	SignIns     *Pace // of an address: each of the two steps of a sign-in
	Renewals    *Pace // of an address: new cookies for old ones, or for a token
	credentials *Pace // of one handle or token, wherever it comes from
}

// New makes a Door. It makes no call.
func New(cfg Config, d Deps) *Door {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Door{cfg: cfg, db: d.DB, verifier: d.Verifier, sessions: d.Sessions, log: d.Log,
		metrics: newMetrics(d.Metrics),
		now:     time.Now, SignIns: NewPace(10, 100), Renewals: NewPace(20, 200), credentials: NewPace(1, 60)}
}

// Cookies returns the names and attributes of the cookies that the door sets.
func (d *Door) Cookies() Cookies { return d.cfg.Cookies }

// Wrap puts the door around mux. methods are those of all routes, for CORS; the answers of the routes in polled, such
// as "GET /whoami", may be repeated from memory; show, if not nil, shows problems to people.
func (d *Door) Wrap(mux *http.ServeMux, methods, polled []string, show ProblemPage) http.Handler {
	h := notFoundAsProblem(mux)
	for _, wrap := range slices.Backward([]func(http.Handler) http.Handler{
		d.setRequestID, d.newLoops(polled).answerLoops, d.logAndCount, show.showProblems, recoverPanics,
		func(next http.Handler) http.Handler { return d.allowOrigins(methods, next) },
		enforceLimits, d.refuseCrossOrigin,
	}) {
		h = wrap(h)
	}
	return h
}

// StopClock fixes the door's clock at now, for tests of the pace. Call it before the first request.
func (d *Door) StopClock(now time.Time) { d.now = func() time.Time { return now } }
