// Package serve is the daemon: it puts the packages together as the configuration says, refuses to start when something
// is unsafe, runs API and jobs, and ends in order.
//
// `leadctl serve` and `leadctl demo` run it; other commands take single pieces from wire.go, so that a command and the
// daemon never differ in how they reach the database or Odoo. What a request does is package httpapi's; what a job does,
// the packages' that enqueue them.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Times of an orderly end. Together they stay below the 30 s that process managers usually grant.
const (
	requestGrace = 15 * time.Second
	jobGrace     = jobs.SoftStop + 3*time.Second
	recheck      = 30 * time.Second // how old the gate's verdict behind /readyz may be
)

// Options of Run.
type Options struct {
	Version  string
	Log      *slog.Logger
	Listen   func() (net.Listener, error) // default: cfg.API.Listen over TCP
	Started  func(addr net.Addr)          // called once, when requests are answered
	Settle   time.Duration                // how long /readyz says no before the listener closes; lets a balancer notice
	Parallel int                          // jobs at a time
}

// Run serves until ctx ends, then ends in order: not ready, no new requests, no new jobs, what runs finishes or goes back to
// the queue. It returns nil for an orderly end. Faults before the port opens: Operator with the exact reason.
func Run(ctx context.Context, cfg config.Config, opts Options) error {
	if opts.Log == nil {
		opts.Log = logging.Discard()
	}
	if err := cfg.ForServe(); err != nil {
		return err
	}
	db, err := Database(ctx, cfg, opts.Log)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := Check(ctx, db, !cfg.Development()); err != nil {
		return err
	}
	verifier, err := Verifier(cfg, opts.Log)
	if err != nil {
		return err
	}
	defer verifier.Close()
	if !verifier.ChecksAudience() {
		opts.Log.WarnContext(ctx, "the audience of tokens is not checked: every client of the realm is accepted; set NEXIUS_AUDIENCE")
	}
	client, err := startJobs(ctx, cfg, db, opts)
	if err != nil {
		return err
	}
	return errors.Join(serveAPI(ctx, cfg, db, verifier, client, opts), stopJobs(client))
}

func startJobs(ctx context.Context, cfg config.Config, db *postgres.DB, opts Options) (*jobs.Client, error) {
	workers, err := Workers(ctx, cfg, db, opts.Log)
	if err != nil {
		return nil, err
	}
	client, err := jobs.New(ctx, db, jobs.Options{Workers: workers, Parallel: opts.Parallel, Log: opts.Log})
	if err != nil {
		return nil, err
	}
	return client, client.Start(ctx)
}

func stopJobs(client *jobs.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), jobGrace)
	defer cancel()
	return client.Stop(ctx)
}

func serveAPI(ctx context.Context, cfg config.Config, db *postgres.DB, verifier *sso.Verifier, client *jobs.Client, opts Options) error {
	health := &health{db: db, verifier: verifier, strict: !cfg.Development()}
	api := httpapi.New(httpapi.Config{
		Version: opts.Version, PublicURL: cfg.API.PublicURL, Issuer: cfg.SSO.Issuer, Audience: audience(cfg), CORSOrigins: origins(cfg),
		Cookie: cfg.API.AccessCookie, DevBypass: cfg.Dev.AllowBypass, DevTenant: cfg.Dev.DefaultTenantID,
	}, httpapi.Deps{DB: db, Verifier: verifier, Onboarding: Onboarding(cfg, db, client), Health: health.check, Log: opts.Log})

	ln, err := listen(cfg, opts)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: api.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: httpapi.MaxHeaderBytes, ErrorLog: slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	opts.Log.InfoContext(ctx, "serving", "addr", ln.Addr().String(), "version", opts.Version)
	if opts.Started != nil {
		opts.Started(ln.Addr())
	}
	select {
	case err := <-ended:
		return fault.New(fault.Internal, "listener %s: %w", ln.Addr(), err)
	case <-ctx.Done():
		return drain(server, api, opts)
	}
}

// drain ends the API: first the balancer is told, then the listener closes, then what is under way may finish.
func drain(server *http.Server, api *httpapi.Server, opts Options) error {
	opts.Log.Info("stopping: not ready any more")
	api.Drain()
	time.Sleep(opts.Settle)
	ctx, cancel := context.WithTimeout(context.Background(), requestGrace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		opts.Log.Warn("requests cut off: they took longer than the grace", "grace", requestGrace)
		return server.Close()
	}
	return nil
}

func listen(cfg config.Config, opts Options) (net.Listener, error) {
	if opts.Listen != nil {
		return opts.Listen()
	}
	ln, err := net.Listen("tcp", cfg.API.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Conflict, "address %s: another process listens there", cfg.API.Listen).
			WithHint("choose another with --listen, for example --listen 127.0.0.1:2025")
	case err != nil:
		return nil, fault.New(fault.Invalid, "address %s: %w", cfg.API.Listen, err).WithHint("--listen takes host:port")
	}
	return ln, nil
}

// origins adds what a UI under development is served from.
func origins(cfg config.Config) []string {
	if !cfg.Development() {
		return cfg.API.CORSOrigins
	}
	return append([]string{"http://localhost:3000", "http://127.0.0.1:3000"}, cfg.API.CORSOrigins...)
}
