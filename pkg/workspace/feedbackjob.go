package workspace

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// FeedbackArgs of the job that reads what became of a tenant's pushed leads.
type FeedbackArgs struct {
	Tenant tenantid.ID `json:"tenant_id"`
}

// Kind implements river.JobArgs.
func (FeedbackArgs) Kind() string { return "odoo_feedback" }

// FeedbackEvery is the time between two readings of a workspace.
const FeedbackEvery = 15 * time.Minute

// InsertOpts makes the job unique per tenant and period, so that any number of processes may add it. Few attempts are
// enough: the next period reads the same changes.
func (FeedbackArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: PushQueue, MaxAttempts: 3,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: FeedbackEvery}}
}

// FeedbackWorker works FeedbackArgs.
type FeedbackWorker struct {
	river.WorkerDefaults[FeedbackArgs]

	Workspaces *Service
}

// Work implements river.Worker. For a tenant without a usable workspace it does nothing.
func (f *FeedbackWorker) Work(ctx context.Context, job *river.Job[FeedbackArgs]) error {
	s, id := f.Workspaces, job.Args.Tenant
	ctx = logging.With(ctx, slog.String("tenant_id", id.String()), slog.Int64("job_id", job.ID))
	sum, err := s.Feedback(ctx, id, tenant.By{Actor: job.Args.Kind()})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if sum.changed() {
		s.Log.InfoContext(ctx, "feedback", "read", sum.Read, "won", sum.Won, "lost", sum.Lost, "not_a_fit",
			sum.NotAFit, "open", sum.Open)
	}
	return cancelIfPermanent(err)
}

// Timeout implements river.Worker. The first reading of many leads takes long.
func (f *FeedbackWorker) Timeout(*river.Job[FeedbackArgs]) time.Duration { return 10 * time.Minute }

// NextRetry backs off from two seconds to five minutes.
func (f *FeedbackWorker) NextRetry(job *river.Job[FeedbackArgs]) time.Time {
	return retryAt(job.Attempt)
}

// EnqueueFeedback adds the job for every tenant that has an active workspace, and returns how many jobs are new.
func EnqueueFeedback(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client) (int, error) {
	rows, err := tx.Query(ctx, `SELECT tenant_id FROM odoo_connections JOIN tenants USING (tenant_id)
		WHERE db_name <> '' AND active AND status = 'active' ORDER BY tenant_id`)
	if err != nil {
		return 0, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[tenantid.ID])
	if err != nil {
		return 0, err
	}
	args := make([]river.JobArgs, len(ids))
	for i, id := range ids {
		args[i] = FeedbackArgs{Tenant: id}
	}
	return queue.EnqueueAll(ctx, tx, args)
}

// ScheduleFeedback enqueues the readings of every period until ctx ends. Each process may run one.
func ScheduleFeedback(ctx context.Context, db *postgres.DB, queue *jobs.Client, log *slog.Logger) {
	for {
		now := time.Now()
		timer := time.NewTimer(now.Truncate(FeedbackEvery).Add(FeedbackEvery).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		err := db.InSystem(ctx, "odoo feedback", func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := EnqueueFeedback(ctx, tx, queue)
			return err
		})
		if err != nil {
			log.WarnContext(ctx, "feedback from Odoo not scheduled; the next period tries again", "error", err)
		}
	}
}
