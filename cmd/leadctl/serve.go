package main

import (
	"context"
	"fmt"
	"net"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/doctor"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/serve"
)

func newServe(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run the API, the console and the jobs",
		GroupID: groupServer,
		Long: "Run the API, the console and the jobs until SIGTERM, SIGINT or SIGHUP. serve never migrates the\n" +
			"database. If a migration is pending, or if a tenant could read another tenant's rows, it exits 3\n" +
			"before it listens and says what to do.",
		Example: "  leadctl serve\n  leadctl serve --listen 127.0.0.1:2025",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runDaemon(cmd.Context()) },
	}
	config.AddFlags(cmd.Flags(), "api.listen", "api.metrics_listen")
	return cmd
}

func (a *app) runDaemon(ctx context.Context) error {
	a.daemon = true
	cfg, err := a.configForServe(ctx)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	sink := a.queueLog()
	log, err := a.log(ctx)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		log.WarnContext(ctx, w)
	}
	started := func(addr net.Addr) {
		if a.terminal {
			fmt.Fprintf(a.stderr, "listening on http://%s (console at /, API at /docs); press Ctrl-C to stop\n", addr)
		}
	}
	opts := serve.Options{Version: buildVersion().Version, Log: log, LogSink: sink, Examine: doctor.HealthChecks,
		Started: started, Settle: cfg.API.Settle}
	if a.terminal {
		opts.Settle = 0 // no balancer stands before it, and Ctrl-C should end it at once
	}
	return serve.Run(ctx, cfg, opts)
}

// logEnd is how long the daemon waits at its end for the reader of its log.
const logEnd = 2 * time.Second

// queueLog puts a queue before stderr, so that a reader that does not read, or is gone, does not stop the daemon.
func (a *app) queueLog() *logging.Queue {
	signal.Ignore(syscall.SIGPIPE) // it would kill the process when the reader is gone
	q := logging.NewQueue(a.stderr)
	a.stderr, a.endLog = q, func() { q.Close(logEnd) }
	return q
}
