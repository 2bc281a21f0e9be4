package schema_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// withPlanted runs sql, which plants a violation, in a transaction, calls look with it, and rolls it back.
func withPlanted(t *testing.T, conn *pgx.Conn, sql string, look func(q schema.Querier)) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context())
	mustExec(t, tx, sql)
	look(tx)
}

func violationLines(found []schema.Violation) []string {
	text := make([]string, len(found))
	for i, v := range found {
		text[i] = v.String()
	}
	return text
}

const (
	mustCompare = " must compare tenant_id with the transaction's tenant, but is "
	isolated    = `ALTER TABLE extra ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY tenant_isolation ON extra USING (tenant_id = request_tenant());`
	extraTable = `CREATE TABLE extra (tenant_id integer NOT NULL, n integer,
		CONSTRAINT extra_pkey PRIMARY KEY (tenant_id, n)); ALTER TABLE extra OWNER TO leadctl_owner; ` + isolated
)

// TestGate: every rule finds the violation that was planted for it, and no other violation is found.
func TestGate(t *testing.T) {
	t.Parallel()
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	require.Empty(t, queryGate(t, conn))
	rules := map[string]bool{}
	for _, c := range []struct {
		plant string
		want  []string
	}{
		{`ALTER ROLE leadctl_app RENAME TO gone`, []string{"G00 leadctl_app: role does not exist"}},
		{`ALTER ROLE leadctl_app SUPERUSER`, []string{"G01 leadctl_app: role is superuser"}},
		{`ALTER ROLE leadctl_system BYPASSRLS`, []string{"G02 leadctl_system: role has BYPASSRLS"}},
		{`CREATE ROLE mighty SUPERUSER; GRANT mighty TO leadctl_app`,
			[]string{"G03 leadctl_app: role is a member of mighty"}},
		{`CREATE ROLE mighty BYPASSRLS; CREATE ROLE between; GRANT mighty TO between; GRANT between TO leadctl_system`,
			[]string{"G03 leadctl_system: role is a member of between"}},
		{`GRANT pg_execute_server_program TO leadctl_app`,
			[]string{"G03 leadctl_app: role is a member of pg_execute_server_program"}},
		{`CREATE ROLE other; GRANT other TO leadctl_app; ALTER TABLE icp_rules OWNER TO other`,
			[]string{"G03 leadctl_app: role is a member of other"}},
		{`ALTER TABLE icp_rules OWNER TO leadctl_app`,
			[]string{"G04 icp_rules: leadctl_app owns this tenant table",
				"G18 icp_rules: REFERENCES granted to leadctl_app", "G18 icp_rules: TRIGGER granted to leadctl_app",
				"G18 icp_rules: TRUNCATE granted to leadctl_app"}},
		{`ALTER ROLE leadctl_app CREATEROLE`, []string{"G05 leadctl_app: role has CREATEROLE or REPLICATION"}},
		{`ALTER ROLE leadctl_system REPLICATION`, []string{"G05 leadctl_system: role has CREATEROLE or REPLICATION"}},
		{`ALTER TABLE icp_rules DISABLE ROW LEVEL SECURITY`, []string{"G06 icp_rules: row security is not enabled"}},
		{`CREATE TABLE extra (tenant_id integer NOT NULL); ALTER TABLE extra OWNER TO leadctl_owner`,
			[]string{"G06 extra: row security is not enabled"}},
		{`CREATE TABLE extra (tenant_id text NOT NULL); ALTER TABLE extra OWNER TO leadctl_owner`,
			[]string{"G06 extra: row security is not enabled"}},
		{`CREATE TABLE extra (tenant_id integer NOT NULL); GRANT DELETE ON extra TO PUBLIC`, []string{
			"G06 extra: row security is not enabled", "G26 extra: DELETE on lead data granted to leadctl_system"}},
		{`CREATE TABLE extra (tenant_id integer)`, []string{}}, // of another service, out of both roles' reach
		{`CREATE SCHEMA other; CREATE TABLE other.extra (tenant_id integer NOT NULL); GRANT SELECT ON other.extra
			TO leadctl_app`, []string{"G06 other.extra: row security is not enabled"}},
		{`CREATE SCHEMA other; CREATE TABLE other.extra (tenant_id integer)`, []string{}},
		{`ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`,
			[]string{"G07 lead_scores: row security is not forced"}},
		{`DROP POLICY tenant_isolation ON lead_scores`, []string{"G08 lead_scores: row security has no policy"}},
		{`CREATE POLICY wide ON lead_scores USING (true)`, []string{"G09 lead_scores: policy wide is always true"}},
		{`CREATE POLICY wide ON lead_scores USING (1 = 1)`, []string{"G09 lead_scores: policy wide is always true"}},
		{`CREATE POLICY wide ON lead_scores TO leadctl_owner USING (true)`,
			[]string{"G09 lead_scores: policy wide is always true"}},
		{`CREATE POLICY wide ON lead_scores TO leadctl_system, leadctl_app USING (true)`,
			[]string{"G09 lead_scores: policy wide is always true"}},
		{`CREATE POLICY wide ON lead_scores FOR INSERT WITH CHECK (true)`,
			[]string{"G09 lead_scores: policy wide is always true"}},
		{`CREATE POLICY wide ON lead_scores USING (tenant_id = request_tenant()) WITH CHECK (true)`,
			[]string{"G09 lead_scores: policy wide is always true"}},
		{`CREATE POLICY narrow ON lead_scores AS RESTRICTIVE USING (score > 0)`, []string{}},
		{`CREATE POLICY wide ON lead_scores FOR SELECT USING (bucket = 'high')`,
			[]string{"G10 lead_scores: policy wide" + mustCompare + "(bucket = 'high'::text)"}},
		{`CREATE POLICY wide ON lead_scores USING (tenant_id IS NOT DISTINCT FROM request_tenant())`,
			[]string{"G10 lead_scores: policy wide" + mustCompare +
				"(NOT (tenant_id IS DISTINCT FROM request_tenant()))"}},
		{`CREATE POLICY wide ON lead_scores USING (tenant_id = request_tenant() OR tenant_id = 1)`,
			[]string{"G10 lead_scores: policy wide" + mustCompare +
				"((tenant_id = request_tenant()) OR (tenant_id = 1))"}},
		{`CREATE POLICY wide ON lead_scores USING (company_id = request_tenant())`,
			[]string{"G10 lead_scores: policy wide" + mustCompare + "(company_id = request_tenant())"}},
		{`CREATE POLICY plain ON lead_scores USING (tenant_id::text = current_setting('request.tenant_id', true))`,
			[]string{}},
		{`CREATE POLICY plain ON lead_scores USING (tenant_id = NULLIF(current_setting('request.tenant_id', true),
			'')::int)`, []string{}},
		{`CREATE FUNCTION frozen() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1; CREATE POLICY wide ON lead_scores
			USING (tenant_id = frozen())`,
			[]string{"G10 lead_scores: policy wide" + mustCompare + "(tenant_id = frozen())",
				"G11 lead_scores: policy uses the IMMUTABLE function frozen"}},
		{`ALTER FUNCTION request_tenant() IMMUTABLE`, nil}, // G11 on every table, and G30
		{`ALTER TABLE enrichment_runs DROP CONSTRAINT enrichment_runs_pkey; ALTER TABLE enrichment_runs ALTER tenant_id
			DROP NOT NULL`, []string{"G12 enrichment_runs: tenant_id is nullable"}},
		{`CREATE VIEW peek AS SELECT * FROM lead_scores; GRANT SELECT ON peek TO leadctl_app`,
			[]string{"G13 peek: view without security_invoker, reachable by leadctl_app"}},
		{`CREATE VIEW peek AS SELECT * FROM lead_scores; GRANT SELECT (score) ON peek TO leadctl_app`,
			[]string{"G13 peek: view without security_invoker, reachable by leadctl_app"}},
		{`CREATE SCHEMA other; CREATE VIEW other.peek AS SELECT * FROM lead_scores; GRANT SELECT ON other.peek
			TO leadctl_system`, []string{"G13 other.peek: view without security_invoker, reachable by leadctl_system"}},
		{`CREATE VIEW peek WITH (security_invoker = true) AS SELECT * FROM lead_scores; GRANT SELECT ON peek
			TO leadctl_app`, []string{}},
		{`CREATE VIEW peek AS SELECT * FROM lead_scores`, []string{}},
		{`CREATE MATERIALIZED VIEW peek AS SELECT * FROM lead_scores; GRANT SELECT ON peek TO leadctl_app`,
			[]string{"G14 peek: materialized view readable by leadctl_app"}},
		{`CREATE FUNCTION peek() RETURNS SETOF lead_scores LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT *
			FROM lead_scores; END`, []string{
			"G15 peek: SECURITY DEFINER function executable by leadctl_app",
			"G15 peek: SECURITY DEFINER function executable by leadctl_system"}},
		{`CREATE FUNCTION peek() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1; REVOKE EXECUTE ON FUNCTION peek
			FROM PUBLIC`, []string{}},
		{`ALTER TABLE lead_scores ADD CONSTRAINT one_key UNIQUE (cache_key)`,
			[]string{"G16 lead_scores: key without tenant_id: one_key"}},
		{`ALTER TABLE lead_scores ADD CONSTRAINT one_key EXCLUDE (cache_key WITH =)`,
			[]string{"G16 lead_scores: key without tenant_id: one_key"}},
		{`CREATE TABLE extra (tenant_id integer NOT NULL, id integer PRIMARY KEY);
			ALTER TABLE extra OWNER TO leadctl_owner; ` + isolated,
			[]string{"G16 extra: key without tenant_id: extra_pkey"}},
		{`CREATE TABLE extra (tenant_id integer NOT NULL, id uuid PRIMARY KEY);
			ALTER TABLE extra OWNER TO leadctl_owner; ` + isolated, []string{}},
		{`ALTER TABLE icp_rules ADD CONSTRAINT numbered UNIQUE (rule_id); ` + extraTable + `ALTER TABLE extra ADD
			CONSTRAINT extra_rule FOREIGN KEY (n) REFERENCES icp_rules (rule_id)`, []string{
			"G16 icp_rules: key without tenant_id: numbered",
			"G17 extra: foreign key between tenant tables without tenant_id: extra_rule"}},
		{extraTable + `ALTER TABLE extra ADD FOREIGN KEY (tenant_id, n) REFERENCES icp_rules (tenant_id, rule_id)`,
			[]string{}},
		{`GRANT TRUNCATE ON icp_rules TO leadctl_app`, []string{"G18 icp_rules: TRUNCATE granted to leadctl_app"}},
		{`GRANT REFERENCES, TRIGGER ON icp_rules TO leadctl_app`,
			[]string{"G18 icp_rules: REFERENCES granted to leadctl_app",
				"G18 icp_rules: TRIGGER granted to leadctl_app"}},
		{`ALTER ROLE leadctl_app SET request.tenant_id = '1'`,
			[]string{"G19 leadctl_app: a role or database has a default setting: request.tenant_id=1"}},
		{`ALTER ROLE ALL SET row_security = off`,
			[]string{"G19 every role: a role or database has a default setting: row_security=off"}},
		{`SET LOCAL request.tenant_id = '7'`, []string{"G20 7: request.tenant_id is set on a new connection"}},
		{`CREATE TABLE extra (tenant_id integer NOT NULL) PARTITION BY LIST (tenant_id);
			CREATE TABLE extra_1 PARTITION OF extra FOR VALUES IN (1); GRANT SELECT ON extra_1 TO leadctl_app; ` +
			isolated, []string{"G06 extra_1: row security is not enabled"}},
		{`CREATE TABLE extra_1 () INHERITS (lead_scores); GRANT UPDATE ON extra_1 TO leadctl_app`,
			[]string{"G06 extra_1: row security is not enabled"}},
		{`CREATE TABLE extra (tenant_id integer NOT NULL) PARTITION BY LIST (tenant_id);
			CREATE TABLE extra_1 PARTITION OF extra FOR VALUES IN (1); GRANT SELECT ON extra TO leadctl_app; ` +
			isolated, []string{}}, // reached through the parent and its policy only
		{`GRANT CREATE ON SCHEMA public TO leadctl_system`,
			[]string{"G22 schema public: leadctl_system may create objects"}},
		{`CREATE UNIQUE INDEX one_key ON lead_scores (cache_key)`,
			[]string{"G23 lead_scores: unique index without tenant_id: one_key"}},
		{`CREATE UNIQUE INDEX one_key ON lead_scores (cache_key) INCLUDE (tenant_id)`,
			[]string{"G23 lead_scores: unique index without tenant_id: one_key"}},
		{`CREATE UNIQUE INDEX one_key ON lead_scores (cache_key) WHERE tenant_id > 0`,
			[]string{"G23 lead_scores: unique index without tenant_id: one_key"}},
		{`CREATE UNIQUE INDEX one_key ON lead_scores (tenant_id, cache_key)`, []string{}},
		{`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'lead_scores_best_idx'::regclass`,
			[]string{"G24 lead_scores_best_idx: index is INVALID"}},
		{`GRANT SELECT ON lead_scores TO leadctl_system`,
			[]string{"G26 lead_scores: SELECT on lead data granted to leadctl_system"}},
		{`GRANT UPDATE (score) ON lead_scores TO leadctl_system`,
			[]string{"G26 lead_scores: UPDATE on lead data granted to leadctl_system"}},
		{`GRANT DELETE ON icp_rules TO leadctl_system`,
			[]string{"G26 icp_rules: DELETE on lead data granted to leadctl_system"}},
		{`GRANT SELECT ON odoo_connections TO leadctl_app`,
			[]string{"G27 odoo_connections: column secret readable by leadctl_app"}},
		{`GRANT SELECT (secret) ON odoo_connections TO PUBLIC`,
			[]string{"G27 odoo_connections: column secret readable by leadctl_app"}},
		{`CREATE OR REPLACE FUNCTION request_tenant() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE RETURN 1`,
			[]string{"G30 request_tenant(): policies use this function, which differs from the one that the " +
				"migrations made"}},
		{`CREATE SCHEMA other; CREATE FUNCTION other.request_tenant() RETURNS integer LANGUAGE sql STABLE RETURN 1;
			CREATE POLICY wide ON lead_scores USING (tenant_id = other.request_tenant());
			SET LOCAL search_path = other, public`,
			[]string{"G30 request_tenant(): policies use this function, which differs from the one that the " +
				"migrations made"}},
		{`CREATE TABLE lead_scores_unassigned (reason text); GRANT SELECT ON lead_scores_unassigned TO PUBLIC`,
			[]string{
				"G31 lead_scores_unassigned: rows set aside by adoption are readable by leadctl_app",
				"G31 lead_scores_unassigned: rows set aside by adoption are readable by leadctl_system"}},
		{`GRANT EXECUTE ON FUNCTION pg_read_file(text) TO leadctl_app`,
			[]string{"G32 pg_read_file: function for server files executable by leadctl_app"}},
	} {
		withPlanted(t, conn, c.plant, func(q schema.Querier) {
			found := queryGate(t, q)
			if c.want != nil {
				require.Equal(t, c.want, violationLines(found), c.plant)
			}
			for _, v := range found {
				rules[v.Rule] = true
			}
			requireMends(t, q, found, c.plant)
		})
	}
	for _, rule := range strings.Fields("G00 G01 G02 G03 G04 G05 G06 G07 G08 G09 G10 G11 G12 G13 G14 G15 G16 G17 " +
		"G18 G19 G20 G22 G23 G24 G26 G27 G30 G31 G32") {
		require.True(t, rules[rule], "no violation was planted for "+rule)
	}
	require.Empty(t, queryGate(t, conn))
	require.NoError(t, schema.Refusal(nil))
}

