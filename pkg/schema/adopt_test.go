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

// dsnAs returns dsn with another login.
func dsnAs(dsn, login string) string { return strings.Replace(dsn, "//leadctl@", "//"+login+"@", 1) }

// createLogins creates logins of the platform's services, one per name. A migration ends its login's membership in
// leadctl's roles, which all databases of the server share.
func createLogins(t *testing.T, admin *pgx.Conn, names ...string) {
	t.Helper()
	for _, r := range []string{schema.OwnerRole, schema.AppRole, schema.SystemRole} {
		mustExec(t, admin, `CREATE ROLE `+r+` NOLOGIN NOINHERIT`)
	}
	for _, name := range names {
		mustExec(t, admin, `CREATE ROLE `+name+` LOGIN CREATEROLE`)
		if queryOne[int](t, admin, `SELECT current_setting('server_version_num')::int`) >= 160000 {
			mustExec(t, admin, `GRANT leadctl_owner, leadctl_app, leadctl_system TO `+name+`
				WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`)
		}
	}
}

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

// otherTypes replaces what may differ after adoption: wider numbers and a default of the services stay.
var otherTypes = strings.NewReplacer(" bigint", " integer",
	"companies last_seen timestamp with time zone DEFAULT now()", "companies last_seen timestamp with time zone")

