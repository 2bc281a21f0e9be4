package onboarding

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// Standing is a tenant with the state of its workspace, for an operator's list.
type Standing struct {
	tenant.Tenant

	Onboarding *string    `db:"onboarding"` // nil: never started
	Step       *string    `db:"step"`
	Error      *string    `db:"error"`
	Changed    *time.Time `db:"changed"`
	Users      int64      `db:"users"`
	Connected  bool       `db:"connected"` // the workspace passed a smoke test
	SmokeAt    *time.Time `db:"smoke_at"`  // time of the latest smoke test; nil before the first
	Smoke      bool       `db:"smoke_passed"`
}

// Standings lists at most limit tenants with numbers above after, in order of their numbers.
func Standings(ctx context.Context, tx postgres.SystemTx, after tenant.ID, limit int) ([]Standing, error) {
	rows, err := tx.Query(ctx, `SELECT t.tenant_id, t.name, t.status, t.external_id, t.created_at,
			s.status AS onboarding, s.step, s.error, s.updated_at AS changed,
			(SELECT count(*) FROM tenant_users u WHERE u.tenant_id = t.tenant_id) AS users,
			coalesce(o.active, false) AS connected, o.smoke_at, coalesce(o.smoke_passed, false) AS smoke_passed
		FROM tenants t
		LEFT JOIN onboarding_status s ON s.tenant_id = t.tenant_id
		LEFT JOIN odoo_connections o ON o.tenant_id = t.tenant_id
		WHERE t.tenant_id > $1 ORDER BY t.tenant_id LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Standing])
}
