package tenant

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Recorded is a line of the audit log as it is read.
type Recorded struct {
	At        time.Time       `json:"at" db:"at"`
	Tenant    ID              `json:"tenant_id" db:"tenant_id"`
	Actor     string          `json:"actor" db:"actor"`
	Action    string          `json:"action" db:"action"`
	Object    string          `json:"object" db:"object"`
	RequestID string          `json:"request_id" db:"request_id"`
	Detail    json.RawMessage `json:"detail" db:"detail"`
}

const selectActs = `SELECT at, tenant_id, actor, action, object, request_id, detail FROM audit_log
	WHERE ($1::int IS NULL OR tenant_id = $1) AND at >= $2 ORDER BY at DESC, id LIMIT $3`

// Acts reads the audit log, newest first: of one tenant where of is not nil, and what happened at since or later. Fault:
// Invalid for a limit that is not from 1 to 10,000.
func Acts(ctx context.Context, tx postgres.SystemTx, of *ID, since time.Time, limit int) ([]Recorded, error) {
	if limit < 1 || limit > 10_000 {
		return nil, fault.New(fault.Invalid, "limit %d: not from 1 to 10000", limit)
	}
	rows, err := tx.Query(ctx, selectActs, of, since, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Recorded])
}
