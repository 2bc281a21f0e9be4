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

// Request is an operator's request for a workspace.
type Request struct {
	Tenant   string   // an existing tenant, by number or external id; "" finds or makes one by the next two
	Name     string   // of a new tenant
	External string   // claim value that names the tenant, "" for none
	Email    string   // first member, who signs in later; "" adds none
	Roles    []string // of that member
}

// Provision is FirstLogin for an operator: it makes tenant, member, status and job in one transaction. For a ready
// tenant the job runs every step again, which repairs what is missing and changes nothing else. A repeated request does
// not make a second tenant. Faults: Invalid, NotFound, Denied for a suspended tenant, Conflict with QUOTA_MEMBERS.
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
				return tenant.AddMember(ctx, tx, t.ID, req.Email, req.Roles, by)
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

// CancelJob cancels a job, as jobs.Client.Cancel does. If the job is a tenant's onboarding, the onboarding fails, so
// that clients stop waiting for it. A ready workspace stays ready. Faults: those of Cancel.
func CancelJob(
	ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, id int64, by tenant.By,
) (jobs.Job, error) {
	job, err := queue.Cancel(ctx, tx, id, by)
	if err == nil && job.Kind == (Args{}).Kind() && job.Tenant != nil {
		err = failCancelled(ctx, tx, *job.Tenant)
	}
	return job, err
}

func failCancelled(ctx context.Context, tx postgres.SystemTx, id tenantid.ID) error {
	_, err := tx.Exec(ctx, `UPDATE onboarding_status SET status = $2, error = $3, updated_at = now()
		WHERE tenant_id = $1 AND status <> $4`, id, Failed, errCancelled.Error(), Ready)
	return err
}

const watchPause = 100 * time.Millisecond

// Watch calls tell for each step of a tenant that ends, until the workspace is ready or the onboarding fails. It
// returns nil for a ready workspace, an Operator fault with the step's error and hint, or the error of ctx. The job
// does not depend on Watch.
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
