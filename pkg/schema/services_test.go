package schema_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// statement is what a service of the platform runs, in the shape in which it ran before adoption.
type statement struct {
	sql     string
	instead string // what it must run after adoption, which docs/upgrading.md names; "" if sql still works
	rows    int64  // rows that it must return or change
}

// theirStatements are the statements of the services. Those on tables with policies run with request.tenant_id 1.
var theirStatements = []statement{
	{sql: `SELECT tenant_id FROM tenants WHERE tenant_id IN (1, 5) AND status = 'active'`, rows: 2},
	{sql: `INSERT INTO tenants (name, status) VALUES ('Zeta', 'active') RETURNING tenant_id`, rows: 1},
	{sql: `INSERT INTO tenant_users (tenant_id, user_id, roles) VALUES (3, 'cid@gamma.example', '{viewer}')
		ON CONFLICT (tenant_id, user_id) DO UPDATE SET roles = EXCLUDED.roles`, rows: 1},
	{sql: `SELECT tenant_id FROM tenant_users WHERE user_id = 'ann@alpha.example'`, rows: 2},
	{sql: `INSERT INTO onboarding_status (tenant_id, status) VALUES (3, 'starting') ON CONFLICT (tenant_id)
		DO UPDATE SET status = EXCLUDED.status, error = NULL, updated_at = now()`, rows: 1},
	{sql: `UPDATE onboarding_status SET status = 'creating_odoo' WHERE tenant_id = 3`, rows: 1},
	{sql: `UPDATE onboarding_status SET status = 'configuring_oidc' WHERE tenant_id = 3`, rows: 1},
	{sql: `UPDATE onboarding_status SET status = 'seeding' WHERE tenant_id = 3`, rows: 1},
	{sql: `UPDATE onboarding_status SET status = 'complete' WHERE tenant_id = 3`, rows: 1},
	{sql: `SELECT tenant_id FROM onboarding_status WHERE tenant_id = 3 AND status = 'complete'`,
		instead: `SELECT tenant_id FROM onboarding_status WHERE tenant_id = 3 AND status = 'ready'`, rows: 1},
	{sql: `INSERT INTO odoo_connections (tenant_id, base_url, db_name, auth_type, active)
		VALUES (3, 'https://odoo.example', 'gamma', 'api_key', true)
		ON CONFLICT (tenant_id) DO UPDATE SET base_url = EXCLUDED.base_url, db_name = EXCLUDED.db_name`, rows: 1},
	{sql: `INSERT INTO odoo_connections (tenant_id, db_name, secret) VALUES (4, 'delta', 'key')
		ON CONFLICT (tenant_id) DO UPDATE SET secret = EXCLUDED.secret`,
		instead: `INSERT INTO odoo_connections (tenant_id, db_name) VALUES (4, 'delta')`, rows: 1},
	{sql: `SELECT base_url, db_name, secret FROM odoo_connections WHERE tenant_id = 1`,
		instead: `SELECT base_url, db_name FROM odoo_connections WHERE tenant_id = 1`, rows: 1},

	{sql: `SELECT rule_id, name, payload FROM icp_rules WHERE tenant_id = 1 ORDER BY created_at DESC`, rows: 3},
	{sql: `INSERT INTO icp_rules (tenant_id, name, payload) VALUES (1, 'New', '{"industries": ["software"]}')
		ON CONFLICT (tenant_id, name) DO UPDATE SET payload = EXCLUDED.payload RETURNING rule_id`, rows: 1},
	{sql: `INSERT INTO icp_rules (name, payload) VALUES ('Of the first tenant', '{}')`,
		instead: `INSERT INTO icp_rules (tenant_id, name, payload) VALUES (1, 'Of the first tenant', '{}')`, rows: 1},
	{sql: `UPDATE icp_rules SET payload = '{"industries": ["retail"]}'
		WHERE tenant_id = 1 AND name = 'Default'`, rows: 1},
	{sql: `DELETE FROM icp_rules WHERE tenant_id = 1 AND name = 'New'`, rows: 1},
	{sql: `INSERT INTO enrichment_runs (tenant_id) VALUES (1) RETURNING run_id`, rows: 1},
	{sql: `INSERT INTO enrichment_runs DEFAULT VALUES`, instead: `INSERT INTO enrichment_runs (tenant_id) VALUES (1)`,
		rows: 1},
	{sql: `UPDATE enrichment_runs SET ended_at = now(), status = 'succeeded', degraded = false
		WHERE run_id = 1`, rows: 1},
	{sql: `INSERT INTO lead_features (company_id, features, tenant_id) VALUES (1, '{"size": 4}', 1)
		ON CONFLICT (company_id) DO UPDATE SET features = EXCLUDED.features`,
		instead: `INSERT INTO lead_features (company_id, features, tenant_id) VALUES (1, '{"size": 4}', 1)
		ON CONFLICT (tenant_id, company_id) DO UPDATE SET features = EXCLUDED.features`, rows: 1},
	{sql: `INSERT INTO lead_scores (company_id, score, bucket, rationale, cache_key, tenant_id)
		VALUES (1, 90, 'A', 'r', 'k', 1)
		ON CONFLICT (company_id) DO UPDATE SET score = EXCLUDED.score, bucket = EXCLUDED.bucket`,
		instead: `INSERT INTO lead_scores (company_id, score, bucket, rationale, cache_key, tenant_id)
		VALUES (1, 90, 'A', 'r', 'k', 1)
		ON CONFLICT (tenant_id, company_id) DO UPDATE SET score = EXCLUDED.score, bucket = EXCLUDED.bucket`, rows: 1},
	{sql: `SELECT s.company_id, c.name FROM lead_scores s JOIN companies c USING (company_id) WHERE s.tenant_id = 1
		ORDER BY s.score DESC`, rows: 2},
	{sql: `SELECT company_id FROM lead_scores WHERE tenant_id = 1 AND bucket = 'A'`,
		instead: `SELECT company_id FROM lead_scores WHERE tenant_id = 1 AND bucket = 'high'`, rows: 2},
	{sql: `SELECT company_id FROM lead_scores WHERE tenant_id = 1 AND score >= 80`,
		instead: `SELECT company_id FROM lead_scores WHERE tenant_id = 1 AND score >= 0.8`, rows: 2},

	{sql: `INSERT INTO companies (uen, name, industry_norm) VALUES ('201234567A', 'One Pte', 'software')
		ON CONFLICT (uen) DO UPDATE SET name = EXCLUDED.name, last_seen = now() RETURNING company_id`, rows: 1},
	{sql: `UPDATE companies SET website_domain = 'one.example', tech_stack = '{go,sql}' WHERE company_id = 1`, rows: 1},
	{sql: `SELECT company_id FROM companies WHERE industry_norm = 'retail'`, rows: 1},
	{sql: `INSERT INTO contacts (company_id, full_name, email, job_title, contact_source)
		VALUES (2, 'Eve', 'eve@two.example', 'CEO', 'search') RETURNING contact_id`, rows: 1},
	{sql: `UPDATE contacts SET email_verified = true, verification_confidence = 0.9
		WHERE email = 'eve@two.example'`, rows: 1},
	{sql: `INSERT INTO lead_emails (email, company_id, verification_status, last_verified_at)
		VALUES ('eve@two.example', 2, 'valid', now()) ON CONFLICT (email) DO UPDATE
		SET verification_status = EXCLUDED.verification_status, bounce_count = lead_emails.bounce_count + 1`, rows: 1},
	{sql: `SELECT l.email FROM lead_emails l JOIN contacts c USING (email)`, rows: 1},
	{sql: `INSERT INTO email_verification_cache (email, status) VALUES ('eve@two.example', 'valid')
		ON CONFLICT (email) DO UPDATE SET status = EXCLUDED.status, checked_at = now()`, rows: 1},
	{sql: `INSERT INTO company_enrichment_runs (company_id, run_id, domain, tenant_id) VALUES (1, 1, 'one.example', 1)
		ON CONFLICT (company_id, run_id) DO UPDATE SET domain = EXCLUDED.domain, updated_at = now()`, rows: 1},
	{sql: `INSERT INTO background_jobs (tenant_id, job_type, status) VALUES (1, 'enrich', 'queued')
		RETURNING job_id`, rows: 1},
	{sql: `INSERT INTO run_manifests (run_id, tenant_id, selected_ids) VALUES (1, 1, '{1}')
		ON CONFLICT (run_id) DO UPDATE SET selected_ids = EXCLUDED.selected_ids`, rows: 1},
	{sql: `INSERT INTO run_event_logs (run_id, tenant_id, stage, event, status)
		VALUES (1, 1, 'score', 'end', 'ok')`, rows: 1},
	{sql: `INSERT INTO tenant_company_profiles (tenant_id, profile) VALUES (1, '{"sells": "software"}')
		ON CONFLICT (tenant_id) DO UPDATE SET profile = EXCLUDED.profile`, rows: 1},
	{sql: `INSERT INTO icp_evidence (tenant_id, company_id, signal_key, value, source)
		VALUES (1, 1, 'ssic', '"47"', 'x')`,
		rows: 1},
	{sql: `INSERT INTO staging_acra_companies (uen, entity_name, primary_ssic_code) VALUES ('53000000B', 'TWO LLP', 47)
		ON CONFLICT (uen) DO UPDATE SET entity_name = EXCLUDED.entity_name,
		primary_ssic_code = EXCLUDED.primary_ssic_code`, rows: 1},
	{sql: `SELECT uen FROM staging_acra_companies WHERE primary_ssic_code = 62011`,
		instead: `SELECT uen FROM staging_acra_companies WHERE primary_ssic_code = '62011'`, rows: 1},
	{sql: `SELECT uen FROM staging_acra_companies WHERE primary_ssic_code::text LIKE '62%'`, rows: 1},
	{sql: `INSERT INTO service_progress (service_key, last_uen) VALUES ('acra', '53000000B')
		ON CONFLICT (service_key) DO UPDATE SET last_uen = EXCLUDED.last_uen, updated_at = now()`, rows: 1},
	{sql: `REFRESH MATERIALIZED VIEW icp_candidate_companies`,
		instead: `SELECT refresh_view('icp_candidate_companies')`, rows: -1},
	{sql: `REFRESH MATERIALIZED VIEW icp_patterns`, rows: -1},
	{sql: `SELECT company_id FROM icp_candidate_companies WHERE tenant_id = 1 AND rule_id = 2`, rows: 1},
	{sql: `SELECT top_ssics FROM icp_patterns WHERE tenant_id = 1`, rows: 1},
	{sql: `TRUNCATE staging_acra_companies`, instead: `DELETE FROM staging_acra_companies`, rows: -1},
}

