package workspace

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// UsersArgs of the job that gives a member who joins a tenant with a ready workspace an account there. Each member gets
// a job: a job that already runs may have read the members before.
type UsersArgs struct {
	Tenant  tenantid.ID `json:"tenant_id"`
	Subject string      `json:"subject"`
}

// Kind implements river.JobArgs.
func (UsersArgs) Kind() string { return "odoo_users" }

// InsertOpts makes the job unique per user while it waits or runs.
func (UsersArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 20, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: jobs.Active()}}
}

// UsersWorker works UsersArgs.
type UsersWorker struct {
	river.WorkerDefaults[UsersArgs]

	Workspaces *Service
}

const busyPause = 3 * time.Second // until the next attempt, while another process holds the workspace lock

// Work implements river.Worker.
func (u *UsersWorker) Work(ctx context.Context, job *river.Job[UsersArgs]) error {
	s, id := u.Workspaces, job.Args.Tenant
	ctx = logging.With(ctx, slog.String("tenant_id", id.String()), slog.Int64("job_id", job.ID))
	if err := s.requireUsable(ctx, id); err != nil {
		return cancelIfPermanent(err)
	}
	w, err := s.Current(ctx, id)
	if err != nil {
		return cancelIfPermanent(err)
	}
	release, ok, err := s.TryLock(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return river.JobSnooze(busyPause)
	}
	defer release()
	ctx, stop := tenant.WhileActive(ctx, s.DB, id)
	defer stop()
	return cancelIfPermanent(tenant.EndReason(ctx, s.ensureAccounts(ctx, w)))
}

// ensureAccounts gives each present member an account in the workspace.
func (s *Service) ensureAccounts(ctx context.Context, w provision.Workspace) error {
	members, err := s.tenantMembers(ctx, w.Tenant)
	if err != nil {
		return err
	}
	left, err := s.EnsureUsers(ctx, w, members)
	if err == nil && s.OdooLogin != nil {
		left, err = s.configureSSO(ctx, w)
	}
	for _, l := range left {
		s.Log.WarnContext(ctx, "Odoo account left alone", "error", l)
	}
	return err
}

// cancelIfPermanent cancels the job when err is a fault that no retry mends.
func cancelIfPermanent(err error) error {
	switch fault.KindOf(err) {
	case fault.Operator, fault.NotFound, fault.Invalid, fault.Denied:
		return river.JobCancel(err)
	}
	return err
}

// NextRetry backs off from two seconds to five minutes.
func (u *UsersWorker) NextRetry(job *river.Job[UsersArgs]) time.Time { return retryAt(job.Attempt) }

func retryAt(attempt int) time.Time {
	return jobs.Now().Add(jobs.Backoff(attempt, 2*time.Second, 5*time.Minute))
}

func (s *Service) tenantMembers(ctx context.Context, id tenantid.ID) (list []tenant.Member, err error) {
	err = s.DB.InSystem(ctx, "workspace users", func(ctx context.Context, tx postgres.SystemTx) error {
		list, err = tenant.Members(ctx, tx, id)
		return err
	})
	return list, err
}
