package onboarding

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Request is an operator's order for a workspace.
type Request struct {
	Tenant   string   // an existing one, by number or external id; "" finds or makes one by the next two
	Name     string   // of a new tenant
	External string   // claim value that shall name it, "" for none
	Email    string   // first user, who signs in later; "" adds nobody
	Roles    []string // of that user
}

// Provision does what a first sign-in does, on an operator's word: tenant, user, status and job in one transaction. A
// ready tenant is gone through again, step by step, which repairs what is missing and changes nothing else. The same
// order twice is one tenant. Faults: Invalid, NotFound, Denied for a suspended tenant, Conflict with QUOTA_MEMBERS.
func (s *Service) Provision(ctx context.Context, req Request, by tenant.By) (tenant.Tenant, error) {
	var t tenant.Tenant
	err := s.DB.InSystem(ctx, "provision", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if t, err = findOrCreate(ctx, tx, req, by); err != nil {
			return err
		}
		if err := t.Usable(); err != nil {
			return err
		}
		if req.Email != "" {
			err := s.Quotas.Within(ctx, tx, t.ID, func() error {
				return tenant.AddMember(ctx, tx, t.ID, req.Email,
					req.Roles, by)
			})
			if err != nil {
				return err
			}
		}
		if _, err := s.ensureUnderWay(ctx, tx, t.ID, true); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, by, tenant.Act{Tenant: t.ID, Action: "tenant.provision", Object: t.ID.String()})
	})
	return t, err
}

func findOrCreate(ctx context.Context, tx postgres.SystemTx, req Request, by tenant.By) (tenant.Tenant, error) {
	if req.Tenant != "" {
		return tenant.Find(ctx, tx, req.Tenant)
	}
	t, found, err := tenant.FindSame(ctx, tx, req.Name, req.External, req.Email)
	if err != nil || found {
		return t, err
	}
	return tenant.Create(ctx, tx, req.Name, req.External, by)
}

// CancelJob ends a job for good, as jobs.Client.Cancel does. If it is a tenant's onboarding, that is in error from then
// on, so that nobody waits for work that will not come. A ready workspace stays ready. Faults: those of Cancel.
func CancelJob(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id int64, by tenant.By) (jobs.Job,
	error) {
	job, err := queue.Cancel(ctx, tx, id, by)
	if err == nil && job.Kind == (Args{}).Kind() && job.Tenant != nil {
		err = failCancelled(ctx, tx, *job.Tenant)
	}
	return job, err
}

func failCancelled(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
	_, err := tx.Exec(ctx, `UPDATE onboarding_status SET status = $2, error = $3, updated_at = now() WHERE tenant_id = $1 AND status <> $4`,
		id, Failed, errCancelled.Error(), Ready)
	return err
}

const watchPause = 100 * time.Millisecond

// Watch tells each step of a tenant as it ends, until the workspace is ready (nil) or in error (Operator, with the
// step's words and hint). It returns ctx's error when that ends first; the work goes on without a watcher.
func Watch(ctx context.Context, db *postgres.DB, id tenantid.ID, tell func(Step)) error {
	told := map[string]string{}
	for {
		var st Status
		var steps []Step
		err := db.InSystem(ctx, "watch onboarding", func(ctx context.Context, tx postgres.SystemTx) (err error) {
			st, steps, err = Progress(ctx, tx, id)
			return err
		})
		if err != nil {
			return err
		}
		for _, s := range steps {
			key := s.State + s.startKey()
			if s.State != StepRunning && told[s.Name] != key {
				told[s.Name] = key
				tell(s)
			}
		}
		switch st.Status {
		case Ready:
			return nil
		case Failed:
			return lastFailure(st, steps)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchPause):
		}
	}
}

func (s Step) startKey() string {
	if s.Started == nil {
		return ""
	}
	return s.Started.String()
}

func lastFailure(st Status, steps []Step) error {
	text, hint := "unknown", ""
	if st.Error != nil {
		text = *st.Error
	}
	for _, s := range steps {
		if s.State == StepFailed && s.Hint != nil {
			hint = *s.Hint
		}
	}
	return fault.New(fault.Operator, "onboarding of tenant %s: %s", st.Tenant, text).WithHint("%s", hint)
}
