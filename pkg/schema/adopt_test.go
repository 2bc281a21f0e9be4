package schema_test

import (
	_ "embed"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

//go:embed testdata/platform.sql
var platformSQL string

// dsnAs is dsn for another login.
func dsnAs(dsn, login string) string { return strings.Replace(dsn, "//leadctl@", "//"+login+"@", 1) }

// createPlatform is a database that login owns, in the shape the platform's other services made, then changed by variant.
func createPlatform(t *testing.T, s *pgtemp.Server, database, login, variant string) (dsn string) {
	t.Helper()
	admin := openConn(t, s.DSN("postgres"))
	mustExec(t, admin, `CREATE DATABASE `+database+` OWNER `+login)
	dsn = dsnAs(s.DSN(database), login)
	conn := openConn(t, dsn)
	mustExec(t, conn, platformSQL)
	mustExec(t, conn, variant)
	return dsn
}

var tableBlock = regexp.MustCompile(`(?s)^CREATE TABLE (\S+) \(\n(.*)\n\)$`)

// factSet is a description as a set, columns one by one, so that their order in the table does not count.
func factSet(description string) map[string]bool {
	set := map[string]bool{}
	for statement := range strings.SplitSeq(description, ";\n") {
		statement = strings.TrimSpace(statement)
		block := tableBlock.FindStringSubmatch(statement)
		if block == nil {
			set[statement] = true
			continue
		}
		for line := range strings.SplitSeq(block[2], ",\n") {
			set[block[1]+" "+strings.TrimSpace(line)] = true
		}
	}
	return set
}

// onlyIn lists what have holds and want does not.
func onlyIn(have, want map[string]bool) []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for f := range have {
			if !want[f] && !yield(f, true) {
				return
			}
		}
	})))
}

