package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

func TestCases(t *testing.T) {
	t.Parallel()
	for id, test := range map[string]func(*testing.T){
		"B-011": privileges, "B-012": escalation, "B-014": withoutTenant, "B-015": emptyTenant,
		"B-016": strangeTenant, "B-017": smallPool, "B-018": nothingStaysBehind, "B-019": noThirdWay,
		"B-020": ignoredError, "B-021": savepoints, "B-022": resets, "B-024": panics, "B-025": killedBackend,
		"B-026": protocols, "B-027": readOnly, "B-028": transactionPooler, "B-029": sharedTransaction,
		"B-031": nestedDoors, "B-036": shadowing, "B-039": otherStatements, "B-042": sameKeys,
		"B-050": constraintErrors, "D-018": jobsInTransactions,
	} {
		t.Run(id, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

func privileges(t *testing.T) {
	db := pgtest.New(t)
	conn := asApp(t, db)
	for _, table := range tenantTables(t, db) {
		_, err := conn.Exec(t.Context(), `TRUNCATE `+table)
		requireState(t, err, "42501")
		for _, right := range []string{"TRUNCATE", "REFERENCES", "TRIGGER"} {
			for _, role := range []string{"leadctl_app", "leadctl_system"} {
				require.False(t, queryOne[bool](t, db.Owner, `SELECT has_table_privilege($1, $2, $3)`, role, table,
					right), "%s on %s to %s", right, table, role)
			}
		}
	}
	_, err := conn.Exec(t.Context(), `SELECT secret FROM odoo_connections`)
	requireState(t, err, "42501")
	_, err = conn.Exec(t.Context(), `CREATE TABLE public.mine (x integer)`)
	requireState(t, err, "42501")
}

func requireState(t *testing.T, err error, states ...string) {
	t.Helper()
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Contains(t, states, pg.Code, pg.Message)
}

// escalation runs SQL that an attacker could inject into a tenant's transaction. Each statement fails, and none returns
// another tenant's row.
func escalation(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for attempt, states := range map[string][]string{
		`ALTER TABLE lead_scores DISABLE ROW LEVEL SECURITY`:                            {"42501"},
		`ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`:                           {"42501"},
		`DROP POLICY tenant_isolation ON lead_scores`:                                   {"42501"},
		`CREATE POLICY mine ON lead_scores USING (true)`:                                {"42501"},
		`SET LOCAL ROLE leadctl_owner`:                                                  {"42501"},
		`SET LOCAL SESSION AUTHORIZATION leadctl_owner`:                                 {"42501"},
		`ALTER ROLE leadctl_app BYPASSRLS`:                                              {"42501"},
		`GRANT leadctl_owner TO leadctl_app`:                                            {"42501"},
		`CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1`: {"42501"},
		`CREATE OR REPLACE FUNCTION public.request_tenant() RETURNS integer
			LANGUAGE sql STABLE RETURN 2`: {"42501"},
		`COPY lead_scores TO PROGRAM 'id'`:                              {"42501"},
		`COPY lead_scores TO '/tmp/leak'`:                               {"42501"},
		`SELECT pg_read_file('/etc/passwd')`:                            {"42501"},
		`SELECT lo_import('/etc/passwd')`:                               {"42501"},
		`SELECT * FROM dblink('', 'SELECT 1') AS t (x int)`:             {"42883"},
		`CREATE EXTENSION dblink`:                                       {"42501"},
		`SET LOCAL row_security = off; SELECT * FROM lead_scores`:       {"42501"},
		`SET LOCAL session_replication_role = replica`:                  {"42501"},
		`CREATE RULE r AS ON SELECT TO lead_scores DO INSTEAD SELECT 1`: {"42501", "42P17"},
		`CREATE TRIGGER t BEFORE UPDATE ON lead_scores
			EXECUTE FUNCTION suppress_redundant_updates_trigger()`: {"42501"},
		`TRUNCATE lead_scores`:                                          {"42501"},
		`UPDATE companies SET name = 'x'`:                               {"42501"},
		`UPDATE tenants SET status = 'active'`:                          {"42501"},
		`SELECT * FROM river.river_job`:                                 {"42501"},
		`SELECT secret FROM odoo_connections`:                           {"42501"},
		`INSERT INTO lead_scores (tenant_id, company_id) VALUES (2, 9)`: {"42501"},
		`UPDATE lead_scores SET tenant_id = 2`:                          {"42501"},
	} {
		err := db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			rows, err := tx.Query(ctx, attempt, pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return err
			}
			found, err := pgx.CollectRows(rows, pgx.RowToMap)
			require.NotContains(t, fmt.Sprint(found), canaryOf(2), attempt)
			return err
		})
		require.Error(t, err, attempt)
		requireState(t, err, states...)
		require.NotContains(t, fault.Text(err), "lead_scores", "the database's message is not shown to the caller")
	}
	// For this statement PostgreSQL only prints a warning.
	require.NoError(t, inTenant(t.Context(), db.App, 1, `GRANT SELECT ON lead_scores TO leadctl_system`))
	found, err := schema.Gate(t.Context(), db.Owner)
	require.NoError(t, err)
	require.Empty(t, found)
	requireOwn(t, db.App, 1)
	requireOwn(t, db.App, 2)
}

// withoutTenant: if no tenant is set, the tenant tables show no row and accept none.
func withoutTenant(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	requireNoRows(t, db, asApp(t, db))
}

func requireNoRows(t *testing.T, db *pgtest.DB, conn *pgx.Conn) {
	t.Helper()
	for _, table := range tenantTables(t, db) {
		_, err := conn.Exec(t.Context(), fixtures[table], 1, "x")
		requireState(t, err, "42501")
	}
	for _, table := range readableTables(t, db) {
		require.Equal(t, 0, queryOne[int](t, conn, `SELECT count(tenant_id)::int FROM `+table), table)
		for _, change := range []string{`UPDATE ` + table + ` SET tenant_id = tenant_id`, `DELETE FROM ` + table} {
			tag, err := conn.Exec(t.Context(), change)
			if err != nil {
				requireState(t, err, "42501")
				continue
			}
			require.Zero(t, tag.RowsAffected(), change)
		}
		require.Equal(t, 2, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM `+table), table)
	}
}

// emptyTenant: the setting is an empty string after a transaction-local value has ended.
func emptyTenant(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	conn := asApp(t, db)
	_, err := conn.Exec(t.Context(), `SET request.tenant_id = ''`)
	require.NoError(t, err)
	requireNoRows(t, db, conn)
}

// door is the type of InTenant and ReadTenant.
type door func(context.Context, tenantid.ID, func(context.Context, postgres.TenantTx) error) error

// strangeTenant: a value that is not a number makes the statement fail, and the doors reject an id that is not
// positive.
func strangeTenant(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	conn := asApp(t, db)
	for _, value := range []string{"abc", "1;2", "１", "99999999999", "1.5", "1 OR true", "NaN", "0x1g"} {
		_, err := conn.Exec(t.Context(), `SELECT set_config('request.tenant_id', $1, false)`, value)
		require.NoError(t, err)
		for _, table := range readableTables(t, db) {
			_, err := conn.Exec(t.Context(), `SELECT tenant_id FROM `+table)
			requireState(t, err, "22P02", "22003")
		}
	}
	for _, id := range []tenantid.ID{0, -1} {
		for _, open := range []door{db.App.InTenant, db.App.ReadTenant} {
			err := open(t.Context(), id, func(context.Context, postgres.TenantTx) error {
				t.Error("the transaction began")
				return nil
			})
			require.True(t, fault.Is(err, fault.Internal), "%v", err)
		}
	}
}

// nothingStaysBehind: what a transaction sets for its session, the next transaction does not see. The repository's code
// sets no tenant for a session.
func nothingStaysBehind(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1})
	for _, leak := range []string{`SET request.tenant_id = '2'`, `SELECT set_config('request.tenant_id', '2', false)`,
		`SET search_path = pg_temp`, `SET ROLE leadctl_system`} {
		_ = inTenant(t.Context(), app, 1, leak)
		require.NoError(t, app.InSystem(t.Context(), "look", func(ctx context.Context, tx postgres.SystemTx) error {
			require.Equal(t, "", queryOne[string](t, tx, `SELECT current_setting('request.tenant_id', true)`), leak)
			require.Equal(t, "leadctl_system", queryOne[string](t, tx, `SELECT current_user::text`), leak)
			return nil
		}))
		requireOwn(t, app, 1)
		require.NoError(t, app.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			require.Equal(t, "leadctl_app", queryOne[string](t, tx, `SELECT current_user::text`), leak)
			require.Equal(t, "public, pg_temp", queryOne[string](t, tx, `SELECT current_setting('search_path')`), leak)
			return nil
		}))
	}
	require.Equal(t, int32(1), app.Stat().TotalConns(), "all transactions used one connection")

	session := regexp.MustCompile(`(?i)set_config\([^)]*,\s*false\s*\)|\bSET\s+(SESSION\s+)?request\.`)
	for _, root := range []string{"../../pkg", "../../cmd", "../../migrations"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{".go", ".sql"},
				filepath.Ext(path)) {
				return err
			}
			text, err := os.ReadFile(path)
			require.NotRegexp(t, session, string(text), "%s: a tenant must be set for a transaction only", path)
			return err
		}))
	}
}

// noThirdWay: the exported methods allow access to the database through the doors only. JobsPool is the one exception,
// for package jobs.
func noThirdWay(t *testing.T) {
	methods := func(v any) (names []string) {
		for m := range reflect.TypeOf(v).Methods() {
			names = append(names, m.Name)
		}
		return names
	}
	require.Equal(t, []string{"Close", "InSystem", "InTenant", "JobsPool", "Lock", "Ping", "ReadCatalog", "ReadTenant",
		"Stat"}, methods(&postgres.DB{}))
	require.Equal(t, []string{"Exec", "Query", "QueryRow", "SendBatch", "Tenant"}, methods(postgres.TenantTx{}))
	require.Equal(t, []string{"AsTenant", "CopyFrom", "Exec", "Query", "QueryRow", "SendBatch", "Tx"},
		methods(postgres.SystemTx{}))
}
