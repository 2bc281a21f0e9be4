package workspace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// VisitLasts is the time that an operator may use a tenant's workspace after OpenVisit.
const VisitLasts = time.Hour

// Visit is an operator's access to a tenant's workspace.
type Visit struct {
	URL      string // sign-in page, with the login filled in
	Login    string
	Password odoo.Secret // not stored; "" in a dry run
	Until    time.Time
	Job      int64 // ends the visit; 0 in a dry run
}

// VisitEndArgs of the job that ends a visit. A later visit has a later end, and a job of its own.
type VisitEndArgs struct {
	Tenant tenantid.ID `json:"tenant_id"`
	Until  time.Time   `json:"until"`
}

// Kind implements river.JobArgs.
func (VisitEndArgs) Kind() string { return "odoo_visit_end" }

// InsertOpts makes the job wait for the end of the visit.
func (a VisitEndArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 50, ScheduledAt: a.Until}
}

// VisitEndWorker works VisitEndArgs.
type VisitEndWorker struct {
	river.WorkerDefaults[VisitEndArgs]

	Workspaces *Service
}

// Work implements river.Worker.
func (v *VisitEndWorker) Work(ctx context.Context, job *river.Job[VisitEndArgs]) error {
	ctx = logging.With(ctx, slog.String("tenant_id", job.Args.Tenant.String()), slog.Int64("job_id", job.ID))
	_, err := v.Workspaces.endVisitAt(ctx, job.Args.Tenant, job.Args.Until, tenant.By{Actor: tenant.ActorLeadctl})
	if fault.Is(err, fault.NotFound) {
		return nil // the workspace was removed meanwhile
	}
	return cancelIfPermanent(err)
}

// NextRetry backs off from two seconds to five minutes.
func (v *VisitEndWorker) NextRetry(job *river.Job[VisitEndArgs]) time.Time {
	return retryAt(job.Attempt)
}

// OpenVisit gives an operator access to a tenant's workspace for VisitLasts, with the rights of the role admin. A
// second call replaces the password and the end of the first. by.Reason is required. The job that ends the visit and
// the line in the tenant's audit log are one transaction; the caller gets the password only after it, so no visit is
// without them. Faults: Invalid without a reason; Denied for a tenant that is not active; those of Odoo.
func (s *Service) OpenVisit(ctx context.Context, queue *jobs.Client, id tenantid.ID, by tenant.By) (v Visit,
	err error) {
	if strings.TrimSpace(by.Reason) == "" {
		return v, fault.New(fault.Invalid, "reason: must not be empty")
	}
	release, w, err := s.prepareVisit(ctx, id)
	if err != nil {
		return v, err
	}
	defer release()
	v = Visit{Password: odoo.NewSecret(), Until: jobs.Now().Add(VisitLasts).UTC().Truncate(time.Second)}
	if v.Login, err = s.Odoo.OpenVisit(ctx, w, v.Password, v.Until); err != nil {
		return Visit{}, err
	}
	v.URL = s.visitURL(w, v.Login)
	err = s.DB.InSystem(ctx, "open workspace", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		// again in this transaction: the tenant may have been suspended meanwhile
		if err := tenant.RequireActive(ctx, tx, id); err != nil {
			return err
		}
		if v.Job, _, err = queue.Enqueue(ctx, tx, VisitEndArgs{Tenant: id, Until: v.Until}); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: id, Action: "odoo.open", Object: w.Database,
			Detail: map[string]any{"login": v.Login, "until": v.Until}})
	})
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
		defer cancel()
		_, ended := s.Odoo.EndVisit(ctx, w, v.Until)
		return Visit{}, errors.Join(err, ended)
	}
	return v, nil
}

// TryVisit checks what OpenVisit needs, and changes nothing.
func (s *Service) TryVisit(ctx context.Context, id tenantid.ID) (v Visit, err error) {
	release, w, err := s.prepareVisit(ctx, id)
	if err != nil {
		return v, err
	}
	defer release()
	if _, err := s.Odoo.Session(ctx, w); err != nil {
		return v, err
	}
	v.Login, v.Until = provision.VisitLogin(id), jobs.Now().Add(VisitLasts).UTC().Truncate(time.Second)
	v.URL = s.visitURL(w, v.Login)
	return v, nil
}

func (s *Service) prepareVisit(ctx context.Context, id tenantid.ID) (release func(), w provision.Workspace, err error) {
	if err := cmp.Or(s.Configured(), s.requireUsable(ctx, id)); err != nil {
		return nil, w, err
	}
	if w, err = s.Current(ctx, id); err != nil {
		return nil, w, err
	}
	release, err = s.waitForLock(ctx, id)
	return release, w, err
}

func (s *Service) visitURL(w provision.Workspace, login string) string {
	view := View{BaseURL: s.BaseURL, Database: w.Database}
	return view.LoginURL() + "&login=" + url.QueryEscape(login)
}

// EndVisit ends the operator's access to a tenant's workspace and reports whether there was one to end. It is harmless
// when repeated. Faults: NotFound without a workspace; those of Odoo.
func (s *Service) EndVisit(ctx context.Context, id tenantid.ID, by tenant.By) (ended bool, err error) {
	return s.endVisitAt(ctx, id, laterThanVisits(), by)
}

// endVisitAt is EndVisit, unless the visit lasts longer than until.
func (s *Service) endVisitAt(ctx context.Context, id tenantid.ID, until time.Time, by tenant.By) (ended bool,
	err error) {
	if err := s.Configured(); err != nil {
		return false, err
	}
	release, err := s.waitForLock(ctx, id)
	if err != nil {
		return false, err
	}
	defer release()
	c, err := s.readConnection(ctx, id)
	if err != nil {
		return false, err
	}
	return s.endVisit(ctx, c, until, by)
}

// endVisit is endVisitAt for a caller that holds the workspace lock.
func (s *Service) endVisit(ctx context.Context, c Connection, until time.Time, by tenant.By) (ended bool, err error) {
	if ended, err = s.Odoo.EndVisit(ctx, c.Workspace, until); err != nil || !ended {
		return ended, err
	}
	return true, s.DB.InSystem(ctx, "end visit", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: c.Tenant, Action: "odoo.open.end", Object: c.Database})
	})
}

// laterThanVisits returns a time after the end of every visit.
func laterThanVisits() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }
