// Package serve is the daemon: it builds the packages from the configuration, refuses to start if something is unsafe,
// runs the API and the jobs, and ends in order.
//
// `leadctl serve` and `leadctl demo` run it; other commands take single pieces from package wire, so that a command and
// the daemon reach the database and Odoo in the same way. Package httpapi answers requests; the packages that enqueue
// jobs work them.
package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/reseal"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/wire"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// Times of an orderly end. Requests and jobs end at the same time, within the 30 s that process managers usually grant.
const (
	requestGrace = 15 * time.Second
	jobGrace     = jobs.SoftStop + 3*time.Second
)

// Options of Run.
type Options struct {
	Version string
	Log     *slog.Logger
	LogSink *logging.Queue               // what Log writes to, for /readyz and the metrics; nil: unknown
	Listen  func() (net.Listener, error) // default: cfg.API.Listen over TCP
	// default: cfg.API.MetricsListen over TCP; a nil listener serves no metrics
	ListenMetrics func() (net.Listener, error)
	Started       func(addr net.Addr) // called once, when requests are answered
	// how long requests are still answered after /readyz has begun to fail, until a balancer has noticed
	Settle   time.Duration
	Parallel int // jobs at a time
	// Examine runs the checks of `leadctl doctor` for the console's operators; nil shows them no health.
	Examine func(context.Context, config.Config) []console.Check

	times timeouts
}

// Run serves until ctx ends, then ends in order: not ready, no new jobs, no new requests, what runs finishes or goes
// back to the queue. It returns nil for an orderly end.
//
// No port opens before all checks pass. Faults: Operator with the exact reason (with all reasons if the configuration
// is wrong), Unavailable while PostgreSQL does not answer, Conflict if a port is taken. Run starts while the identity
// provider or Odoo is down: /readyz and the jobs report it until it is back.
func Run(ctx context.Context, cfg config.Config, opts Options) error {
	if opts.Log == nil {
		opts.Log = logging.Discard()
	}
	opts.times = opts.times.withDefaults()
	verifier, err := checkConfig(cfg, opts.Log)
	if err != nil {
		return err
	}
	defer verifier.Close()
	db, err := wire.Database(ctx, cfg, opts.Log)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := wire.Check(ctx, db, !cfg.Development()); err != nil {
		return explainUnreachable(err)
	}
	spaces, err := wire.Workspaces(ctx, cfg, db, opts.Log)
	if err != nil {
		return err
	}
	if err := checkKeyset(ctx, db, spaces.Keys, opts.Log); err != nil {
		return err
	}
	client, err := newJobs(ctx, cfg, db, spaces, opts)
	if err != nil {
		return err
	}
	d := &daemon{cfg: cfg, opts: opts, db: db, verifier: verifier, jobs: client, workspaces: spaces, keys: spaces.Keys}
	if d.odooTokens, err = wire.OdooVerifier(cfg, opts.Log); err != nil {
		return err
	}
	if d.odooTokens != nil {
		defer d.odooTokens.Close()
	}
	if err := d.openListeners(ctx); err != nil {
		return err
	}
	return d.serveUntilDone(ctx)
}

// checkConfig checks the whole configuration before any connection is made, and returns the verifier.
func checkConfig(cfg config.Config, log *slog.Logger) (*sso.Verifier, error) {
	err := cfg.ForServe()
	if _, keyErr := secret.Parse([]byte(cfg.Secrets.Keyset)); keyErr != nil {
		err = errors.Join(err, keyErr)
	}
	if _, weightsErr := leads.ParseWeights(cfg.Leads.Weights); weightsErr != nil {
		err = errors.Join(err, weightsErr)
	}
	if cfg.SSO.Issuer == "" { // ForServe has said so
		return nil, err
	}
	verifier, ssoErr := wire.Verifier(cfg, log)
	if err = errors.Join(err, ssoErr); err != nil && verifier != nil {
		verifier.Close()
	}
	return verifier, err
}

// checkKeyset refuses the keyset of another installation. It logs if a key is missing.
func checkKeyset(ctx context.Context, db *postgres.DB, keys *secret.Keyring, log *slog.Logger) error {
	missing, err := reseal.CheckKeyset(ctx, db, keys)
	if missing > 0 && err == nil {
		log.WarnContext(ctx, "the keyset lacks keys that sealed stored Odoo secrets; see `leadctl doctor`",
			"missing", missing)
	}
	return err
}

// explainUnreachable adds a hint to the fault of a database that does not answer; other faults have their own.
func explainUnreachable(err error) error {
	if !fault.Is(err, fault.Unavailable) {
		return err
	}
	return fault.New(fault.Unavailable, "PostgreSQL does not answer: %w", err).
		WithHint("%s; then start serve again, which does not wait for it (exit code 6: trying again can help)",
			cmp.Or(postgres.ConnectHint(err), "start PostgreSQL, and check POSTGRES_DSN"))
}

func newJobs(ctx context.Context, cfg config.Config, db *postgres.DB, spaces *workspace.Service,
	opts Options) (*jobs.Client, error) {
	return jobs.New(ctx, db, jobs.Options{Workers: wire.Workers(cfg, db, spaces, opts.Log), Parallel: opts.Parallel,
		Queues: queueSizes(cfg), Log: opts.Log, Version: opts.Version})
}

