// Package httpapi is the guarded API: what a request must bring, which function of the domain answers it, and how
// answers and failures look on the wire.
//
// routes.go is the one table: each row holds all facts of a route, and nothing else registers one. A handler decodes,
// calls a domain package, and encodes. Every request comes through package web, which says who the caller is. Package
// serve starts and stops the process.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/websession"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Config is what the API needs to know beside its dependencies.
type Config struct {
	Version     string // shown in the OpenAPI document
	PublicURL   string // where clients reach the API; "" leaves it out of the document
	Issuer      string // shown by /info
	Audience    string // shown by /info
	DevBypass   bool   // shown by /info
	Streams     int    // event streams of one tenant in this process at a time; 0 is no limit
	UserStreams int    // the same of one of its users
}

// Server answers the API's requests. Make one with New; it is safe for concurrent use.
type Server struct {
	cfg        Config
	door       *web.Door
	db         *postgres.DB
	jobs       *jobs.Client
	onboarding *onboarding.Service
	sessions   *websession.Manager
	workspaces *workspace.Service
	odooSSO    *sso.Verifier
	refusals   *web.Pace                   // of an address: tokens that Odoo asked about and that were refused
	runs       *web.Pace                   // of a tenant: runs that its people ask for
	health     func(context.Context) error // nil error: this process can do its job
	register   func(context.Context) acra.Age
	log        *slog.Logger
	now        func() time.Time
	draining   atomic.Bool
	exports    *exportSlots
	streams    *streams
	bodies     sync.Pool // of *bytes.Buffer, for exports that are made whole
	pages      map[string]http.Handler
	show       web.ProblemPage
}

// Deps are what the handlers call.
type Deps struct {
	Door       *web.Door
	DB         *postgres.DB
	Jobs       *jobs.Client
	Onboarding *onboarding.Service
	Sessions   *websession.Manager // nil: browsers cannot sign in here
	Workspaces *workspace.Service
	OdooSSO    *sso.Verifier // of tokens that people sign in to Odoo with; nil: they do not
	Health     func(context.Context) error
	Register   func(context.Context) acra.Age // how old the companies are; nil: nobody knows
	Log        *slog.Logger
}

// New makes a Server. It opens nothing and starts nothing.
func New(cfg Config, d Deps) *Server {
	s := &Server{
		cfg: cfg, door: d.Door, db: d.DB, jobs: d.Jobs, onboarding: d.Onboarding, sessions: d.Sessions,
		workspaces: d.Workspaces,
		odooSSO:    d.OdooSSO, health: d.Health, register: d.Register, log: d.Log, now: time.Now,
		exports: newExportSlots(d.DB.Stat().MaxConns()), streams: newStreams(cfg.Streams, cfg.UserStreams),
		refusals: web.NewPace(20, 20), runs: web.NewPace(1, 60),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Drain makes /readyz answer 503 from now on, so that a balancer stops sending requests before the listener closes.
func (s *Server) Drain() { s.draining.Store(true) }

// Mount adds the pages for people, by mux pattern, and what shows a problem to a person. It is called before Handler.
func (s *Server) Mount(pages map[string]http.Handler, show web.ProblemPage) {
	s.pages, s.show = pages, show
}

// Handler is the whole API and the mounted pages, behind the door.
func (s *Server) Handler() http.Handler { return s.handlerOf(s.routes()) }

func (s *Server) handlerOf(routes []Route) http.Handler {
	installProblems()
	mux := http.NewServeMux()
	api := humago.New(mux, s.openAPI())
	var methods []string
	for _, r := range routes {
		op := r.operation()
		op.Middlewares = huma.Middlewares{s.guard(api, r)}
		if r.Pace != nil {
			op.Middlewares = append(op.Middlewares, s.keepPace(r))
		}
		r.register(api, op)
		if !slices.Contains(methods, r.Method) {
			methods = append(methods, r.Method)
		}
	}
	s.registerDocs(mux, api)
	for pattern, page := range s.pages {
		mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.SetRoute(r.Context(), pattern, slog.LevelInfo)
			page.ServeHTTP(w, r)
		}))
	}
	return s.door.Wrap(mux, methods, s.show)
}

func (s *Server) openAPI() huma.Config {
	cfg := huma.DefaultConfig("leadctl", s.cfg.Version)
	cfg.Info.Description = "Tenants, their onboarding and their leads. Every route but the open ones takes a bearer " +
		"token of the configured issuer; the tenant comes from the token, never from the request."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", "" // served by docs.go, without a CDN
	// no $schema member in bodies: it would repeat the Host header
	cfg.CreateHooks = nil
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
		BearerFormat: "JWT"}}
	if s.cfg.PublicURL != "" {
		cfg.Servers = []*huma.Server{{URL: s.cfg.PublicURL}}
	}
	return cfg
}
