package schema

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

//go:embed assign.sql
var assignSQL string

// Assignment is a call of AssignRows.
type Assignment struct {
	Table  string // such as lead_scores
	Tenant string // number or external ID
	Actor  string // for the audit log
	DryRun bool   // do the same and roll it back
}

// Assigned is the result of AssignRows.
type Assigned struct {
	Table    string `json:"table" yaml:"table"`
	TenantID int32  `json:"tenant_id" yaml:"tenant_id"`
	Assigned int64  `json:"assigned" yaml:"assigned"` // rows that the tenant has now
	Left     []Left `json:"left" yaml:"left"`         // rows that stay in <table>_unassigned
	DryRun   bool   `json:"dry_run" yaml:"dry_run"`
}

// Left is why rows stay in <table>_unassigned.
type Left struct {
	Reason string `json:"reason" yaml:"reason"`
	Rows   int64  `json:"rows" yaml:"rows"`
}

// assignable are the tables whose rows without a tenant can be given to one.
var assignable = []string{"tenant_users", "odoo_connections", "onboarding_status", "icp_rules", "lead_features",
	"lead_scores", "enrichment_runs", "tenant_contacts", "tenant_emails"}

// AssignRows gives the rows that adoption set aside because they had no tenant, or an unknown one, to a tenant. A row
// whose key the tenant has already, or that breaks another rule of the table, stays. The table of rows set aside is
// dropped when it is empty. It records the act. Faults: Invalid for another table; NotFound for the tenant.
func AssignRows(ctx context.Context, dsn string, a Assignment, opts Options) (Assigned, error) {
	res := Assigned{Table: a.Table, DryRun: a.DryRun, Left: []Left{}}
	if !slices.Contains(assignable, a.Table) {
		return res, fault.New(fault.Invalid, "table %q: has no rows of tenants", a.Table).
			WithHint("one of %s", strings.Join(assignable, ", "))
	}
	err := withLock(ctx, dsn, opts, func(conn *pgx.Conn, _ []Migration) (err error) {
		st, err := ReadStatus(ctx, conn, opts.FS)
		if err = errors.Join(err, st.Problem()); err != nil {
			return err
		}
		if err := joinRoles(ctx, conn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, leaveRoles(context.WithoutCancel(ctx), conn)) }()
		return assignRows(ctx, conn, a, &res)
	})
	return res, err
}

func assignRows(ctx context.Context, conn *pgx.Conn, a Assignment, res *Assigned) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return classifyError(err, "assign rows")
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	err = tx.QueryRow(ctx, `SELECT tenant_id FROM public.tenants WHERE tenant_id::text = $1 OR external_id = $1`,
		a.Tenant).Scan(&res.TenantID)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "tenant %q: does not exist", a.Tenant).WithHint("leadctl tenant list")
	}
	if err != nil {
		return classifyError(err, "tenant "+a.Tenant)
	}
	if err := moveRows(ctx, tx, a, res); err != nil {
		return classifyError(err, "rows of "+a.Table)
	}
	if a.DryRun {
		return nil
	}
	return classifyError(tx.Commit(ctx), "rows of "+a.Table)
}

// moveRows moves the rows and records it, as the owner in the tenant's transaction.
func moveRows(ctx context.Context, tx pgx.Tx, a Assignment, res *Assigned) error {
	_, err := tx.Exec(ctx, `SELECT set_config('request.tenant_id', $1, true), set_config('leadctl.table', $2, true),
		set_config('leadctl.assigned', '0', true)`, fmt.Sprint(res.TenantID), a.Table)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE `+OwnerRole); err != nil {
		return err
	}
	var found bool
	err = tx.QueryRow(ctx, `SELECT to_regclass('public.' || $1) IS NOT NULL`, a.Table+"_unassigned").Scan(&found)
	if err != nil || !found {
		return err
	}
	if _, err := tx.Exec(ctx, assignSQL); err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT current_setting('leadctl.assigned')::bigint`).Scan(&res.Assigned)
	if err != nil {
		return err
	}
	if res.Left, err = readLeft(ctx, tx, a.Table); err != nil {
		return err
	}
	if len(res.Left) == 0 {
		if _, err := tx.Exec(ctx, `DROP TABLE public.`+a.Table+`_unassigned`); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO public.audit_log (tenant_id, actor, action, object, detail)
		VALUES ($1, $2, 'tenant.assign_rows', $3, jsonb_build_object('rows', $4::bigint))`,
		res.TenantID, a.Actor, a.Table, res.Assigned)
	return err
}

func readLeft(ctx context.Context, tx pgx.Tx, table string) ([]Left, error) {
	rows, err := tx.Query(ctx, `SELECT reason, count(*) AS rows FROM public.`+table+`_unassigned GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Left])
}