// ownFacts returns the facts of a description that adoption must reach. Shared contacts stay the services' own.
func ownFacts(description string) map[string]bool {
	set := map[string]bool{}
	for fact := range factSet(description) {
		shared := strings.Contains(fact, "public.contacts") || strings.Contains(fact, "public.lead_emails")
		if !shared || strings.Contains(fact, "TO leadctl_app") {
			set[otherTypes.Replace(fact)] = true
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
	mapped := map[string][]string{"tenants": {"status"}, "onboarding_status": {"status"},
		"icp_rules": {"name", "payload"}, "lead_scores": {"score", "bucket"}}
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

// D-070: after adoption the platform's real database, made by its services' login or by a superuser, has the schema of
// a new one, no row is lost, and the daemon may serve.
func TestAdoption(t *testing.T) {
	t.Parallel()
	fresh := ownFacts(describeSchema(t, pgtest.New(t).Owner))
	for who, c := range map[string]struct{ owner, login string }{
		"by the services' login":               {"platform", "platform"},
		"by a superuser":                       {"platform", "leadctl"},
		"by the superuser who made the tables": {"leadctl", "leadctl"},
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE; CREATE ROLE report`)
			dsn := createPlatform(t, s, "platform", c.owner,
				`GRANT SELECT ON lead_scores TO report; GRANT ALL ON companies TO PUBLIC`)
			admin := openConn(t, s.DSN("platform"))
			require.Equal(t, 35, queryOne[int](t, admin, `SELECT count(*)::int FROM pg_class
				WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')`))
			before, old := allRows(t, admin), factSet(describeSchema(t, admin))

			res, err := schema.Up(t.Context(), dsnAs(s.DSN("platform"), c.login), released)
			require.NoError(t, err, fault.Hint(err))
			require.Equal(t, map[string]int64{"enrichment_runs": 1, "lead_features": 1, "lead_scores": 2,
				"staging_acra_companies": 1, "tenants": 1}, res.Unassigned)
			require.Equal(t, int64(1), res.PlaintextSecrets)
			requireNotes(t, res.Notes)
			printAccounts(t, admin, before)

			requireServable(t, s, dsnAs(s.DSN("platform"), c.login))
			requireKept(t, admin, before)
			requireMapped(t, admin)
			adopted := describeSchema(t, admin)
			require.Empty(t, onlyIn(fresh, ownFacts(adopted)), "missing after adoption")
			if c.owner == "platform" {
				maps.Copy(old, factSet(describeSchema(t, pgtest.New(t).Owner)))
				requireGolden(t, "testdata/adopted.txt", strings.Join(onlyIn(factSet(adopted), old), "\n")+"\n")
			}

			rows := allRows(t, admin)
			again, err := schema.Up(t.Context(), dsnAs(dsn, c.login), released)
			require.NoError(t, err)
			require.Equal(t, again.From, again.To)
			require.Equal(t, res.Unassigned, again.Unassigned)
			require.Empty(t, again.Notes)
			require.Equal(t, adopted, describeSchema(t, admin))
			require.Equal(t, rows, allRows(t, admin))
		})
	}
}

// requireServable requires what the daemon checks before it listens, with a login that leadctl makes for it.
func requireServable(t *testing.T, s *pgtemp.Server, dsn string) {
	t.Helper()
	require.NoError(t, schema.CreateLogin(t.Context(), dsn, "server", "a long password"))
	conn := openConn(t, dsnAs(s.DSN("platform"), "server"))
	require.NoError(t, readStatus(t, conn, released.FS).Problem())
	require.Empty(t, queryGate(t, conn))
	found, err := schema.GateLogin(t.Context(), conn)
	require.NoError(t, err)
	require.Empty(t, found)
}

// printAccounts prints for each table how many rows it had, has and has set aside. requireKept compares the rows.
func printAccounts(t *testing.T, q schema.Querier, before map[string][]string) {
	t.Helper()
	after := allRows(t, q)
	for _, table := range slices.Sorted(maps.Keys(before)) {
		t.Logf("%-26s before %d, after %d, set aside %d", table, len(before[table]), len(after[table]),
			len(after[table+"_unassigned"]))
	}
}

// requireNotes compares the notes of an adoption with testdata/notes.txt.
func requireNotes(t *testing.T, notes []string) {
	t.Helper()
	requireGolden(t, "testdata/notes.txt", strings.NewReplacer(
		"; platform refreshes", "; OWNER refreshes", "; leadctl refreshes", "; OWNER refreshes").
		Replace(strings.Join(notes, "\n")+"\n"))
}

// requireGolden compares text with a file. testdata/adopted.txt has what neither the platform's database nor a new one
// has: privileges, policies and the tables of rows set aside.
func requireGolden(t *testing.T, golden, text string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

func requireMapped(t *testing.T, q schema.Querier) {
	t.Helper()
	require.Equal(t, []string{"active", "suspended", "active", "suspended", "active"},
		queryList[string](t, q, `SELECT status FROM tenants ORDER BY tenant_id`))
	require.Equal(t, []string{"ready", "error", "provisioning", "provisioning", "syncing"},
		queryList[string](t, q, `SELECT status FROM onboarding_status ORDER BY tenant_id`))
	require.Equal(t, []string{"Default", "Unnamed (2)", "Unnamed", "Default", "Empty", "Twice", "Default",
		"No such tenant"},
		queryList[string](t, q, `SELECT name FROM icp_rules ORDER BY rule_id`))
	require.Equal(t, []string{`{"industries": ["software"]}`, `{}`}, queryList[string](t, q,
		`SELECT payload::text FROM icp_rules WHERE rule_id IN (3, 6) ORDER BY rule_id`), "payloads encoded twice")
	require.Equal(t, []string{"1 0.9 high", "2 0.85 high", "4  ", "5 0.4 low", "6 0.005 medium"},
		queryList[string](t, q,
			`SELECT concat_ws(' ', company_id, coalesce(score::text, ''), coalesce(bucket, '')) FROM lead_scores
		ORDER BY company_id`))
	require.Equal(t, []string{"201234567A", "53000000B", "", ""}, queryList[string](t, q, `SELECT coalesce(uen, '')
		FROM companies ORDER BY company_id`))
	require.Equal(t, []string{"1 1 1", "1 1 3", "2 1 2", "3 1 1", "3 1 3"}, queryList[string](t, q,
		`SELECT concat_ws(' ', rule_id, tenant_id, company_id) FROM icp_candidate_companies ORDER BY 1`))
	require.Equal(t, []string{`1 ["1110", "62011"]`, `2 ["62011"]`}, queryList[string](t, q,
		`SELECT concat_ws(' ', tenant_id, top_ssics) FROM icp_patterns ORDER BY 1`))
	require.Equal(t, []string{"bigint", "bigint", "integer"}, queryList[string](t, q,
		`SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname IN ('company_id', 'run_id')
		AND (attrelid, attname) IN (('companies'::regclass, 'company_id'), ('enrichment_runs'::regclass, 'run_id'),
			('lead_scores'::regclass, 'company_id')) ORDER BY 1`), "no type becomes narrower")
	require.Equal(t, []string{"Ada", "Bob"}, queryList[string](t, q,
		`SELECT name FROM company_contacts WHERE name <> '' ORDER BY 1`))
	require.Equal(t, []string{"none@nowhere.example", "sales@one.example"}, queryList[string](t, q,
		`SELECT email FROM company_emails ORDER BY 1`))
}
