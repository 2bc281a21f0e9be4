package schema_test

import (
	_ "embed"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

//go:embed testdata/platform.sql
var platformSQL string

// dsnAs returns dsn with another login.
func dsnAs(dsn, login string) string { return strings.Replace(dsn, "//leadctl@", "//"+login+"@", 1) }

// createPlatform creates a database that login owns, as the platform's other services make it, and then runs variant in
// it.
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

// factSet returns a description as a set of statements and columns, so that the order of columns does not matter.
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

// onlyIn returns the facts that have contains and want does not.
func onlyIn(have, want map[string]bool) []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for f := range have {
			if !want[f] && !yield(f, true) {
				return
			}
		}
	})))
}

// allRows returns the rows of all tables, by table, with values as text and without NULLs and blank values.
func allRows(t *testing.T, q schema.Querier) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	tables := queryList[string](t, q, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind = 'r' ORDER BY 1`)
	for _, table := range tables {
		rows[table] = queryList[string](t, q, `SELECT (SELECT coalesce(jsonb_object_agg(key, value), '{}')
			FROM jsonb_each_text(jsonb_strip_nulls(to_jsonb(t))) WHERE btrim(value) <> '')::text
			FROM public.`+table+` t`)
	}
	return rows
}

// requireKept requires that each row of before is in its table or among the rows set aside. It does not compare values
// that adoption replaces; requireMapped does.
func requireKept(t *testing.T, q schema.Querier, before map[string][]string) {
	t.Helper()
	mapped := map[string][]string{"tenants": {"status"}, "onboarding_status": {"status"}, "icp_rules": {"name"}}
	flat := `(SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(jsonb_strip_nulls(%s)))`
	for table, rows := range before {
		places := `SELECT ` + strings.ReplaceAll(flat, "%s", "to_jsonb(t)") + ` AS r FROM public.` + table + ` t`
		if queryOne[bool](t, q, `SELECT to_regclass('public.' || $1) IS NOT NULL`, table+"_unassigned") {
			places += ` UNION ALL SELECT ` + strings.ReplaceAll(flat, "%s",
				"row_data") + ` FROM public.` + table + `_unassigned`
		}
		for _, row := range rows {
			found := queryOne[bool](t, q, `SELECT EXISTS (SELECT 1 FROM (`+places+`) p
				WHERE r @> ($1::jsonb - $2::text[]))`, row, append([]string{}, mapped[table]...))
			require.True(t, found, "row of %s is lost: %s", table, row)
		}
	}
}

// TestAdoption: after adoption, by the owner or by a superuser, the platform's database has the schema of a new one,
// and no row is lost.
func TestAdoption(t *testing.T) {
	t.Parallel()
	fresh := factSet(describeSchema(t, pgtest.New(t).Owner))
	for who, login := range map[string]string{"owner with CREATEROLE": "platform", "superuser": "leadctl"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE; CREATE ROLE report`)
			dsn := createPlatform(t, s, "platform", "platform",
				`GRANT SELECT ON lead_scores TO report; GRANT ALL ON companies TO PUBLIC`)
			admin := openConn(t, s.DSN("platform"))
			before := allRows(t, admin)

			res, err := schema.Up(t.Context(), dsnAs(dsn, login), released)
			require.NoError(t, err, fault.Hint(err))
			require.Equal(t, uint(0), res.From)
			require.Equal(t, map[string]int64{"companies": 1, "enrichment_runs": 1, "icp_rules": 1, "lead_features": 1,
				"lead_scores":       2,
				"onboarding_status": 1, "staging_acra_companies": 2, "tenants": 1}, res.Unassigned)
			require.Equal(t, int64(1), res.PlaintextSecrets)
			require.Equal(t, []string{
				"constraint odoo_connections_tenant_id_fkey of odoo_connections is dropped: leadctl has keys of its " +
					"own; it was FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id)",
				"constraint onboarding_words of onboarding_status is dropped: leadctl has its own rules for status; " +
					"it was CHECK ((status = ANY (ARRAY['pending'::text, 'completed'::text, 'failed'::text, " +
					"'provisioning'::text])))",
				"constraint icp_rules_tenant_id_fkey of icp_rules is dropped: leadctl has keys of its own; it was " +
					"FOREIGN KEY (tenant_id) REFERENCES tenants(tenant_id)",
				"constraint icp_rules_pkey of icp_rules is dropped: leadctl has keys of its own; it was PRIMARY KEY " +
					"(rule_id)",
				"column confidence of companies may now be NULL: leadctl does not know it",
				"constraint lead_features_pkey of lead_features is dropped: leadctl has keys of its own; it was " +
					"PRIMARY KEY (company_id)",
				"constraint lead_scores_pkey of lead_scores is dropped: leadctl has keys of its own; it was PRIMARY " +
					"KEY (company_id)",
				"foreign key company_enrichment_runs_run_id_fkey of company_enrichment_runs is dropped: it rested " +
					"on enrichment_runs_pkey of enrichment_runs",
				"constraint enrichment_runs_pkey of enrichment_runs is dropped: leadctl has keys of its own; it was " +
					"PRIMARY KEY (run_id)",
				"constraint staging_acra_companies_pkey of staging_acra_companies is dropped: leadctl has keys of " +
					"its own; it was PRIMARY KEY (id)",
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

// requireLeftOver compares extra, which a new database does not have, with testdata/adopted.txt: the other services'
// columns, tables and privileges, and the tables of rows set aside.
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
	require.Equal(t, []string{"active", "suspended", "active", "suspended"},
		queryList[string](t, q, `SELECT status FROM tenants ORDER BY tenant_id`))
	require.Equal(t, []string{"ready", "error", "provisioning"},
		queryList[string](t, q, `SELECT status FROM onboarding_status ORDER BY tenant_id`))
	require.Equal(t, []string{"Default (1) (1)", "Default (2)", "Default", "Default (1)", "Default"},
		queryList[string](t, q, `SELECT name FROM icp_rules ORDER BY rule_id`))
	require.Equal(t, []string{"201234567A", "", "", ""}, queryList[string](t, q, `SELECT coalesce(uen, '')
		FROM companies ORDER BY company_id`))
}