// daemon holds what one Run has built before it starts.
type daemon struct {
	cfg        config.Config
	opts       Options
	db         *postgres.DB
	door       *web.Door
	verifier   *sso.Verifier
	jobs       *jobs.Client
	keys       *secret.Keyring
	odooTokens *sso.Verifier // nil if members do not sign in to Odoo through the provider

	workspaces *workspace.Service

	api     net.Listener
	metrics net.Listener // nil: none
}

// openListeners opens both ports, or neither.
func (d *daemon) openListeners(ctx context.Context) (err error) {
	if d.api, err = listenAPI(d.cfg, d.opts); err != nil {
		return err
	}
	if d.metrics, err = listenMetrics(ctx, d.cfg, d.opts); err != nil {
		return errors.Join(err, d.api.Close())
	}
	return nil
}

func (d *daemon) serveUntilDone(ctx context.Context) error {
	log := d.opts.Log
	age := &registerAge{db: d.db}
	registry := newRegistry(d.opts.Version, d.db, d.verifier, d.jobs)
	registry.MustRegister(age, droppedLines(d.opts.LogSink))
	handler := d.newHandler(registry, age)
	if d.metrics != nil {
		defer serveMetrics(d.metrics, registry, d.opts.times, log)()
		log.InfoContext(ctx, "metrics", "addr", d.metrics.Addr().String())
	}
	if err := d.jobs.Start(ctx); err != nil {
		return errors.Join(err, d.api.Close())
	}
	defer keepSchedule(ctx, d.cfg, d.db, d.jobs, log)()
	defer keepFeedback(ctx, d.cfg, d.db, d.jobs, log)()
	server := newServer(d.withConsole(handler), d.opts.times, log)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(d.api) }()
	log.InfoContext(ctx, "serving", "addr", d.api.Addr().String(), "version", d.opts.Version)
	if d.opts.Started != nil {
		d.opts.Started(d.api.Addr())
	}
	select {
	case err := <-ended:
		return errors.Join(fault.New(fault.Internal, "listener %s: %w", d.api.Addr(), err), d.stopJobs())
	case <-ctx.Done():
		return d.shutDown(server, handler)
	}
}

func (d *daemon) newHandler(registry *prometheus.Registry, age *registerAge) *httpapi.Server {
	cfg, health := d.cfg, &health{db: d.db, verifier: d.verifier, strict: !d.cfg.Development(),
		recheck: d.opts.times.recheck, now: time.Now}
	sessions := wire.Sessions(cfg, d.api.Addr().String(), d.db, d.keys, d.verifier)
	d.door = web.New(web.Config{
		CORSOrigins: wire.Origins(cfg), DevBypass: cfg.Dev.AllowBypass, DevTenant: cfg.Dev.DefaultTenantID,
		Proxies: cfg.API.Networks(), Membership: tenant.Membership(cfg.SSO.Membership),
		Cookies: web.Cookies{Access: cfg.API.AccessCookie, Refresh: cfg.API.RefreshCookie,
			Secure: cfg.API.CookieSecure},
	}, web.Deps{DB: d.db, Verifier: d.verifier, Sessions: sessions, Log: d.opts.Log, Metrics: registry})
	return httpapi.New(httpapi.Config{
		Version: d.opts.Version, PublicURL: cfg.API.PublicURL, Issuer: cfg.SSO.Issuer, Audience: wire.Audience(cfg),
		DevBypass: cfg.Dev.AllowBypass, Streams: cfg.Quotas.Streams, UserStreams: cfg.Quotas.UserStreams,
		DownloadLimit: d.opts.times.download, InfoWait: d.opts.times.infoWait,
	}, httpapi.Deps{
		Door: d.door, DB: d.db, Jobs: d.jobs, Onboarding: wire.Onboarding(cfg, d.db, d.jobs), Sessions: sessions,
		Workspaces: d.workspaces, OdooTokens: d.odooTokens, Health: health.checkReady, Register: age.readAge,
		LogLost: d.logLost, Log: d.opts.Log,
	})
}

// shutDown ends the daemon. It stops claiming jobs and makes /readyz fail; requests are still answered, and each answer
// ends its connection, so that clients and balancers move to another replica before the listener closes. Then it waits
// for requests and jobs that are running.
func (d *daemon) shutDown(server *http.Server, api *httpapi.Server) error {
	d.opts.Log.Info("stopping: /readyz now fails", "listening_for", d.opts.Settle)
	api.Drain()
	jobsEnded := make(chan error, 1)
	go func() { jobsEnded <- d.stopJobs() }()
	time.Sleep(d.opts.Settle)
	ctx, cancel := context.WithTimeout(context.Background(), d.opts.times.grace)
	defer cancel()
	err := server.Shutdown(ctx)
	if err != nil {
		d.opts.Log.Warn("requests cut off: they took longer than the grace", "grace", d.opts.times.grace)
		err = server.Close()
	}
	return errors.Join(err, <-jobsEnded)
}

func (d *daemon) stopJobs() error {
	ctx, cancel := context.WithTimeout(context.Background(), jobGrace)
	defer cancel()
	return d.jobs.Stop(ctx)
}
