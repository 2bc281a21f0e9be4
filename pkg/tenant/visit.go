package tenant

import (
	"context"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// Visit returns a tenant as Find does and records that an operator reads its data with the command of action. A command
// that fails after that has left its line. Fault: NotFound, without a line.
func Visit(ctx context.Context, tx postgres.SystemTx, ref, action string, by By) (Tenant, error) {
	t, err := Find(ctx, tx, ref)
	if err != nil {
		return Tenant{}, err
	}
	return t, Record(ctx, tx, by, Act{Tenant: t.ID, Action: action, Object: t.ID.String()})
}
