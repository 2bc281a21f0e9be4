package main

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/doctor"
	"github.com/leadctl/leadctl/pkg/serve"
)

func newServe(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run the API, the console and the jobs",
		GroupID: groupServer,
		Long: "Run the API, the console and the jobs until SIGTERM or SIGINT. serve never migrates the database. If\n" +
			"a migration is pending, or if a tenant could read another tenant's rows, it exits 3 before it\n" +
			"listens and says what to do.",
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
	log, err := a.log(ctx)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		log.WarnContext(ctx, w)
	}
	started := func(addr net.Addr) {
		if isTerminal(a.stderr) {
			fmt.Fprintf(a.stderr, "listening on http://%s (console at /, API at /docs); press Ctrl-C to stop\n", addr)
		}
	}
	opts := serve.Options{Version: buildVersion().Version, Log: log, Examine: doctor.HealthChecks, Started: started}
	return serve.Run(ctx, cfg, opts)
}
