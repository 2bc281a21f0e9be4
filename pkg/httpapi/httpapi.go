// Package httpapi is the guarded API: what a request must bring, which function of the domain answers it, and how answers
// and failures look on the wire.
//
// routes.go is the one table: method, path, guard, least role, handler; nothing else registers a route. A handler decodes,
// calls a domain package, and encodes. Who a caller is comes from package sso, which tenant from package tenant. The
// request passes, outermost first, through: request id, log line and metrics, recovery, CORS, limits, cross-origin protection,
// the mux, the guard. It does not start or stop the process: cmd/leadctl serve does.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/session"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Config is what the API needs to know beside its dependencies.
type Config struct {
	Version     string   // shown in the OpenAPI document
	PublicURL   string   // where clients reach the API; "" leaves it out of the document
	Issuer      string   // shown by /info
	Audience    string   // shown by /info
	CORSOrigins []string // exact origins that may call with credentials
	Cookies     Cookies  // of signed-in browsers; the access cookie counts beside the Authorization header
	DevBypass   bool     // requests without a token count as DevTenant's admin; the caller has checked that this is allowed
	DevTenant   tenantid.ID
	Streams     int // event streams of one tenant in this process at a time; 0 is no limit
	UserStreams int // the same of one of its users

	TrustedProxies []netip.Prefix // whose X-Forwarded-For tells where a request comes from
}

// Server answers the API's requests. Make one with New; it is safe for concurrent use.
type Server struct {
	cfg        Config
	db         *postgres.DB
	verifier   *sso.Verifier
	jobs       *jobs.Client
	onboarding *onboarding.Service
	sessions   *session.Manager
	workspaces *workspace.Service
	odooSSO    *sso.Verifier
	paces      paces
	health     func(context.Context) error // nil error: this process can do its job
	register   func(context.Context) acra.Age
	log        *slog.Logger
	now        func() time.Time
	draining   atomic.Bool
	exports    *exportSlots
	streams    *streams
	bodies     sync.Pool // of *bytes.Buffer, for exports that are made whole
	metrics    *metrics
	pages      map[string]http.Handler
}

// Deps are what the handlers call.
type Deps struct {
	DB         *postgres.DB
	Verifier   *sso.Verifier
	Jobs       *jobs.Client
	Onboarding *onboarding.Service
	Sessions   *session.Manager // nil: browsers cannot sign in here
	Workspaces *workspace.Service
	OdooSSO    *sso.Verifier // of tokens that people sign in to Odoo with; nil: they do not
	Health     func(context.Context) error
	Register   func(context.Context) acra.Age // how old the companies are; nil: nobody knows
	Log        *slog.Logger
	Metrics    prometheus.Registerer // nil: requests are counted for nobody
}

// New makes a Server. It opens nothing and starts nothing.
func New(cfg Config, d Deps) *Server {
	s := &Server{cfg: cfg, db: d.DB, verifier: d.Verifier, jobs: d.Jobs, onboarding: d.Onboarding, sessions: d.Sessions, workspaces: d.Workspaces, odooSSO: d.OdooSSO, health: d.Health, register: d.Register, log: d.Log, now: time.Now,
		exports: newExportSlots(d.DB.Stat().MaxConns()), streams: newStreams(cfg.Streams, cfg.UserStreams), metrics: newMetrics(d.Metrics), paces: newPaces()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Drain makes /readyz answer 503 from now on, so that a balancer stops sending requests before the listener closes.
func (s *Server) Drain() { s.draining.Store(true) }

// Handler is the whole API with everything around it.
func (s *Server) Handler() http.Handler {
	installProblems()
	mux := http.NewServeMux()
	api := humago.New(mux, s.openAPI())
	for _, r := range s.routes() {
		op := r.operation()
		op.Middlewares = huma.Middlewares{s.guard(api, r)}
		r.register(api, op)
	}
	s.registerDocs(mux, api)
	s.registerPages(mux)
	return chain(known(mux), s.requestID, s.observed, recovered, s.cors, limited, s.sameOrigin)
}

// chain puts the wrappers around h, the first one outermost.
func chain(h http.Handler, wrappers ...func(http.Handler) http.Handler) http.Handler {
	for _, wrap := range slices.Backward(wrappers) {
		h = wrap(h)
	}
	return h
}

func (s *Server) openAPI() huma.Config {
	cfg := huma.DefaultConfig("leadctl", s.cfg.Version)
	cfg.Info.Description = "Tenants, their onboarding and their leads. Every route but the open ones takes a bearer token of the configured issuer; the tenant comes from the token, never from the request."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", "" // served by docs.go, without a CDN
	cfg.CreateHooks = nil                                       // no $schema member in bodies: it would repeat the Host header
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}}
	if s.cfg.PublicURL != "" {
		cfg.Servers = []*huma.Server{{URL: s.cfg.PublicURL}}
	}
	return cfg
}
