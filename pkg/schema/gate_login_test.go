package schema_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// TestGateLogin: the login is checked, whatever the session's current role is.
func TestGateLogin(t *testing.T) {
	t.Parallel()
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	const login = `CREATE ROLE daemon LOGIN NOINHERIT; GRANT leadctl_app, leadctl_system TO daemon; `
	for _, c := range []struct {
		plant string
		want  []string
	}{
		{login, []string{}},
		{login + `ALTER ROLE daemon SUPERUSER`, []string{"G01 daemon: login is superuser"}},
		{login + `ALTER ROLE daemon BYPASSRLS`, []string{"G02 daemon: login has BYPASSRLS"}},
		{login + `ALTER ROLE daemon CREATEROLE`, []string{"G05 daemon: login has CREATEROLE or REPLICATION"}},
		{login + `ALTER ROLE daemon REPLICATION`, []string{"G05 daemon: login has CREATEROLE or REPLICATION"}},
		{login + `GRANT leadctl_owner TO daemon`,
			[]string{"G25 daemon: login is a member of leadctl_owner; it may be a member of leadctl_app and " +
				"leadctl_system only"}},
		{login + `GRANT pg_read_all_data TO daemon`,
			[]string{"G25 daemon: login is a member of pg_read_all_data; it may be a member of leadctl_app and " +
				"leadctl_system only"}},
		{login + `REVOKE leadctl_system FROM daemon`, []string{"G28 daemon: login cannot SET ROLE leadctl_system"}},
		{login + `GRANT SELECT ON lead_scores TO daemon`,
			[]string{"G29 lead_scores: login itself has SELECT on this table"}},
		{login + `GRANT INSERT (score) ON lead_scores TO daemon`,
			[]string{"G29 lead_scores: login itself has INSERT on this table"}},
		{login + `ALTER TABLE lead_features OWNER TO daemon`, []string{
			"G29 lead_features: login itself has DELETE on this table",
			"G29 lead_features: login itself has INSERT on this table",
			"G29 lead_features: login itself has SELECT on this table",
			"G29 lead_features: login itself has TRUNCATE on this table",
			"G29 lead_features: login itself has UPDATE on this table"}},
	} {
		withPlanted(t, conn, c.plant, func(q schema.Querier) {
			mustExec(t, q, `SET LOCAL SESSION AUTHORIZATION daemon`)
			found, err := schema.GateLogin(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, c.want, violationLines(found), c.plant)
			mustExec(t, q, `SET LOCAL SESSION AUTHORIZATION DEFAULT`)
		})
	}
	// A login with INHERIT has the privileges of both roles at once, without SET ROLE.
	withPlanted(t, conn, `CREATE ROLE daemon LOGIN INHERIT; GRANT leadctl_app, leadctl_system TO daemon;
		SET LOCAL SESSION AUTHORIZATION daemon`, func(q schema.Querier) {
		found, err := schema.GateLogin(t.Context(), q)
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(found, func(v schema.Violation) bool {
			return v.Rule == "G29" &&
				v.Object == "lead_scores"
		}))
	})
}
