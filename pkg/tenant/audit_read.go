package tenant

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Recorded is a line of the audit log.
type Recorded struct {
	At        time.Time       `json:"at" db:"at"`
	Tenant    ID              `json:"tenant_id" db:"tenant_id"`
	Actor     string          `json:"actor" db:"actor"`
	Action    string          `json:"action" db:"action"`
	Object    string          `json:"object" db:"object"`
	RequestID string          `json:"request_id" db:"request_id"`
	Detail    json.RawMessage `json:"detail" db:"detail"`
}

// ActFilter selects lines of the audit log. A zero field selects all.
type ActFilter struct {
	Tenant *ID       // 0: acts without a tenant
	Actor  string    // exact match
	Action string    // an action such as icp.set, or the noun alone (icp) for all of its actions
	Since  time.Time // at this time or later
	Until  time.Time // before this time
	Limit  int       // 1 to 10,000
}

// selectActs uses an index for tenant and time, and filters the rest.
const selectActs = `SELECT at, tenant_id, actor, action, object, request_id, detail FROM audit_log
	WHERE ($1::int IS NULL OR tenant_id = $1) AND at >= $2 AND at < coalesce($3::timestamptz, 'infinity')
		AND ($4 = '' OR actor = $4) AND ($5 = '' OR action = $5 OR starts_with(action, $5 || '.'))
	ORDER BY at DESC, id LIMIT $6`

// Acts reads the audit log, newest first. Fault: Invalid for a limit that is not from 1 to 10,000.
func Acts(ctx context.Context, tx postgres.SystemTx, f ActFilter) ([]Recorded, error) {
	if f.Limit < 1 || f.Limit > 10_000 {
		return nil, fault.New(fault.Invalid, "limit %d: must be between 1 and 10000", f.Limit)
	}
	rows, err := tx.Query(ctx, selectActs, f.queryArguments()...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Recorded])
}

func (f ActFilter) queryArguments() []any {
	var until *time.Time
	if !f.Until.IsZero() {
		until = &f.Until
	}
	return []any{f.Tenant, f.Since, until, f.Actor, f.Action, f.Limit}
}