// allRows is every row of the platform's tables as it is now, each value as text; NULLs and blanks are left out.
func allRows(t *testing.T, q schema.Querier) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	tables := queryList[string](t, q, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`)
	for _, table := range tables {
		rows[table] = queryList[string](t, q, `SELECT (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each_text(jsonb_strip_nulls(to_jsonb(t))) WHERE btrim(value) <> '')::text FROM public.`+table+` t`)
	}
	return rows
}

// requireKept finds every row of before in its table, or among the rows that were set aside. Words that adoption maps to
// others are left out of the comparison; the test of the mapping is below.
func requireKept(t *testing.T, q schema.Querier, before map[string][]string) {
	t.Helper()
	mapped := map[string][]string{"tenants": {"status"}, "onboarding_status": {"status"}, "icp_rules": {"name"}}
	flat := `(SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(jsonb_strip_nulls(%s)))`
	for table, rows := range before {
		places := `SELECT ` + strings.ReplaceAll(flat, "%s", "to_jsonb(t)") + ` AS r FROM public.` + table + ` t`
		if queryOne[bool](t, q, `SELECT to_regclass('public.' || $1) IS NOT NULL`, table+"_unassigned") {
			places += ` UNION ALL SELECT ` + strings.ReplaceAll(flat, "%s", "row_data") + ` FROM public.` + table + `_unassigned`
		}
		for _, row := range rows {
			found := queryOne[bool](t, q, `SELECT EXISTS (SELECT 1 FROM (`+places+`) p WHERE r @> ($1::jsonb - $2::text[]))`, row, append([]string{}, mapped[table]...))
			require.True(t, found, "row of %s is lost: %s", table, row)
		}
	}
}

// Adopted by the login that owns everything, which is no superuser, and by a superuser, the platform's database ends up
// like a fresh one, and no row is lost.
func TestAdoption(t *testing.T) {
	t.Parallel()
	fresh := factSet(describeSchema(t, pgtest.New(t).Owner))
	for who, login := range map[string]string{"owner with CREATEROLE": "platform", "superuser": "leadctl"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE; CREATE ROLE report`)
			dsn := createPlatform(t, s, "platform", "platform", `GRANT SELECT ON lead_scores TO report; GRANT ALL ON companies TO PUBLIC`)
			admin := openConn(t, s.DSN("platform"))
			before := allRows(t, admin)

			res, err := schema.Up(t.Context(), dsnAs(dsn, login), released)
			require.NoError(t, err, fault.Hint(err))
			require.Equal(t, uint(0), res.From)
			require.Equal(t, map[string]int64{"companies": 1, "enrichment_runs": 1, "icp_rules": 1, "lead_features": 1, "lead_scores": 2,
				"onboarding_status": 1, "staging_acra_companies": 2, "tenants": 1}, res.Unassigned)
			require.Equal(t, int64(1), res.PlaintextSecrets)
			require.Equal(t, []string{
				"constraint odoo_connections_tenant_id_fkey of odoo_connections is dropped: leadctl has keys of its own; it was FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id)",
				"constraint onboarding_words of onboarding_status is dropped: leadctl has its own rules for status; it was CHECK ((status = ANY (ARRAY['pending'::text, 'completed'::text, 'failed'::text, 'provisioning'::text])))",
				"constraint icp_rules_tenant_id_fkey of icp_rules is dropped: leadctl has keys of its own; it was FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id)",
				"constraint icp_rules_pkey of icp_rules is dropped: leadctl has keys of its own; it was PRIMARY KEY (rule_id)",
				"column confidence of companies may now be NULL: leadctl does not know it",
				"constraint lead_features_pkey of lead_features is dropped: leadctl has keys of its own; it was PRIMARY KEY (company_id)",
				"constraint lead_scores_pkey of lead_scores is dropped: leadctl has keys of its own; it was PRIMARY KEY (company_id)",
				"foreign key company_enrichment_runs_run_id_fkey of company_enrichment_runs is dropped: it rested on enrichment_runs_pkey of enrichment_runs",
				"constraint enrichment_runs_pkey of enrichment_runs is dropped: leadctl has keys of its own; it was PRIMARY KEY (run_id)",
				"constraint staging_acra_companies_pkey of staging_acra_companies is dropped: leadctl has keys of its own; it was PRIMARY KEY (id)",
				"rights of PUBLIC on companies are revoked",
			}, res.Notes)

			require.Empty(t, queryGate(t, admin))
			requireKept(t, admin, before)
			requireMapped(t, admin)
			adopted := factSet(describeSchema(t, admin))
			require.Empty(t, onlyIn(fresh, adopted), "missing after adoption")
			requireLeftOver(t, onlyIn(adopted, fresh))

			rows := allRows(t, admin)
			again, err := schema.Up(t.Context(), dsnAs(dsn, login), released)
			require.NoError(t, err)
			require.Equal(t, again.From, again.To)
			require.Equal(t, res.Unassigned, again.Unassigned)
			require.Empty(t, again.Notes)
			require.Equal(t, adopted, factSet(describeSchema(t, admin)))
			require.Equal(t, rows, allRows(t, admin))
		})
	}
}

