package tenant

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// By names the caller of a change and the reason. Every function that changes data for a caller takes one and records
// it.
type By struct {
	Actor     string // subject of the token, or "cli:" and the operating system's user, or ActorLeadctl
	RequestID string // of the API; "" for a command or a job
	Reason    string // in the operator's words; "" for none

	// May returns a Denied fault if the caller may no longer do what it was admitted to; nil for callers who always
	// may.
	May func(context.Context, postgres.SystemTx) error
}

// StillMay returns the fault of May, read under the lock of the tenant's row, which changes of users and of the status
// take too. A request whose role was taken back while it waited then changes nothing. Call it last in the transaction
// of an act, so that the lock is short.
func (by By) StillMay(ctx context.Context, tx postgres.SystemTx, id ID) error {
	if by.May == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT FROM tenants WHERE tenant_id = $1 FOR SHARE`, id); err != nil {
		return err
	}
	return by.May(ctx, tx)
}

// ActorLeadctl is the actor of changes that leadctl makes by itself, such as the steps of a job.
const ActorLeadctl = "leadctl"

// Act is one action on one object.
type Act struct {
	Tenant ID             // 0: none
	Action string         // noun.verb, such as tenant.create
	Object string         // name or number of the object
	Detail map[string]any // small, without secrets; may be nil
}

// execer is a transaction of either kind. A tenant's transaction can record acts on that tenant only.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Record appends one line to the audit log in the transaction of the act: if either fails, neither is committed. It
// adds the reason to the detail. Lines of one transaction keep their order. Fault: Internal without an actor.
func Record(ctx context.Context, tx execer, by By, act Act) error {
	if by.Actor == "" {
		return fault.New(fault.Internal, "audit log: %s %s without an actor", act.Action, act.Object)
	}
	detail := map[string]any{}
	maps.Copy(detail, act.Detail)
	if by.Reason != "" {
		detail["reason"] = by.Reason
	}
	_, err := tx.Exec(ctx, `INSERT INTO audit_log (at, tenant_id, actor, action, object, request_id, detail)
		VALUES (clock_timestamp(), $1, $2, $3, $4, $5,
		$6)`, act.Tenant, by.Actor, act.Action, act.Object, by.RequestID, detail)
	return err
}
