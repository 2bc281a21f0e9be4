package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// everyRelation: whatever the kind of relation, right or default is through which leadctl's roles reach another
// tenant's rows or another person's sessions, the gate names it, and the SQL of the hint mends it.
func everyRelation(t *testing.T) {
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	const (
		definer = `CREATE FUNCTION sees() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			'BEGIN RETURN NEW; END'; REVOKE EXECUTE ON FUNCTION sees FROM PUBLIC; `
		foreign = `CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER far FOREIGN DATA WRAPPER wrapper;
			CREATE FOREIGN TABLE far_scores (tenant_id integer NOT NULL, score float) SERVER far; `
		parts = `CREATE TABLE extra (tenant_id integer NOT NULL) PARTITION BY LIST (tenant_id); ` + isolated + `
			CREATE TABLE extra_1 PARTITION OF extra FOR VALUES IN (1); GRANT INSERT ON extra TO leadctl_app; `
	)
	for plant, want := range map[string][]string{
		foreign + `GRANT SELECT ON far_scores TO leadctl_app`: {
			"G33 far_scores: foreign table, which has no row security, reachable by leadctl_app"},
		foreign + `GRANT INSERT (score) ON far_scores TO PUBLIC`: {
			"G33 far_scores: foreign table, which has no row security, reachable by leadctl_app",
			"G33 far_scores: foreign table, which has no row security, reachable by leadctl_system"},
		foreign: {},
		`GRANT SELECT ON sessions, revoked_tokens TO PUBLIC; GRANT UPDATE (issuer) ON identities TO PUBLIC`: {
			"G34 identities: UPDATE on a table without tenants granted to leadctl_app",
			"G34 revoked_tokens: SELECT on a table without tenants granted to leadctl_app",
			"G34 sessions: SELECT on a table without tenants granted to leadctl_app"},
		`GRANT DELETE ON session_tokens, login_attempts TO leadctl_app`: {
			"G34 login_attempts: DELETE on a table without tenants granted to leadctl_app",
			"G34 session_tokens: DELETE on a table without tenants granted to leadctl_app"},
		`GRANT INSERT ON companies TO leadctl_app`: {
			"G34 companies: INSERT on a table without tenants granted to leadctl_app"},
		`GRANT INSERT ON river.river_job TO leadctl_app`: {
			"G34 river.river_job: INSERT on a table without tenants granted to leadctl_app"},
		`GRANT SELECT ON river.river_queue TO PUBLIC`: {
			"G34 river.river_queue: SELECT on a table without tenants granted to leadctl_app"},
		`GRANT UPDATE ON SEQUENCE tenants_tenant_id_seq TO leadctl_app`: {
			"G34 tenants_tenant_id_seq: UPDATE on a sequence granted to leadctl_app"},
		`GRANT SELECT ON SEQUENCE river.river_job_id_seq TO PUBLIC`: {
			"G34 river.river_job_id_seq: SELECT on a sequence granted to leadctl_app"},
		`GRANT UPDATE, DELETE ON audit_log TO leadctl_app`: {
			"G35 audit_log: DELETE on the audit log granted to leadctl_app",
			"G35 audit_log: UPDATE on the audit log granted to leadctl_app"},
		`GRANT UPDATE (actor) ON audit_log TO PUBLIC`: {
			"G35 audit_log: UPDATE on the audit log granted to leadctl_app",
			"G35 audit_log: UPDATE on the audit log granted to leadctl_system"},
		definer + `CREATE TRIGGER t AFTER INSERT ON lead_scores FOR EACH ROW EXECUTE FUNCTION sees()`: {
			"G36 lead_scores: trigger t runs the SECURITY DEFINER function sees"},
		definer + `CREATE TRIGGER t AFTER DELETE ON companies EXECUTE FUNCTION sees()`: {
			"G36 companies: trigger t runs the SECURITY DEFINER function sees"},
		definer + parts + `CREATE TRIGGER t BEFORE INSERT ON extra_1 FOR EACH ROW EXECUTE FUNCTION sees()`: {
			"G36 extra_1: trigger t runs the SECURITY DEFINER function sees"},
		definer + parts + `CREATE TRIGGER t AFTER INSERT ON extra FOR EACH ROW EXECUTE FUNCTION sees()`: {
			"G36 extra: trigger t runs the SECURITY DEFINER function sees"},
		definer + `ALTER FUNCTION sees() SECURITY INVOKER;
			CREATE TRIGGER t AFTER INSERT ON lead_scores FOR EACH ROW EXECUTE FUNCTION sees()`: {},
		`CREATE RULE copied AS ON INSERT TO lead_scores DO ALSO UPDATE companies SET name = name`: {
			"G36 lead_scores: rule copied acts as the owner of the table"},
		`CREATE SCHEMA other; GRANT CREATE ON SCHEMA other TO leadctl_app`: {
			"G22 schema other: leadctl_app may create objects"},
		`CREATE SCHEMA other AUTHORIZATION leadctl_system`: {
			"G22 schema other: leadctl_system may create objects"},
		`GRANT CREATE ON SCHEMA pg_catalog TO leadctl_app`: {
			"G22 schema pg_catalog: leadctl_app may create objects"},
		`GRANT CREATE ON SCHEMA river TO PUBLIC`: {
			"G22 schema river: leadctl_app may create objects", "G22 schema river: leadctl_system may create objects"},
		`ALTER TABLE icp_rules ALTER tenant_id SET DEFAULT 1`: {"G37 icp_rules: tenant_id has a default: 1"},
		`ALTER TABLE icp_rules ALTER tenant_id SET DEFAULT current_setting('request.tenant_id')::int`: {
			"G37 icp_rules: tenant_id has a default: (current_setting('request.tenant_id'::text))::integer"},
		`CREATE DOMAIN tenant AS integer DEFAULT 1; CREATE TABLE extra (tenant_id tenant NOT NULL);
			ALTER TABLE extra OWNER TO leadctl_owner; ` + isolated: {"G37 extra: tenant_id has a default: 1"},
		`CREATE TABLE extra (tenant_id integer GENERATED ALWAYS AS IDENTITY);
			ALTER TABLE extra OWNER TO leadctl_owner; ` + isolated: {"G37 extra: tenant_id has a default: identity"},
		`CREATE TABLE extra (n integer, tenant_id integer GENERATED ALWAYS AS (n) STORED NOT NULL);
			ALTER TABLE extra OWNER TO leadctl_owner; ` + isolated: {"G37 extra: tenant_id has a default: n"},
		`ALTER TABLE audit_log ALTER tenant_id SET DEFAULT 7`: {"G37 audit_log: tenant_id has a default: 7"},
		`CREATE MATERIALIZED VIEW peek AS SELECT * FROM lead_scores; GRANT SELECT (score) ON peek TO PUBLIC`: {
			"G14 peek: materialized view readable by leadctl_app",
			"G14 peek: materialized view readable by leadctl_system"},
		`CREATE VIEW peek AS SELECT * FROM audit_log; GRANT DELETE ON peek TO leadctl_app`: {
			"G13 peek: view without security_invoker, reachable by leadctl_app"},
		`CREATE PROCEDURE act() LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC DELETE FROM lead_scores; END`: {
			"G15 act: SECURITY DEFINER function executable by leadctl_app",
			"G15 act: SECURITY DEFINER function executable by leadctl_system"},
		`GRANT leadctl_owner TO leadctl_system`:              nil, // and with it every right of the owner
		`GRANT pg_read_all_data TO leadctl_app`:              nil,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC`: nil,
		`GRANT ALL ON ALL TABLES IN SCHEMA river TO PUBLIC`:  nil,
	} {
		withPlanted(t, conn, plant, func(q schema.Querier) {
			found := queryGate(t, q)
			if want != nil {
				require.Equal(t, want, violationLines(found), plant)
			} else {
				require.NotEmpty(t, found, plant)
			}
			requireMends(t, q, found, plant)
		})
	}
	t.Run("database", createInDatabase)
}

// createInDatabase has a cluster of its own, because the name of the database is part of the violation.
func createInDatabase(t *testing.T) {
	db := pgtest.New(t)
	name := queryOne[string](t, db.Owner, `SELECT current_database()`)
	for plant, want := range map[string]string{
		`GRANT CREATE ON DATABASE ` + name + ` TO leadctl_app`: "leadctl_app may create schemas",
		`ALTER DATABASE ` + name + ` OWNER TO leadctl_system`:  "leadctl_system may create schemas",
	} {
		withPlanted(t, openConn(t, db.OwnerDSN), plant, func(q schema.Querier) {
			found := queryGate(t, q)
			require.NotEmpty(t, found)
			require.Contains(t, violationLines(found), "G22 database "+name+": "+want)
			requireMends(t, q, found, plant)
		})
	}
}

// TestGateWithoutTables: a database without leadctl's tables is not safe, although no rule finds anything in it.
func TestGateWithoutTables(t *testing.T) {
	t.Parallel()
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	for _, plant := range []string{
		`DROP OWNED BY leadctl_owner CASCADE`,
		`DROP OWNED BY leadctl_owner CASCADE; CREATE TABLE tenants (tenant_id serial PRIMARY KEY, name text)`,
	} {
		withPlanted(t, conn, plant, func(q schema.Querier) {
			found := queryGate(t, q)
			require.Len(t, found, 1)
			require.Equal(t, "G38", found[0].Rule)
			err := schema.Refusal(found)
			require.True(t, fault.Is(err, fault.Operator))
			require.Equal(t, "run `leadctl migrate`", fault.Hint(err))
		})
	}
}

// TestTablesOfOthers: tables of other services are no violation while leadctl's roles cannot reach them. Others lists
// what they lack, all at once, and its SQL makes them safe. A right on one of them is a violation, and the hint takes
// that right away instead of changing the table.
func TestTablesOfOthers(t *testing.T) {
	t.Parallel()
	conn := openConn(t, pgtest.New(t).OwnerDSN)
	const theirs = `CREATE ROLE service; CREATE SCHEMA other;
		CREATE TABLE background_jobs (job_id bigserial PRIMARY KEY, tenant_id integer, job_type text NOT NULL);
		CREATE TABLE qa_samples (run_id bigint, tenant_id integer NOT NULL DEFAULT 1, PRIMARY KEY (run_id, tenant_id));
		ALTER TABLE qa_samples ENABLE ROW LEVEL SECURITY;
		CREATE POLICY qa_samples_isolation ON qa_samples USING (tenant_id IS NULL OR tenant_id > 0);
		CREATE TABLE other.seeds (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
		ALTER TABLE background_jobs OWNER TO service; ALTER TABLE qa_samples OWNER TO service;`
	lacking := []string{
		"G06 background_jobs: row security is not enabled", "G06 other.seeds: row security is not enabled",
		"G07 qa_samples: row security is not forced",
		"G10 qa_samples: policy qa_samples_isolation" + mustCompare + "((tenant_id IS NULL) OR (tenant_id > 0))",
		"G12 background_jobs: tenant_id is nullable",
		"G16 background_jobs: key without tenant_id: background_jobs_pkey",
		"G16 other.seeds: key without tenant_id: seeds_pkey", "G37 qa_samples: tenant_id has a default: 1"}
	others := func(q schema.Querier) []schema.Violation {
		found, err := schema.Others(t.Context(), q)
		require.NoError(t, err)
		return found
	}
	withPlanted(t, conn, theirs, func(q schema.Querier) {
		require.Empty(t, violationLines(queryGate(t, q)))
		found := others(q)
		require.Equal(t, lacking, violationLines(found))
		for _, v := range found {
			mustExec(t, q, v.Fix)
		}
		require.Equal(t, []string{"G08 qa_samples: row security has no policy"}, violationLines(others(q)))
	})
	withPlanted(t, conn, theirs+`GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO leadctl_app`,
		func(q schema.Querier) {
			found := queryGate(t, q)
			require.Subset(t, violationLines(found), []string{"G06 background_jobs: row security is not enabled",
				"G12 background_jobs: tenant_id is nullable", "G37 qa_samples: tenant_id has a default: 1"})
			requireMends(t, q, found, "rights on the tables of others")
			require.Equal(t, lacking, violationLines(others(q)))
			mustExec(t, q, `SET LOCAL ROLE service; INSERT INTO background_jobs (job_type) VALUES ('still works')`)
		})
}