// requireLeftOver compares what a fresh database has not with testdata/adopted.txt: the other services' columns, tables and
// rights, and the tables of rows set aside.
func requireLeftOver(t *testing.T, extra []string) {
	t.Helper()
	const golden = "testdata/adopted.txt"
	text := strings.Join(extra, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

func requireMapped(t *testing.T, q schema.Querier) {
	t.Helper()
	require.Equal(t, []string{"active", "suspended", "active", "suspended"}, queryList[string](t, q, `SELECT status FROM tenants ORDER BY tenant_id`))
	require.Equal(t, []string{"ready", "error", "provisioning"}, queryList[string](t, q, `SELECT status FROM onboarding_status ORDER BY tenant_id`))
	require.Equal(t, []string{"Default (1) (1)", "Default (2)", "Default", "Default (1)", "Default"}, queryList[string](t, q, `SELECT name FROM icp_rules ORDER BY rule_id`))
	require.Equal(t, []string{"201234567A", "", "", ""}, queryList[string](t, q, `SELECT coalesce(uen, '') FROM companies ORDER BY company_id`))
}

// Shapes that differ from the usual one are adopted all the same, and lose no row.
func TestAdoptionOfOddShapes(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	fresh := factSet(describeSchema(t, pgtest.New(t).Owner))
	for name, variant := range map[string]string{
		"policies_by_other_names": `CREATE POLICY everything ON lead_scores USING (true); CREATE POLICY x ON tenants FOR SELECT USING (tenant_id > 0);
			ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ALTER TABLE lead_scores FORCE ROW LEVEL SECURITY`,
		"keys_on_other_columns": `ALTER TABLE companies DROP CONSTRAINT companies_pkey CASCADE; UPDATE companies SET uen = 'U' || company_id; ALTER TABLE companies ADD PRIMARY KEY (uen);
			ALTER TABLE icp_rules DROP CONSTRAINT icp_rules_pkey, ADD CONSTRAINT one_name_each UNIQUE (payload, name), ADD UNIQUE (payload);
			ALTER TABLE tenant_users DROP CONSTRAINT tenant_users_pkey, ADD COLUMN id uuid PRIMARY KEY DEFAULT gen_random_uuid();
			ALTER TABLE lead_scores ADD CONSTRAINT no_overlap EXCLUDE (company_id WITH =)`,
		"no_keys": `ALTER TABLE lead_scores DROP CONSTRAINT lead_scores_pkey; ALTER TABLE tenant_users DROP CONSTRAINT tenant_users_pkey; ALTER TABLE icp_rules DROP CONSTRAINT icp_rules_pkey;
			INSERT INTO lead_scores SELECT * FROM lead_scores; INSERT INTO tenant_users SELECT * FROM tenant_users; INSERT INTO icp_rules SELECT * FROM icp_rules;
			ALTER TABLE tenant_users ALTER tenant_id DROP NOT NULL, DROP CONSTRAINT tenant_users_tenant_id_fkey; INSERT INTO tenant_users VALUES (NULL, 'x'), (5, 'y')`,
		"unique_uen":       `UPDATE companies SET uen = NULL WHERE company_id > 1; ALTER TABLE companies ADD CONSTRAINT companies_unique_uen UNIQUE (uen); CREATE UNIQUE INDEX by_domain ON companies (website_domain)`,
		"unique_uen_index": `UPDATE companies SET uen = NULL WHERE company_id > 1; CREATE UNIQUE INDEX companies_uen_key ON companies (uen) WHERE uen IS NOT NULL`,
		"identity": `DROP MATERIALIZED VIEW icp_candidate_companies;
			ALTER TABLE tenants ALTER tenant_id DROP DEFAULT, ALTER tenant_id TYPE bigint; DROP SEQUENCE tenants_tenant_id_seq; ALTER TABLE tenants ALTER tenant_id ADD GENERATED ALWAYS AS IDENTITY (START 100);
			ALTER TABLE icp_rules ALTER rule_id DROP DEFAULT; DROP SEQUENCE icp_rules_rule_id_seq; ALTER TABLE icp_rules ALTER rule_id ADD GENERATED BY DEFAULT AS IDENTITY`,
		"bigserial": `DROP MATERIALIZED VIEW icp_candidate_companies; ALTER TABLE companies ALTER company_id TYPE bigint; ALTER SEQUENCE companies_company_id_seq AS bigint;
			DROP POLICY icp_rules_isolation ON icp_rules; ALTER TABLE icp_rules ALTER tenant_id TYPE bigint; ALTER SEQUENCE icp_rules_rule_id_seq RENAME TO rule_numbers`,
		"free_sequences": `CREATE SEQUENCE numbers START 500; ALTER TABLE icp_rules ALTER rule_id SET DEFAULT nextval('numbers'); DROP SEQUENCE icp_rules_rule_id_seq;
			ALTER SEQUENCE tenants_tenant_id_seq OWNED BY NONE; ALTER SEQUENCE companies_company_id_seq OWNED BY NONE; ALTER TABLE companies ALTER company_id DROP DEFAULT`,
		"other_types": `DROP MATERIALIZED VIEW icp_candidate_companies; DROP POLICY icp_rules_isolation ON icp_rules; ALTER TABLE icp_rules ALTER name TYPE varchar(80), ALTER payload TYPE json,
			DROP CONSTRAINT icp_rules_tenant_id_fkey, ALTER tenant_id TYPE varchar(10)`,
		"numbers_as_text": `DROP MATERIALIZED VIEW icp_candidate_companies; ALTER TABLE companies ALTER employees_est TYPE text, ALTER incorporation_year TYPE numeric, ALTER last_seen TYPE timestamp;
			UPDATE companies SET employees_est = ' ' WHERE company_id = 3; ALTER TABLE tenant_users ALTER roles TYPE varchar(20)[]; ALTER TABLE lead_scores ALTER score TYPE numeric`,
		"columns_that_must_be_filled": `ALTER TABLE tenants ADD COLUMN slug text; UPDATE tenants SET slug = 's' || tenant_id; ALTER TABLE tenants ALTER slug SET NOT NULL;
			ALTER TABLE lead_scores ALTER tenant_id SET DEFAULT 1, ADD COLUMN batch bigserial; ALTER TABLE odoo_connections ADD CHECK (auth_type = 'api_key')`,
		"cascades": `CREATE TABLE rule_hits (rule_id int REFERENCES icp_rules ON DELETE CASCADE, at timestamptz); INSERT INTO rule_hits SELECT rule_id FROM icp_rules;
			CREATE TABLE seats (tenant_id int, user_id text, FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_users ON DELETE SET NULL); INSERT INTO seats SELECT tenant_id, user_id FROM tenant_users;
			CREATE TABLE notes (s int REFERENCES onboarding_status ON DELETE CASCADE); INSERT INTO notes VALUES (99);
			ALTER TABLE seats RENAME tenant_id TO tenant`,
		"some_tables_only": `DROP TABLE lead_scores, lead_features, company_enrichment_runs, enrichment_runs, onboarding_status, odoo_connections, tenant_users CASCADE`,
		"no_rows":          `TRUNCATE tenants, companies, lead_scores, lead_features, onboarding_status, staging_acra_companies CASCADE; TRUNCATE enrichment_runs, icp_rules CASCADE`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := createPlatform(t, s, name, "platform", variant)
			admin := openConn(t, s.DSN(name))
			before := allRows(t, admin)
			_, err := schema.Up(t.Context(), dsn, released)
			require.NoError(t, err, fault.Hint(err))
			require.Empty(t, queryGate(t, admin))
			require.Empty(t, onlyIn(fresh, factSet(describeSchema(t, admin))), "missing after adoption")
			requireKept(t, admin, before)
			requireWritable(t, admin)
		})
	}
}