// run runs sql as a service does and returns the number of rows.
func (s statement) run(ctx context.Context, conn *pgx.Conn, sql string) (rows int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('request.tenant_id', '1', true)`)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// statementsOfTheServices: after adoption each statement of the services works as before, or docs/upgrading.md names
// the one to use.
func statementsOfTheServices(t *testing.T) {
	manual, err := os.ReadFile("../../docs/upgrading.md")
	require.NoError(t, err)
	oneLine := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for who, by := range map[string]string{"adopted by their login": "platform", "adopted by a superuser": "leadctl"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
			before := openConn(t, createPlatform(t, s, "before", "platform", ``))
			dsn := createPlatform(t, s, "after", "platform", ``)
			_, err := schema.Up(t.Context(), dsnAs(dsn, by), released)
			require.NoError(t, err, fault.Hint(err))
			after := openConn(t, dsn)
			for _, st := range theirStatements {
				_, err := st.run(t.Context(), before, st.sql)
				require.NoError(t, err, "before: %s", st.sql)
				now := st.sql
				if st.instead != "" {
					now = st.instead
					changed, err := st.run(t.Context(), after, st.sql)
					require.True(t, err != nil || changed != st.rows, "it works, so `instead` is not needed: %s",
						st.sql)
					for part := range strings.SplitSeq(oneLine(now), " ON CONFLICT ") {
						require.Contains(t, string(manual), part)
					}
				}
				got, err := st.run(t.Context(), after, now)
				require.NoError(t, err, "after: %s", now)
				if st.rows >= 0 {
					require.Equal(t, st.rows, got, "after: %s", now)
				}
			}
			_, err = statement{}.run(t.Context(), after,
				`ALTER TABLE companies ADD COLUMN IF NOT EXISTS size_note text`)
			require.ErrorContains(t, err, "must be owner")
			require.Contains(t, string(manual), "only the owner may change a table")
			requireApart(t, after, openConn(t, s.DSN("after")))
		})
	}
}

// requireApart requires that the services' login can read no secret, no rows of another tenant and no rows set aside.
func requireApart(t *testing.T, theirs, admin *pgx.Conn) {
	t.Helper()
	require.Empty(t, queryList[string](t, admin, `SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'leadctl\_%'
		AND pg_has_role('platform', oid, 'USAGE')`))
	for _, sql := range []string{`SELECT secret FROM odoo_connections`, `SELECT pending_secret FROM odoo_connections`,
		`SELECT * FROM lead_scores_unassigned`, `SELECT * FROM tenants_unassigned`, `SET ROLE leadctl_owner`,
		`SET ROLE leadctl_app`, `SET ROLE leadctl_system`, `SELECT * FROM sessions`} {
		_, err := theirs.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
	for _, table := range []string{"icp_rules", "lead_scores", "lead_features", "enrichment_runs"} {
		_, err := statement{}.run(t.Context(), theirs, `DO $$ BEGIN
			ASSERT NOT EXISTS (SELECT FROM `+table+` WHERE tenant_id <> 1); END $$`)
		require.NoError(t, err, table)
		require.Zero(t, queryOne[int](t, theirs, `SELECT count(*)::int FROM `+table), "no tenant is named")
	}
	var others []string
	found, err := schema.Others(t.Context(), admin)
	require.NoError(t, err)
	for _, v := range found {
		if v.Rule == schema.ServiceLogin {
			others = append(others, v.Text+": "+v.Fix)
		}
	}
	require.Contains(t, others, "login of another service can join leadctl's roles: it has CREATEROLE: "+
		"ALTER ROLE platform NOCREATEROLE")
	require.Empty(t, queryGate(t, admin))
	mustExec(t, admin, `GRANT leadctl_system TO platform;
		GRANT SELECT ON odoo_connections, tenants_unassigned TO platform`)
	var rules []string
	for _, v := range queryGate(t, admin) {
		rules = append(rules, v.Rule+" "+v.Object)
	}
	require.Subset(t, rules, []string{"G39 platform", "G39 odoo_connections", "G39 tenants_unassigned"})
}

// TestNumbersOfTwoWriters: leadctl numbers rules and runs per tenant, the services draw from a sequence, and neither
// takes a number that the tenant has.
func TestNumbersOfTwoWriters(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	dsn := createPlatform(t, s, "numbers", "platform", ``)
	_, err := schema.Up(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	theirs, ours := openConn(t, dsn), openConn(t, s.DSN("numbers"))
	for _, c := range []*pgx.Conn{theirs, ours} {
		mustExec(t, c, `SELECT set_config('request.tenant_id', '2', false)`)
	}
	mustExec(t, ours, `SET ROLE leadctl_app`)
	for range 5 {
		for range 3 {
			mustExec(t, ours, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload)
				SELECT 2, max(rule_id) + 1, 'ours ' || max(rule_id), '{}' FROM icp_rules`)
			mustExec(t, ours, `INSERT INTO enrichment_runs (tenant_id, run_id)
				SELECT 2, max(run_id) + 1 FROM enrichment_runs`)
		}
		mustExec(t, theirs, `INSERT INTO icp_rules (tenant_id, name, payload)
			SELECT 2, 'theirs ' || gen_random_uuid(), '{}' FROM generate_series(1, 3)`)
		mustExec(t, theirs, `INSERT INTO enrichment_runs (tenant_id) SELECT 2 FROM generate_series(1, 3)`)
	}
	require.Equal(t, 33, queryOne[int](t, ours, `SELECT count(*)::int FROM icp_rules`))
	require.Equal(t, 31, queryOne[int](t, ours, `SELECT count(*)::int FROM enrichment_runs`))
}

