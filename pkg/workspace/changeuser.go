package workspace

import (
	"context"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// ChangeUser runs change, which adds, invites or changes the user with this address. A job makes the user's access to
// the workspace follow. Fault: Conflict if the tenant then exceeds a quota; the caller must roll back.
func ChangeUser(ctx context.Context, tx postgres.SystemTx, queue *jobs.Client, quotas tenant.Quotas, id tenantid.ID,
	email string, change func() error) error {
	err := quotas.Within(ctx, tx, id, change)
	if err == nil {
		_, err = EnqueueAccess(ctx, tx, queue, AccessArgs{Tenant: id, Email: email})
	}
	return err
}