// requireWritable does as the two roles what leadctl does first: a new tenant, its lead, a company.
func requireWritable(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	mustExec(t, conn, `SET ROLE leadctl_system`)
	mustExec(t, conn, `INSERT INTO companies (uen, name) VALUES ('NEW', 'New'); INSERT INTO staging_acra_companies (uen, entity_name) VALUES ('NEW', 'New')`)
	id := queryOne[int](t, conn, `INSERT INTO tenants (name) VALUES ('New') RETURNING tenant_id`)
	require.Equal(t, id, queryOne[int](t, conn, `SELECT max(tenant_id) FROM tenants`), "the counter is behind the rows")
	mustExec(t, conn, `INSERT INTO tenant_users (tenant_id, user_id) VALUES ($1, 'new@example')`, id)
	mustExec(t, conn, `INSERT INTO odoo_connections (tenant_id, auth_type) VALUES ($1, 'service_account')`, id)
	mustExec(t, conn, `INSERT INTO onboarding_status (tenant_id, status) VALUES ($1, 'syncing')`, id)
	mustExec(t, conn, `SET ROLE leadctl_app`)
	mustExec(t, conn, `SELECT set_config('request.tenant_id', $1::int::text, false)`, id)
	mustExec(t, conn, `INSERT INTO lead_scores (tenant_id, company_id, score) SELECT $1, company_id, 1 FROM companies WHERE uen = 'NEW'`, id)
	mustExec(t, conn, `INSERT INTO lead_features (tenant_id, company_id) SELECT $1, company_id FROM companies WHERE uen = 'NEW'`, id)
	mustExec(t, conn, `INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES ($1, 1, 'Default', '{}')`, id)
	mustExec(t, conn, `INSERT INTO enrichment_runs (tenant_id, run_id) VALUES ($1, 1)`, id)
	require.Equal(t, 1, queryOne[int](t, conn, `SELECT count(*)::int FROM lead_scores`))
	mustExec(t, conn, `RESET ROLE; RESET request.tenant_id`)
}

