package serve

import (
	"context"
	"log/slog"
	"time"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// keepsSchedule reports whether this process keeps the register's schedule. In development it does only if an interval
// is set, so that a daemon left running on a laptop does not download the register.
func keepsSchedule(cfg config.Config) bool {
	return !cfg.ACRA.DisableScheduler && (!cfg.Development() || cfg.ACRA.Interval > 0)
}

// queueSizes returns the queues that this process works beside the default one, with their workers.
func queueSizes(cfg config.Config) map[string]int {
	all := map[string]int{leads.JobQueue: leads.JobsAtOnce, workspace.PushQueue: workspace.PushesAtOnce}
	if keepsSchedule(cfg) {
		all[acra.JobQueue] = 1
	}
	return all
}

// keepSchedule runs the register's schedule, if this process keeps one, until the function it returns is called.
func keepSchedule(ctx context.Context, cfg config.Config, db *postgres.DB, client *jobs.Client,
	log *slog.Logger) (end func()) {
	if !keepsSchedule(cfg) {
		return func() {}
	}
	s := &acra.Scheduler{DB: db, Jobs: client, Plan: acra.Schedule{Interval: cfg.ACRA.Interval},
		AtStart: !cfg.ACRA.DisableStartupIngest, Log: log}
	log.InfoContext(ctx, "register schedule", "next", s.Plan.Next(time.Now()), "at_start", s.AtStart)
	return runUntil(ctx, s.Run)
}

// keepFeedback schedules the readings of outcomes from Odoo until the function it returns is called.
func keepFeedback(ctx context.Context, cfg config.Config, db *postgres.DB, client *jobs.Client,
	log *slog.Logger) (end func()) {
	if cfg.Odoo.ServerURL == "" {
		return func() {}
	}
	return runUntil(ctx, func(ctx context.Context) { workspace.ScheduleFeedback(ctx, db, client, log) })
}

// runUntil runs a schedule until the function it returns is called, which waits for the schedule's end.
func runUntil(ctx context.Context, schedule func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		schedule(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
