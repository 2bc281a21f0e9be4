package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// shadowing: a temporary table or function of the same name does not hide the real one from a statement.
func shadowing(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	require.NoError(t, db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		for _, sql := range []string{
			`CREATE TEMPORARY TABLE lead_scores (tenant_id integer, company_id integer, score float, rationale text)`,
			`INSERT INTO pg_temp.lead_scores VALUES (1, 1, 1, 'shadow')`,
			`CREATE FUNCTION pg_temp.request_tenant() RETURNS integer LANGUAGE sql STABLE RETURN 2`,
		} {
			_, err := tx.Exec(ctx, sql)
			require.NoError(t, err)
		}
		found, err := readCanaries(ctx, tx)
		require.Equal(t, []string{canaryOf(1)}, found)
		return err
	}))
}

// otherStatements: row security applies to COPY, cursors, EXPLAIN ANALYZE, RETURNING, writes in a CTE, locks, MERGE and
// table samples as it does to SELECT.
func otherStatements(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for _, sql := range []string{
		`UPDATE lead_scores SET score = 0.1 RETURNING rationale`,
		`WITH w AS (UPDATE lead_scores SET score = 0.2 RETURNING rationale) SELECT rationale FROM w`,
		`SELECT rationale FROM lead_scores FOR UPDATE`,
		`SELECT rationale FROM lead_scores TABLESAMPLE SYSTEM (100)`,
		`SELECT rationale FROM (TABLE lead_scores) t`,
		`SELECT s.rationale FROM lead_scores s JOIN tenants USING (tenant_id)`,
		`MERGE INTO lead_scores l USING (VALUES (1), (2)) v (id) ON l.tenant_id = v.id WHEN MATCHED THEN UPDATE
			SET score = 0.3`,
		`DECLARE c CURSOR FOR SELECT rationale FROM lead_scores; FETCH ALL FROM c`,
		`DELETE FROM lead_scores RETURNING rationale`,
	} {
		require.NoError(t, db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			rows, err := tx.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err, sql)
			require.NotContains(t, found, canaryOf(2), sql)
			return nil
		}))
	}
	requireOwn(t, db.App, 2)
	require.Equal(t, 0.5, queryOne[float64](t, db.Owner, `SELECT score FROM lead_scores WHERE tenant_id = 2`))
	conn := asApp(t, db)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT set_config('request.tenant_id', '2', true)`)
	require.NoError(t, err)
	var out strings.Builder
	_, err = conn.PgConn().CopyTo(t.Context(), &out, `COPY lead_scores (rationale) TO STDOUT`)
	require.NoError(t, err)
	require.Equal(t, canaryOf(2)+"\n", out.String())
	rows, err := tx.Query(t.Context(), `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM icp_rules`)
	require.NoError(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, strings.Join(plan, "\n"), "tenant_id")
}

// sameKeys: two tenants can have the same name, numbers, company and e-mail address. Neither gets a conflict.
func sameKeys(t *testing.T) {
	db := pgtest.New(t)
	for _, id := range []int{1, 2} {
		_, err := db.Owner.Exec(t.Context(), `INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Same')`, id)
		require.NoError(t, err)
		_, err = db.Owner.Exec(t.Context(), `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject)
			VALUES ($1, 'same@example', 'iss', 'sub')`, id)
		require.NoError(t, err)
		require.NoError(t, inTenant(t.Context(), db.App, tenantid.ID(id),
			fmt.Sprintf(`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (%d, 1, 'Same', '{}')`, id),
			fmt.Sprintf(`INSERT INTO lead_scores (tenant_id, company_id) VALUES (%d, 1)`, id),
			fmt.Sprintf(`INSERT INTO lead_features (tenant_id, company_id) VALUES (%d, 1)`, id),
			fmt.Sprintf(`INSERT INTO enrichment_runs (tenant_id, run_id) VALUES (%d, 1)`, id)))
	}
}

// constraintErrors: the text for the caller names no constraint, table or value.
func constraintErrors(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for sql, kind := range map[string]fault.Kind{
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 1, 'x', '{}')`:         fault.Conflict,
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 7, 'CNR-1-end', '{}')`: fault.Conflict,
		// Row security is checked before the keys.
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (2, 1, 'CNR-2-end', '{}')`: fault.Internal,
		`INSERT INTO lead_scores (tenant_id, company_id) VALUES (1, NULL)`:                           fault.Internal,
		`UPDATE lead_scores SET company_id = 'x'`:                                                    fault.Internal,
		`INSERT INTO lead_scores (tenant_id, company_id) VALUES (1, 1)
			ON CONFLICT (company_id) DO NOTHING`: fault.Internal,
	} {
		err := inTenant(t.Context(), db.App, 1, sql)
		require.True(t, fault.Is(err, kind), "%s: %v", sql, err)
		for _, word := range []string{"icp_rules", "lead_scores", "pkey", "CNR", "constraint", "violates"} {
			require.NotContains(t, fault.Text(err), word)
		}
	}
}