// TestRegisterRowOfAnotherWriter: a row of the register that another service changes loses its hash, so that the next
// ingestion sees the change. leadctl's own writes keep theirs.
func TestRegisterRowOfAnotherWriter(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	dsn := createPlatform(t, s, "register", "platform", ``)
	_, err := schema.Up(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	theirs, ours := openConn(t, dsn), openConn(t, s.DSN("register"))
	hash := func() string {
		return queryOne[string](t, ours, `SELECT coalesce(encode(row_hash, 'hex'), 'none') FROM staging_acra_companies
			WHERE uen = '53000000B'`)
	}
	upsert := `INSERT INTO staging_acra_companies (uen, entity_name) VALUES ('53000000B', $1)
		ON CONFLICT (uen) DO UPDATE SET entity_name = EXCLUDED.entity_name`
	mustExec(t, ours, `UPDATE staging_acra_companies SET row_hash = '\x01', run_id = 1`)
	mustExec(t, ours, `UPDATE staging_acra_companies SET absent_since = now(), run_id = 2`)
	mustExec(t, theirs, upsert, "TWO")
	require.Equal(t, "01", hash(), "nothing changed")
	mustExec(t, theirs, upsert, "TWO LLP")
	require.Equal(t, "none", hash())
	mustExec(t, ours, `UPDATE staging_acra_companies SET entity_name = 'TWO', row_hash = '\x02', last_seen = now(),
		run_id = 3`)
	require.Equal(t, "02", hash())
}
