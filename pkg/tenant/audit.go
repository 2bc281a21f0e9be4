package tenant

import (
	"context"

	"github.com/leadctl/leadctl/pkg/postgres"
)

// Act is one line of the audit log: who did what to which tenant. Tenant 0 is an act on no tenant in particular.
// Detail is a small object without secrets.
type Act struct {
	Tenant    ID
	Actor     string // subject of the token, or "cli:" and the operating system's user
	Action    string // noun.verb, such as tenant.create
	Object    string
	RequestID string
	Detail    map[string]any
}

// Record appends to the audit log in the transaction of the act itself: an act that is not recorded did not happen.
func Record(ctx context.Context, tx postgres.SystemTx, a Act) error {
	if a.Detail == nil {
		a.Detail = map[string]any{}
	}
	_, err := tx.Exec(ctx, `INSERT INTO audit_log (tenant_id, actor, action, object, request_id, detail) VALUES ($1, $2, $3, $4, $5, $6)`,
		a.Tenant, a.Actor, a.Action, a.Object, a.RequestID, a.Detail)
	return err
}
