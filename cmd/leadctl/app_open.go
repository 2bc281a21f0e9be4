package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/wire"
)

func (a *app) loadConfig(context.Context) (config.Config, error) {
	return config.Load(config.Source{File: a.configPath(), Flags: a.flags, Profile: a.profile})
}

// configPath returns the configuration file named by --config or LEADCTL_CONFIG, or "" for the default places.
func (a *app) configPath() string {
	if a.configFile != "" {
		return a.configFile
	}
	return os.Getenv("LEADCTL_CONFIG")
}

// configForServe returns the configuration of a process that listens. Its error names every setting that serve rejects.
func (a *app) configForServe(ctx context.Context) (config.Config, error) {
	cfg, err := a.config(ctx)
	if refused := cfg.ForServe(); refused != nil {
		return cfg, refused
	}
	return cfg, err
}

func (a *app) openLog(ctx context.Context) (*slog.Logger, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	format := cfg.Log.Format
	if format == "auto" && a.terminal {
		format = logging.Text
	}
	level := cfg.Log.Level
	if !a.daemon && level == slog.LevelInfo {
		level = slog.LevelWarn // the result says what happened; --log-level debug still shows everything
	}
	return logging.New(a.stderr, level, format), nil
}

func (a *app) openDB(ctx context.Context) (*postgres.DB, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	db, err := wire.Database(ctx, cfg, log)
	if err == nil {
		a.onClose(func() error { db.Close(); return nil })
	}
	return db, err
}

func (a *app) openVerifier(ctx context.Context) (*sso.Verifier, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.SSO.Issuer == "" {
		return nil, fault.New(fault.Invalid, "NEXIUS_ISSUER: not set").
			WithHint("set NEXIUS_ISSUER to the issuer URL, exactly as in the tokens' iss claim")
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	v, err := wire.Verifier(cfg, log)
	if err == nil {
		a.onClose(func() error { v.Close(); return nil })
	}
	return v, err
}

// openJobs opens the job queue. With work, the client also works jobs from now until the command ends.
func (a *app) openJobs(ctx context.Context, work bool) (*jobs.Client, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	db, err := a.db(ctx)
	if err != nil {
		return nil, err
	}
	if !work {
		return jobs.New(ctx, db, jobs.Options{Version: buildVersion().Version})
	}
	// The command prints the steps as they finish. Log lines would repeat them, so the log is discarded.
	spaces, err := wire.Workspaces(ctx, cfg, db, logging.Discard())
	if err != nil {
		return nil, err
	}
	client, err := jobs.New(ctx, db, jobs.Options{Workers: wire.Workers(cfg, db, spaces, logging.Discard()),
		Version: buildVersion().Version})
	if err != nil {
		return nil, err
	}
	a.onClose(func() error { return client.Stop(context.WithoutCancel(ctx)) })
	return client, client.Start(ctx)
}

// ownerDSN returns POSTGRES_DSN for a command that needs the database owner's login.
func (a *app) ownerDSN(ctx context.Context) (string, error) {
	cfg, err := a.config(ctx)
	if err != nil {
		return "", err
	}
	if cfg.Database.DSN == "" {
		return "", fault.New(fault.Invalid, "POSTGRES_DSN: not set").
			WithHint("set POSTGRES_DSN to the connection string of the database owner")
	}
	return cfg.Database.DSN, nil
}

// readCatalog runs fn on the catalog of a database that may have no schema yet, or a schema of another version.
func (a *app) readCatalog(ctx context.Context, fn func(schema.Querier) error) error {
	cfg, err := a.config(ctx)
	if err != nil {
		return err
	}
	db, err := wire.Database(ctx, cfg, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.ReadCatalog(ctx, fn)
}
