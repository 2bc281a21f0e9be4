package onboarding

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// SetStatus suspends or resumes a tenant. A job makes the access to its workspace follow. A resumed tenant continues
// what the suspension interrupted: the making of its workspace, or the scoring and the push of its leads. Faults:
// NotFound.
func (s *Service) SetStatus(ctx context.Context, ref, status string, by tenant.By) error {
	return s.DB.InSystem(ctx, "tenant status", func(ctx context.Context, tx postgres.SystemTx) error {
		t, err := tenant.Find(ctx, tx, ref)
		if err != nil {
			return err
		}
		changed, err := tenant.SetStatus(ctx, tx, t.ID, status, by)
		if err != nil {
			return err
		}
		if _, err := workspace.EnqueueAccess(ctx, tx, s.Jobs, workspace.AccessArgs{Tenant: t.ID}); err != nil {
			return err
		}
		if !changed || status != tenant.Active || t.Status != tenant.Suspended {
			return nil // the workspace of a deleted tenant may be gone: an operator decides about a new one
		}
		return s.continueWork(ctx, tx, t.ID)
	})
}

// continueWork enqueues the work that a suspension stopped.
func (s *Service) continueWork(ctx context.Context, tx postgres.SystemTx, id tenant.ID) error {
	var status string
	err := tx.QueryRow(ctx, `SELECT status FROM onboarding_status WHERE tenant_id = $1 FOR UPDATE`, id).Scan(&status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	case status != Ready:
		_, err := s.ensureUnderWay(ctx, tx, id, false)
		return err
	}
	now := jobs.Now()
	if _, _, err := s.Jobs.Enqueue(ctx, tx, leads.JobArgs{Tenant: id, Companies: &now}); err != nil {
		return err
	}
	job, fresh, err := s.Jobs.Enqueue(ctx, tx, workspace.PushArgs{Tenant: id})
	if err == nil && !fresh {
		// That push may have seen the suspension already, and end without the leads.
		_, _, err = s.Jobs.Enqueue(ctx, tx, workspace.PushArgs{Tenant: id, After: job})
	}
	return err
}