// What adoption cannot do is said with what to do about it, and leaves the database as it was.
func TestAdoptionRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE; CREATE ROLE stranger; CREATE ROLE plain LOGIN`)
	for name, c := range map[string]struct{ variant, says, hint string }{
		"view_in_the_way": {`ALTER TABLE tenants ALTER name TYPE varchar(50); CREATE VIEW names AS SELECT name FROM tenants`,
			"migration 1_platform: tenants.name cannot become text: cannot alter type of a column used by a view or rule (rule _RETURN on view names depends on column \"name\"), SQLSTATE 0A000",
			"drop what uses the column"},
		"word_for_a_number": {`ALTER TABLE companies ALTER employees_est TYPE text; UPDATE companies SET employees_est = 'many'`,
			`companies.employees_est cannot become integer: invalid input syntax for type integer: "many"`, "correct the values of that column"},
		"view_as_table":      {`DROP TABLE lead_features; CREATE VIEW lead_features AS SELECT 1 AS company_id`, "public.lead_features is not a plain table", "rename it"},
		"foreign_owner":      {`ALTER TABLE lead_scores OWNER TO stranger`, "must be owner of table lead_scores", "a login that owns the database and its tables"},
		"tenant_zero":        {`INSERT INTO tenants VALUES (0, 'Zero')`, `"tenants_tenant_id_check" of relation "tenants" is violated`, "resolve the cause"},
		"name_is_taken":      {`CREATE TABLE audit_log (what text)`, `migration 2_leadctl: relation "audit_log" already exists`, "resolve the cause"},
		"no_right_to_schema": {`ALTER SCHEMA public OWNER TO stranger; REVOKE ALL ON SCHEMA public FROM PUBLIC`, ": permission denied for schema public", "a login that owns the database"},
		"jobs_of_others":     {`CREATE SCHEMA river; CREATE TABLE river.river_migration (x int)`, "job tables: schema river belongs to somebody else", "of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variant := c.variant
			admin := openConn(t, s.DSN("postgres"))
			dsn := createPlatform(t, s, name, "platform", ``)
			mustExec(t, openConn(t, s.DSN(name)), `DROP MATERIALIZED VIEW icp_candidate_companies`)
			mustExec(t, openConn(t, s.DSN(name)), variant) // as superuser, who may give things away
			_ = admin
			looking := openConn(t, s.DSN(name))
			before, rows := describeSchema(t, looking), allRows(t, looking)

			_, err := schema.Up(t.Context(), dsn, released)
			require.True(t, fault.Is(err, fault.Operator), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.Contains(t, fault.Hint(err), c.hint)
			require.NotContains(t, err.Error(), "CREATE", "the file itself does not belong into the message")

			st, err := schema.ReadStatus(t.Context(), looking, released.FS)
			require.NoError(t, err)
			require.False(t, st.Dirty)
			if st.Version == 0 {
				require.Empty(t, onlyIn(factSet(before), factSet(describeSchema(t, looking))), "taken from a database that was not migrated")
				after := allRows(t, looking)
				delete(after, "leadctl_schema_version")
				delete(after, "leadctl_migrations")
				require.Equal(t, rows, after)
			}
		})
	}
}