// requireMends runs the SQL of the hint about the violations found, and requires that the gate then finds none.
func requireMends(t *testing.T, q schema.Querier, found []schema.Violation, plant string) {
	t.Helper()
	if len(found) == 0 {
		return
	}
	err := schema.Refusal(found)
	require.True(t, fault.Is(err, fault.Operator))
	sql, ok := strings.CutPrefix(fault.Hint(err), "as a superuser, run: ")
	if !ok { // the roles or the DSN are wrong, which no SQL of the gate mends
		require.Contains(t, []string{"G00", "G20"}, found[0].Rule, plant)
		require.NotEmpty(t, fault.Hint(err))
		return
	}
	mustExec(t, q, sql)
	require.Empty(t, violationLines(queryGate(t, q)), plant+"; "+sql)
}

// TestGateIsTheSameForEveryone: a superuser and the daemon's login get the same violations.
func TestGateIsTheSameForEveryone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	mustExec(t, db.Owner, `ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY;
		CREATE VIEW peek AS SELECT * FROM lead_scores; GRANT SELECT ON peek TO leadctl_app`)
	want := violationLines(queryGate(t, db.Owner))
	require.Len(t, want, 2)
	login := openConn(t, db.LoginDSN)
	require.Equal(t, want, violationLines(queryGate(t, login)))
	mustExec(t, login, `SET ROLE leadctl_app`)
	require.Equal(t, want, violationLines(queryGate(t, login)))
}

// TestGateDoc: docs/security.md explains each rule of the gate, and no other.
func TestGateDoc(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	rules := map[string]bool{"G20": true} // checked in Go
	for _, file := range []string{"gate.sql", "gate_login.sql"} {
		sql, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`SELECT (?:DISTINCT )?'(G\d\d)'`).FindAllStringSubmatch(string(sql), -1) {
			rules[m[1]] = true
		}
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (G\d\d) \|`).FindAllStringSubmatch(string(doc), -1) {
		explained[m[1]] = true
	}
	require.Equal(t, rules, explained)
}
