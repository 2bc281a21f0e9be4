package tenant

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

// By is who does something and why. Every function that changes something for a caller takes one, and records it.
type By struct {
	Actor     string // subject of the token, or "cli:" and the operating system's user, or ActorLeadctl
	RequestID string // of the API; "" for a command or a job
	Reason    string // in the operator's words; "" for none
}

// ActorLeadctl is the actor of what leadctl does by itself, such as the steps of a job.
const ActorLeadctl = "leadctl"

// Act is what was done, and to what.
type Act struct {
	Tenant ID             // 0: no tenant in particular
	Action string         // noun.verb, such as tenant.create
	Object string         // name or number of what was acted on
	Detail map[string]any // small and without secrets; nil for none
}

// execer is a transaction of either door. A tenant's own transaction can record acts on that tenant only.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Record appends one line to the audit log, in the transaction of the act itself: if either fails, neither is
// committed. A reason becomes part of the detail. Lines of one transaction keep their order. Fault: Internal when by
// names no actor.
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
		VALUES (clock_timestamp(), $1, $2, $3, $4, $5, $6)`, act.Tenant, by.Actor, act.Action, act.Object, by.RequestID, detail)
	return err
}
