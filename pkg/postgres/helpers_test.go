package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// fixtures inserts a row of tenant $1 into each tenant table, with the tenant's canary $2 where a column takes text. A
// new tenant table needs an entry, which tenantTables checks.
var fixtures = map[string]string{
	"tenants":           `INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)`,
	"tenant_users":      `INSERT INTO tenant_users (tenant_id, user_id) VALUES ($1, $2)`,
	"removed_members":   `INSERT INTO removed_members (tenant_id, user_id) VALUES ($1, $2)`,
	"odoo_connections":  `INSERT INTO odoo_connections (tenant_id, db_name) VALUES ($1, $2)`,
	"onboarding_status": `INSERT INTO onboarding_status (tenant_id, error) VALUES ($1, $2)`,
	"onboarding_steps":  `INSERT INTO onboarding_steps (tenant_id, step, position, state) VALUES ($1, $2, 1, 'done')`,
	"icp_rules":         `INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES ($1, 1, $2, '{}')`,
	"lead_features": `INSERT INTO lead_features (tenant_id, company_id, features)
		VALUES ($1, 1, jsonb_build_object('canary', $2::text))`,
	"lead_scores": `INSERT INTO lead_scores (tenant_id, company_id, score, rationale) VALUES ($1, 1, 0.5, $2)`,
	"pushed_leads": `INSERT INTO pushed_leads (tenant_id, company_id, contact_id, lead_id, state, hash, written)
		VALUES ($1, 1, 1, 1, 'pushed', $2, '{}')`,
	"push_policies": `INSERT INTO push_policies (tenant_id, reason) VALUES ($1, $2)`,
	"lead_outcomes": `INSERT INTO lead_outcomes (tenant_id, company_id, outcome, lost_reason, changed_at)
		VALUES ($1, 1, 'lost', $2, now())`,
	"tenant_contacts": `INSERT INTO tenant_contacts (tenant_id, company_id, name) VALUES ($1, 1, $2)`,
	"tenant_emails":   `INSERT INTO tenant_emails (tenant_id, company_id, email) VALUES ($1, 1, $2)`,
	"enrichment_runs": `INSERT INTO enrichment_runs (tenant_id, run_id, error) VALUES ($1, 1, $2)`,
	"audit_log":       `INSERT INTO audit_log (tenant_id, actor, action) VALUES ($1, $2, 'seed')`,
}

// canaryOf returns a text that only rows of tenant id contain.
func canaryOf(id tenantid.ID) string { return fmt.Sprintf("CNR-%d-end", id) }

// seedTenants inserts a row of each tenant into every tenant table.
func seedTenants(t *testing.T, db *pgtest.DB, ids ...tenantid.ID) {
	t.Helper()
	order := append([]string{"tenants"}, tenantTables(t, db)...)
	for i, table := range order {
		if i > 0 && table == "tenants" {
			continue
		}
		b := &pgx.Batch{}
		for _, id := range ids {
			b.Queue(fixtures[table], int32(id), canaryOf(id))
		}
		require.NoError(t, db.Owner.SendBatch(t.Context(), b).Close(), table)
	}
}

// tenantTables returns the tenant tables in the catalog.
func tenantTables(t *testing.T, db *pgtest.DB) []string {
	t.Helper()
	rows, err := db.Owner.Query(t.Context(), `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		AND a.attname = 'tenant_id'
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, table := range tables {
		require.Contains(t, fixtures, table, "a new tenant table needs a fixture")
	}
	require.Len(t, tables, len(fixtures))
	return tables
}

// readableTables returns the tenant tables that leadctl_app may read.
func readableTables(t *testing.T, db *pgtest.DB) (tables []string) {
	t.Helper()
	for _, table := range tenantTables(t, db) {
		if queryOne[bool](t, db.Owner, `SELECT has_any_column_privilege('leadctl_app', $1::regclass, 'SELECT')`,
			table) {
			tables = append(tables, table)
		}
	}
	return tables
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func queryOne[T any](t *testing.T, q querier, sql string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, q.QueryRow(t.Context(), sql, args...).Scan(&value), sql)
	return value
}

func openDB(t *testing.T, dsn string, opts postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), dsn, opts)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// asApp returns a connection of the login with the role leadctl_app, without a door.
func asApp(t *testing.T, db *pgtest.DB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.LoginDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), `SET ROLE `+schema.AppRole)
	require.NoError(t, err)
	return conn
}

// inTenant runs statements in one transaction of a tenant and returns the door's error.
func inTenant(ctx context.Context, db *postgres.DB, id tenantid.ID, statements ...string) error {
	return db.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// readCanaries returns the canaries of the rows of lead_scores that tx sees.
func readCanaries(ctx context.Context, tx postgres.TenantTx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT rationale FROM lead_scores ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// requireOwn requires that a new transaction of tenant id sees its own row and no other.
func requireOwn(t *testing.T, db *postgres.DB, id tenantid.ID) {
	t.Helper()
	require.NoError(t, db.InTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
		found, err := readCanaries(ctx, tx)
		require.Equal(t, []string{canaryOf(id)}, found)
		return err
	}))
}

func withParam(dsn, name, value string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + name + "=" + value
	}
	return dsn + "?" + name + "=" + value
}
