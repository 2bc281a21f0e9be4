// Package httpapi is the HTTP API: the routes, the access that each requires, and the encoding of answers and problems.
//
// routes.go is the only table of routes; each row holds all facts of a route. A handler decodes the request, calls a
// domain package, and encodes the answer. Package web identifies the caller of every request. Package serve starts and
// stops the process.
package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/sync/semaphore"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/websession"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Config holds the settings of the API.
type Config struct {
	Version     string // shown in the OpenAPI document
	PublicURL   string // shown in the OpenAPI document, unless ""
	Issuer      string // shown by /info
	Audience    string // shown by /info
	DevBypass   bool   // shown by /info
	Streams     int    // most open event streams per tenant in this process; 0 is no limit
	UserStreams int    // most open event streams per user in this process; 0 is no limit

	DownloadLimit time.Duration // longest duration of a download; default 15 minutes
	InfoWait      time.Duration // how long /session/odoo_info waits for a workspace that is being made; default 50 s
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
	odooTokens *sso.Verifier
	refusals   *web.Pace                   // rejected tokens of Odoo users, by address
	runs       *web.Pace                   // requests that start a run, by tenant
	health     func(context.Context) error // nil error: the process is ready
	register   func(context.Context) acra.Age
	logLost    func() uint64
	log        *slog.Logger
	now        func() time.Time
	draining   atomic.Bool
	exports    *exportSlots
	spoolDisk  *semaphore.Weighted // bytes that downloads may write to temporary files
	streams    *streams
	waits      waits
	bodies     sync.Pool // of *bytes.Buffer, for buffered exports
	pages      map[string]http.Handler
	mux        *http.ServeMux
	show       web.ProblemPage
}

// Deps holds what the handlers call.
type Deps struct {
	Door       *web.Door
	DB         *postgres.DB
	Jobs       *jobs.Client
	Onboarding *onboarding.Service
	Sessions   *websession.Manager // nil: browser sign-in is off
	Workspaces *workspace.Service
	OdooTokens *sso.Verifier // verifies tokens of Odoo users; nil: single sign-on to Odoo is off
	Health     func(context.Context) error
	Register   func(context.Context) acra.Age // age of the register; nil: /health does not show it
	LogLost    func() uint64                  // log lines lost, 0 if none are being lost; nil: not shown
	Log        *slog.Logger
}

// New returns a Server. It does not connect to anything or start goroutines.
func New(cfg Config, d Deps) *Server {
	s := &Server{
		cfg: cfg, door: d.Door, db: d.DB, jobs: d.Jobs, onboarding: d.Onboarding, sessions: d.Sessions,
		workspaces: d.Workspaces,
		odooTokens: d.OdooTokens, health: d.Health, register: d.Register, logLost: d.LogLost, log: d.Log, now: time.Now,
		exports: newExportSlots(d.DB.Stat().MaxConns()), spoolDisk: semaphore.NewWeighted(spoolDisk),
		streams:  newStreams(cfg.Streams, cfg.UserStreams),
		refusals: web.NewPace(20, 20), runs: web.NewPace(1, 60),
	}
	s.cfg.InfoWait = cmp.Or(cfg.InfoWait, 50*time.Second)
	s.cfg.DownloadLimit = cmp.Or(cfg.DownloadLimit, 15*time.Minute)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Drain makes /readyz answer 503, so that a load balancer stops sending requests before the listener closes. From now
// on each answer ends its connection. Idle connections stay open, because a client may be sending on one.
func (s *Server) Drain() { s.draining.Store(true) }

// Mount adds the console's pages by mux pattern, and the page that shows a problem. Call it before Handler.
func (s *Server) Mount(pages map[string]http.Handler, show web.ProblemPage) {
	s.pages, s.show = pages, show
}

// pageToReturnTo returns the address to which a browser may go after a sign-in: to, unless it is a path of this server
// that is not a page. A route of the API would start another sign-in, end the session or download data.
func (s *Server) pageToReturnTo(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return to // package websession compares origins
	}
	_, pattern := s.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: u.Path}})
	if s.pages[pattern] == nil {
		return "/"
	}
	return to
}

// Handler returns the handler of the whole API and of the mounted pages.
func (s *Server) Handler() http.Handler { return s.handlerOf(s.routeTable()) }

func (s *Server) handlerOf(routes []Route) http.Handler {
	installProblems()
	mux := http.NewServeMux()
	s.mux = mux
	api := humago.New(mux, s.openAPI())
	var methods, polled []string
	for _, r := range routes {
		op := r.openAPIOperation()
		op.Middlewares = huma.Middlewares{s.guardRoute(api, r)}
		if r.Pace != nil {
			op.Middlewares = append(op.Middlewares, s.limitPace(r))
		}
		r.register(api, op)
		if !slices.Contains(methods, r.Method) {
			methods = append(methods, r.Method)
		}
		if r.Polled {
			polled = append(polled, r.Method+" "+r.Path)
		}
	}
	s.registerDocs(mux, api)
	for pattern, page := range s.pages {
		mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.SetRoute(r.Context(), pattern, slog.LevelInfo)
			page.ServeHTTP(w, r)
		}))
	}
	return s.endConnections(s.door.Wrap(mux, methods, polled, s.show))
}

func (s *Server) openAPI() huma.Config {
	cfg := huma.DefaultConfig("leadctl", s.cfg.Version)
	cfg.Info.Description = "Tenants, their onboarding and their leads. Every route except the open ones requires a " +
		"bearer token of the configured issuer. The tenant comes from the token, never from the request."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", "" // docs.go serves them without a CDN
	cfg.CreateHooks = nil                                       // they would add $schema, which repeats the Host header
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
		BearerFormat: "JWT"}}
	if s.cfg.PublicURL != "" {
		cfg.Servers = []*huma.Server{{URL: s.cfg.PublicURL}}
	}
	return cfg
}
