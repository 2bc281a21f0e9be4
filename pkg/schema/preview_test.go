package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// TestDryRun: a dry run lists changes, rows and refusals all at once, and the database is unchanged.
func TestDryRun(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	names := []string{"plain", "refused", "others"}
	createLogins(t, openConn(t, s.DSN("postgres")), names...)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE stranger`)
	variants := map[string]string{"plain": ``, "refused": `ALTER TABLE companies ALTER employees_est TYPE text;
			UPDATE companies SET employees_est = 'many'; INSERT INTO tenants VALUES (0, 'Zero');
			CREATE TABLE audit_log (x int);
			CREATE VIEW ranges AS SELECT uen FROM staging_acra_companies WHERE primary_ssic_code > 5;
			DROP TABLE lead_features; CREATE VIEW lead_features AS SELECT 1 AS company_id`, "others": ``}
	previews := map[string]schema.Preview{}
	for _, name := range names {
		dsn := createPlatform(t, s, name, name, variants[name])
		conn := openConn(t, s.DSN(name))
		if name == "others" {
			mustExec(t, conn, `ALTER TABLE lead_scores OWNER TO stranger; ALTER TABLE companies OWNER TO stranger;
				CREATE SCHEMA river`)
		}
		shape, rows := describeSchema(t, conn), allRows(t, conn)
		p, err := schema.DryRun(t.Context(), dsn, released)
		require.NoError(t, err, fault.Hint(err))
		require.Len(t, p.Pending, int(latestVersion()))
		require.Equal(t, shape, describeSchema(t, conn))
		require.Equal(t, rows, allRows(t, conn))
		previews[name] = p
	}
	require.Empty(t, previews["plain"].Refusals)
	require.Contains(t, previews["plain"].Tables, schema.Account{Table: "lead_scores", Before: 7, After: 5,
		SetAside: map[string]int64{"no such tenant": 2}})
	require.Subset(t, previews["plain"].Columns, []string{
		"column staging_acra_companies.primary_ssic_code changes from integer to text",
		"column companies.live is added: boolean", "owner of companies changes from plain to leadctl_owner"})
	require.Equal(t, []string{
		"public.audit_log exists already; hint: rename it",
		"public.lead_features is not a plain table; hint: rename it and make its rows a table of that name, or leave " +
			"the name to leadctl",
		"tenants has a tenant_id of 0 or less; hint: give that tenant another number, or delete it",
		"companies.employees_est cannot become integer: invalid input syntax for type integer: \"many\"; hint: " +
			"correct the values of that column first",
		"view public.ranges does not fit a column whose type changes: operator does not exist: text > integer; " +
			"hint: drop the view, migrate, and create it with a cast of that column",
	}, previews["refused"].Refusals)
	require.Equal(t, []string{
		"schema river belongs to leadctl; hint: rename it, or give leadctl its own database",
		"table companies belongs to stranger; hint: migrate as that role or as a superuser",
		"table lead_scores belongs to stranger; hint: migrate as that role or as a superuser",
	}, previews["others"].Refusals)

	_, err := schema.Up(t.Context(), dsnAs(s.DSN("plain"), "plain"), released)
	require.NoError(t, err, fault.Hint(err))
	p, err := schema.DryRun(t.Context(), dsnAs(s.DSN("plain"), "plain"), released)
	require.NoError(t, err)
	require.Empty(t, p.Pending)
}
