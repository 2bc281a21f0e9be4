package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// TestAssignRows: rows that adoption set aside go to a tenant with all of their columns. A row that the tenant has
// already stays with the reason, and a dry run moves none.
func TestAssignRows(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	dsn := createPlatform(t, s, "assign", "platform", `UPDATE lead_scores SET tenant_id = NULL WHERE company_id = 5`)
	admin := openConn(t, s.DSN("assign"))
	_, err := schema.Up(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	mustExec(t, admin, `INSERT INTO lead_scores (tenant_id, company_id, score) VALUES (2, 5, 0.5)`)
	rows := allRows(t, admin)
	assign := func(table, tenant string, dry bool) (schema.Assigned, error) {
		return schema.AssignRows(t.Context(), dsn, schema.Assignment{Table: table, Tenant: tenant, Actor: "cli:test",
			DryRun: dry}, released)
	}
	want := schema.Assigned{Table: "lead_scores", TenantID: 2, Assigned: 2, DryRun: true, Left: []schema.Left{{Rows: 1,
		Reason: "no such tenant; tenant 2 does not take it: duplicate key value violates unique constraint " +
			"\"lead_scores_pkey\""}}}
	got, err := assign("lead_scores", "2", true)
	require.NoError(t, err, fault.Hint(err))
	require.Equal(t, want, got)
	require.Equal(t, rows, allRows(t, admin))

	want.DryRun = false
	got, err = assign("lead_scores", "2", false)
	require.NoError(t, err, fault.Hint(err))
	require.Equal(t, want, got)
	require.Equal(t, []string{"3 0.1 low", "7 1 high"}, queryList[string](t, admin, `SELECT concat_ws(' ', company_id,
		score, bucket) FROM lead_scores WHERE tenant_id = 2 AND company_id IN (3, 7) ORDER BY 1`))
	require.Equal(t, `2 cli:test tenant.assign_rows lead_scores {"rows": 2}`, queryOne[string](t, admin,
		`SELECT concat_ws(' ', tenant_id, actor, action, object, detail) FROM audit_log`))

	got, err = assign("lead_features", "1", false)
	require.NoError(t, err, fault.Hint(err))
	require.Equal(t, schema.Assigned{Table: "lead_features", TenantID: 1, Assigned: 1, Left: []schema.Left{}}, got)
	require.Equal(t, "{}", queryOne[string](t, admin, `SELECT features::text FROM lead_features WHERE company_id = 2`))
	require.False(t, queryOne[bool](t, admin, `SELECT to_regclass('lead_features_unassigned') IS NOT NULL`))

	_, err = assign("lead_scores", "99", false)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	_, err = assign("companies", "1", false)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Empty(t, queryGate(t, admin))
}
