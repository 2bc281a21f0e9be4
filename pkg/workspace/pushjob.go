package workspace

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// PushArgs of the job that follows a scoring.
type PushArgs struct {
	Tenant tenantid.ID `json:"tenant_id"`
	After  int64       `json:"after,omitempty"` // the job that may have been ending when this one was enqueued
}

// Kind implements river.JobArgs.
func (PushArgs) Kind() string { return "odoo_push" }

// PushQueue is the queue of pushes, and PushesAtOnce the number of pushes that a process runs at a time. A push may
// take minutes; in the default queue it would delay a first sign-in.
const (
	PushQueue    = "odoo_push"
	PushesAtOnce = 2
)

// InsertOpts makes the job unique per tenant.
func (PushArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: PushQueue, MaxAttempts: 50,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: jobs.Active()}}
}

// PushWorker works PushArgs.
type PushWorker struct {
	river.WorkerDefaults[PushArgs]

	Workspaces *Service
}

// Work implements river.Worker. It runs again when scores were written meanwhile, because the process that wrote them
// found this job active and added no other. For a tenant without a workspace it does nothing.
func (p *PushWorker) Work(ctx context.Context, job *river.Job[PushArgs]) error {
	s, id := p.Workspaces, job.Args.Tenant
	ctx = logging.With(ctx, slog.String("tenant_id", id.String()), slog.Int64("job_id", job.ID))
	before, err := s.lastScored(ctx, id)
	if err != nil {
		return err
	}
	sum, err := s.pushWhileActive(ctx, id, PushOptions{}, func(Pushed) {})
	s.Log.InfoContext(ctx, "push", "leads", sum.Leads, "created", sum.Created, "updated", sum.Updated, "unchanged",
		sum.Unchanged, "skipped", sum.Skipped, "waiting", sum.Waiting, "withdrawn", sum.Withdrawn, "failed", sum.Failed)
	switch {
	case fault.Is(err, fault.NotFound), errors.Is(err, errPaused):
		return nil
	case fault.Is(err, fault.Conflict):
		return river.JobSnooze(busyPause)
	case err != nil:
		return cancelIfPermanent(err)
	}
	after, err := s.lastScored(ctx, id)
	if err == nil && !after.Equal(before) {
		return river.JobSnooze(time.Second)
	}
	return err
}

// Timeout implements river.Worker. The first push of many leads takes long; the next attempt continues a stopped push.
func (p *PushWorker) Timeout(*river.Job[PushArgs]) time.Duration { return time.Hour }

// NextRetry backs off from two seconds to five minutes.
func (p *PushWorker) NextRetry(job *river.Job[PushArgs]) time.Time { return retryAt(job.Attempt) }

func (s *Service) lastScored(ctx context.Context, id tenantid.ID) (at time.Time, err error) {
	err = s.DB.ReadTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(max(scored_at), 'epoch') FROM lead_scores`).Scan(&at)
	})
	return at, err
}
