package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// requireRefused requires that GateLogin rejects the login daemon with the text want after plant has changed it.
func requireRefused(t *testing.T, plant, want string) {
	t.Helper()
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	withPlanted(t, conn, `CREATE ROLE daemon LOGIN NOINHERIT; GRANT leadctl_app, leadctl_system TO daemon; `+plant+`;
		SET LOCAL SESSION AUTHORIZATION daemon`, func(q schema.Querier) {
		found, err := schema.GateLogin(t.Context(), q)
		require.NoError(t, err)
		require.ErrorContains(t, schema.Refusal(found), want)
	})
}

func loginIsSuperuser(t *testing.T) {
	requireRefused(t, `ALTER ROLE daemon SUPERUSER`, "refusing to serve: G01 daemon: login is superuser")
}

func loginBypasses(t *testing.T) {
	requireRefused(t, `ALTER ROLE daemon BYPASSRLS`, "refusing to serve: G02 daemon: login has BYPASSRLS")
}

func loginOwns(t *testing.T) {
	requireRefused(t, `ALTER TABLE lead_scores OWNER TO daemon`,
		"G29 lead_scores: login itself has DELETE on this table")
	requireRefused(t, `GRANT leadctl_owner TO daemon`, "G25 daemon: login is a member of leadctl_owner")
}

// requireGate requires that the gate returns exactly the violations want after plant has changed the database.
func requireGate(t *testing.T, plant string, want ...string) {
	t.Helper()
	withPlanted(t, openConn(t, pgtest.New(t).OwnerDSN), plant, func(q schema.Querier) {
		found := queryGate(t, q)
		require.Equal(t, want, violationLines(found))
		requireMends(t, q, found, plant)
	})
}

func tableWithoutRowSecurity(t *testing.T) {
	requireGate(t, `CREATE TABLE extra (tenant_id integer NOT NULL); ALTER TABLE extra OWNER TO leadctl_owner;
		ALTER TABLE lead_scores DISABLE ROW LEVEL SECURITY`,
		"G06 extra: row security is not enabled", "G06 lead_scores: row security is not enabled")
}

func notForced(t *testing.T) {
	requireGate(t, `ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY`, "G07 tenants: row security is not forced")
}

func withoutPolicy(t *testing.T) {
	requireGate(t, `DROP POLICY tenant_isolation ON icp_rules`, "G08 icp_rules: row security has no policy")
}

func permissivePolicies(t *testing.T) {
	requireGate(t, `CREATE POLICY a ON icp_rules USING (true);
		CREATE POLICY b ON icp_rules FOR INSERT WITH CHECK (true);
		CREATE POLICY c ON icp_rules TO PUBLIC USING (name <> '')`,
		"G09 icp_rules: policy a is always true", "G09 icp_rules: policy b is always true",
		"G10 icp_rules: policy c"+mustCompare+"(name <> ''::text)")
}

// tenantIsNeverUnset: every tenant table rejects NULL and 0 as the tenant. Only the audit log allows 0, for actions
// that concern no tenant.
func tenantIsNeverUnset(t *testing.T) {
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	tables := queryList[string](t, conn, `SELECT c.relname
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'audit_log' ORDER BY 1`)
	require.Len(t, tables, 15)
	for _, table := range tables {
		require.True(t, queryOne[bool](t, conn, `SELECT attnotnull FROM pg_attribute WHERE attrelid = $1::regclass
			AND attname = 'tenant_id'`, table), table)
		require.Contains(t, queryList[string](t, conn, `SELECT pg_get_constraintdef(oid) FROM pg_constraint
			WHERE conrelid = $1::regclass AND contype = 'c'`, table), "CHECK ((tenant_id > 0))", table)
	}
	requireGate(t, `DROP POLICY tenant_isolation ON lead_scores; CREATE POLICY tenant_isolation ON lead_scores
		USING (tenant_id IS NOT DISTINCT FROM request_tenant())`,
		"G10 lead_scores: policy tenant_isolation"+mustCompare+"(NOT (tenant_id IS DISTINCT FROM request_tenant()))")
}

func viewAsItsOwner(t *testing.T) {
	requireGate(t, `CREATE VIEW peek AS SELECT * FROM lead_scores; GRANT SELECT ON peek TO leadctl_app`,
		"G13 peek: view without security_invoker, reachable by leadctl_app")
}

func functionAsItsOwner(t *testing.T) {
	requireGate(t, `CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER
			BEGIN ATOMIC SELECT count(*) FROM lead_scores; END;
		REVOKE EXECUTE ON FUNCTION peek FROM PUBLIC; GRANT EXECUTE ON FUNCTION peek TO leadctl_app`,
		"G15 peek: SECURITY DEFINER function executable by leadctl_app")
}

func barePartition(t *testing.T) {
	requireGate(t, `CREATE TABLE parts (tenant_id integer NOT NULL) PARTITION BY LIST (tenant_id);
		ALTER TABLE parts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY tenant_isolation ON parts USING (tenant_id = request_tenant());
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); GRANT SELECT ON parts_1 TO leadctl_app`,
		"G06 parts_1: row security is not enabled")
}

// triggersAreKnown: the triggers of the migrations change the row that is written and nothing else. There is no rule.
// Before you add one, check what it writes and with which role, and list it here.
func triggersAreKnown(t *testing.T) {
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	require.ElementsMatch(t, []string{"translate_score", "translate_status", "forget_row_hash"},
		queryList[string](t, conn,
			`SELECT tgname::text FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
		WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace
		UNION ALL SELECT rulename::text FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`))
}

// ownerCopiesNothing: pg_dump sets row_security to off. A dump as one of leadctl's roles, or as the owner, then fails
// with an error and cannot silently lack rows.
func ownerCopiesNothing(t *testing.T) {
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	for _, role := range []string{schema.AppRole, schema.SystemRole, schema.OwnerRole} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		mustExec(t, tx, `SET LOCAL ROLE `+role+`; SET LOCAL row_security = off`)
		_, err = tx.Exec(t.Context(), `COPY lead_scores TO STDOUT`)
		require.Error(t, err, role)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}
