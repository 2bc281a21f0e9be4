package workspace

import (
	"context"
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
}

// Kind implements river.JobArgs.
func (PushArgs) Kind() string { return "odoo_push" }

// PushQueue is worked beside the default one, and PushesAtOnce how many of it in a process: pushes may last, and keep
// no first sign-in waiting.
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

// Work implements river.Worker. Scores that were written while it ran have it run again: whoever wrote them found this
// job there and made no other. A tenant without a workspace has nothing to push to.
func (p *PushWorker) Work(ctx context.Context, job *river.Job[PushArgs]) error {
	s, id := p.Workspaces, job.Args.Tenant
	ctx = logging.With(ctx, slog.String("tenant_id", id.String()), slog.Int64("job_id", job.ID))
	if err := s.requireUsable(ctx, id); err != nil {
		return cancelIfPermanent(err)
	}
	before, err := s.lastScored(ctx, id)
	if err != nil {
		return err
	}
	sum, err := s.pushPages(ctx, id, PushOptions{}, func(Pushed) {})
	s.Log.InfoContext(ctx, "push", "leads", sum.Leads, "created", sum.Created, "updated", sum.Updated, "unchanged",
		sum.Unchanged, "failed", sum.Failed)
	switch {
	case fault.Is(err, fault.NotFound):
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

// Timeout implements river.Worker: a first push of many leads takes as long as it takes, and a stopped one goes on.
func (p *PushWorker) Timeout(*river.Job[PushArgs]) time.Duration { return time.Hour }

// NextRetry backs off from two seconds to five minutes.
func (p *PushWorker) NextRetry(job *river.Job[PushArgs]) time.Time { return retryAt(job.Attempt) }

func (s *Service) lastScored(ctx context.Context, id tenantid.ID) (at time.Time, err error) {
	err = s.DB.ReadTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(max(scored_at), 'epoch') FROM lead_scores`).Scan(&at)
	})
	return at, err
}
