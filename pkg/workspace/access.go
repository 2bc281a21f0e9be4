package workspace

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// AccessArgs of the job that makes access to a tenant's workspace follow leadctl: after a member was removed, was
// added or got another role (Email), or after the tenant was suspended or resumed (Email ""). The job reads the present
// state, so the order of two jobs does not matter.
type AccessArgs struct {
	Tenant tenantid.ID `json:"tenant_id"`
	Email  string      `json:"email"`
}

// Kind implements river.JobArgs.
func (AccessArgs) Kind() string { return "odoo_access" }

// InsertOpts gives every change a job: one that runs already may have read the state before the change.
func (AccessArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 50} }

// EnqueueAccess adds the job in the transaction of the change and returns its number, 0 if the tenant has no workspace.
func EnqueueAccess(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, args AccessArgs) (int64, error) {
	var has bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM odoo_connections WHERE tenant_id = $1 AND db_name <> ''
		AND active)`, args.Tenant).Scan(&has)
	if err != nil || !has {
		return 0, err
	}
	job, _, err := queue.Enqueue(ctx, tx, args)
	return job, err
}

// AccessWorker works AccessArgs.
type AccessWorker struct {
	river.WorkerDefaults[AccessArgs]

	Workspaces *Service
}

// Work implements river.Worker.
func (a *AccessWorker) Work(ctx context.Context, job *river.Job[AccessArgs]) error {
	ctx = logging.With(ctx, slog.String("tenant_id", job.Args.Tenant.String()), slog.Int64("job_id", job.ID))
	err := a.Workspaces.SyncAccess(ctx, job.Args.Tenant, job.Args.Email)
	if fault.Is(err, fault.NotFound) {
		return nil // the workspace was removed meanwhile
	}
	return cancelIfPermanent(err)
}

// NextRetry backs off from two seconds to five minutes.
func (a *AccessWorker) NextRetry(job *river.Job[AccessArgs]) time.Time { return retryAt(job.Attempt) }

// SyncAccess takes access to the workspace away, or gives it back, as leadctl's tables say: that of one person, or with
// "" that of all people, by the status of the tenant. It gives back only what leadctl took away. A member gets the
// groups of the member's role. It is harmless when repeated. Faults: NotFound without a workspace; those of Odoo.
func (s *Service) SyncAccess(ctx context.Context, id tenantid.ID, email string) error {
	if err := s.Configured(); err != nil {
		return err
	}
	release, err := s.waitForLock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	w, err := s.readConnection(ctx, id)
	if err != nil {
		return err
	}
	active, err := s.isActive(ctx, id)
	if err != nil {
		return err
	}
	if !active {
		// First, so that a person who is added to a suspended tenant has no access for a moment.
		if err := s.takeAccess(ctx, w, provision.AccessSuspended, email); err != nil {
			return err
		}
		if _, err := s.endVisit(ctx, w, laterThanVisits(), tenant.By{Actor: tenant.ActorLeadctl}); err != nil {
			return err
		}
	}
	if email == "" {
		if !active {
			return nil
		}
		if err := s.Odoo.GiveAccess(ctx, w.Workspace, provision.AccessSuspended, ""); err != nil {
			return err
		}
		return s.ensureAccounts(ctx, w.Workspace) // of those who joined just before the suspension
	}
	member, err := s.hasMember(ctx, id, email)
	if err != nil {
		return err
	}
	if member {
		if err := s.Odoo.GiveAccess(ctx, w.Workspace, provision.AccessRemoved, email); err != nil {
			return err
		}
		return s.syncRole(ctx, w.Workspace, email)
	}
	return s.takeAccess(ctx, w, provision.AccessRemoved, email)
}

func (s *Service) takeAccess(ctx context.Context, w Connection, reason, email string) error {
	n, err := s.Odoo.TakeAccess(ctx, w.Workspace, reason, email)
	if err == nil {
		s.Log.InfoContext(ctx, "access to the workspace taken away", "reason", reason, "users", n)
	}
	return err
}

func (s *Service) isActive(ctx context.Context, id tenantid.ID) (active bool, err error) {
	err = s.DB.InSystem(ctx, "workspace access", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, id.String())
		active = t.Status == tenant.Active
		return err
	})
	return active, err
}

func (s *Service) hasMember(ctx context.Context, id tenantid.ID, email string) (bool, error) {
	members, err := s.tenantMembers(ctx, id)
	return slices.ContainsFunc(members, func(m tenant.Member) bool {
		return sso.CanonicalEmail(m.Email()) == sso.CanonicalEmail(email)
	}), err
}
