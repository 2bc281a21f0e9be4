package postgres_test

import (
	"context"
	"errors"
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
		"B-011": privileges, "B-012": escalation, "B-014": withoutTenant, "B-015": emptyTenant, "B-016": strangeTenant, "B-017": smallPool,
		"B-018": nothingStaysBehind, "B-019": noThirdWay, "B-020": ignoredError, "B-021": savepoints, "B-022": resets, "B-024": panics,
		"B-025": killedBackend, "B-026": protocols, "B-027": readOnly, "B-028": transactionPooler, "B-029": sharedTransaction, "B-031": nestedDoors,
		"B-036": shadowing, "B-039": otherStatements, "B-042": sameKeys, "B-050": constraintErrors, "D-018": jobsInTransactions,
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
				require.False(t, queryOne[bool](t, db.Owner, `SELECT has_table_privilege($1, $2, $3)`, role, table, right), "%s on %s to %s", right, table, role)
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

// What somebody tries who can make a tenant's transaction run their SQL. Each fails, and none shows a foreign row.
func escalation(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for attempt, states := range map[string][]string{
		`ALTER TABLE lead_scores DISABLE ROW LEVEL SECURITY`:                                                  {"42501"},
		`ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`:                                                 {"42501"},
		`DROP POLICY tenant_isolation ON lead_scores`:                                                         {"42501"},
		`CREATE POLICY mine ON lead_scores USING (true)`:                                                      {"42501"},
		`SET LOCAL ROLE leadctl_owner`:                                                                        {"42501"},
		`SET LOCAL SESSION AUTHORIZATION leadctl_owner`:                                                       {"42501"},
		`ALTER ROLE leadctl_app BYPASSRLS`:                                                                    {"42501"},
		`GRANT leadctl_owner TO leadctl_app`:                                                                  {"42501"},
		`CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1`:                       {"42501"},
		`CREATE OR REPLACE FUNCTION public.request_tenant() RETURNS integer LANGUAGE sql STABLE RETURN 2`:     {"42501"},
		`COPY lead_scores TO PROGRAM 'id'`:                                                                    {"42501"},
		`COPY lead_scores TO '/tmp/leak'`:                                                                     {"42501"},
		`SELECT pg_read_file('/etc/passwd')`:                                                                  {"42501"},
		`SELECT lo_import('/etc/passwd')`:                                                                     {"42501"},
		`SELECT * FROM dblink('', 'SELECT 1') AS t (x int)`:                                                   {"42883"},
		`CREATE EXTENSION dblink`:                                                                             {"42501"},
		`SET LOCAL row_security = off; SELECT * FROM lead_scores`:                                             {"42501"},
		`SET LOCAL session_replication_role = replica`:                                                        {"42501"},
		`CREATE RULE r AS ON SELECT TO lead_scores DO INSTEAD SELECT 1`:                                       {"42501", "42P17"},
		`CREATE TRIGGER t BEFORE UPDATE ON lead_scores EXECUTE FUNCTION suppress_redundant_updates_trigger()`: {"42501"},
		`TRUNCATE lead_scores`:                                                                                {"42501"},
		`UPDATE companies SET name = 'x'`:                                                                     {"42501"},
		`UPDATE tenants SET status = 'active'`:                                                                {"42501"},
		`SELECT * FROM river.river_job`:                                                                       {"42501"},
		`SELECT secret FROM odoo_connections`:                                                                 {"42501"},
		`INSERT INTO lead_scores (tenant_id, company_id) VALUES (2, 9)`:                                       {"42501"},
		`UPDATE lead_scores SET tenant_id = 2`:                                                                {"42501"},
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
		require.NotContains(t, fault.Text(err), "lead_scores", "nothing of the database's own words reaches a caller")
	}
	// PostgreSQL only warns of this one.
	require.NoError(t, inTenant(t.Context(), db.App, 1, `GRANT SELECT ON lead_scores TO leadctl_system`))
	found, err := schema.Gate(t.Context(), db.Owner)
	require.NoError(t, err)
	require.Empty(t, found)
	requireOwn(t, db.App, 1)
	requireOwn(t, db.App, 2)
}

// Without a tenant, no row of any tenant table is there, and none can be made.
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

// ” is what PostgreSQL leaves behind when a transaction-local setting ends.
func emptyTenant(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	conn := asApp(t, db)
	_, err := conn.Exec(t.Context(), `SET request.tenant_id = ''`)
	require.NoError(t, err)
	requireNoRows(t, db, conn)
}

// What is no number ends the statement. What PostgreSQL reads as a number, although no door would ever send it, is still
// the one tenant it reads.
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
		for _, door := range []func(context.Context, tenantid.ID, func(context.Context, postgres.TenantTx) error) error{db.App.InTenant, db.App.ReadTenant} {
			err := door(t.Context(), id, func(context.Context, postgres.TenantTx) error { t.Error("door is open"); return nil })
			require.True(t, fault.Is(err, fault.Internal), "%v", err)
		}
	}
}

// Whatever a transaction sets for its session, the next one does not see it; and nothing in this repository sets it so.
func nothingStaysBehind(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1})
	for _, leak := range []string{`SET request.tenant_id = '2'`, `SELECT set_config('request.tenant_id', '2', false)`, `SET search_path = pg_temp`, `SET ROLE leadctl_system`} {
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
	require.Equal(t, int32(1), app.Stat().TotalConns(), "all of it on one connection")

	session := regexp.MustCompile(`(?i)set_config\([^)]*,\s*false\s*\)|\bSET\s+(SESSION\s+)?request\.`)
	for _, root := range []string{"../../pkg", "../../cmd", "../../migrations"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{".go", ".sql"}, filepath.Ext(path)) {
				return err
			}
			text, err := os.ReadFile(path)
			require.NotRegexp(t, session, string(text), "%s: a tenant is set for a transaction only", path)
			return err
		}))
	}
}

// The types leave no way to the database but the doors. JobsPool is the one exception, for package jobs.
func noThirdWay(t *testing.T) {
	methods := func(v any) (names []string) {
		for m := range reflect.TypeOf(v).Methods() {
			names = append(names, m.Name)
		}
		return names
	}
	require.Equal(t, []string{"Close", "InSystem", "InTenant", "JobsPool", "Lock", "Ping", "ReadCatalog", "ReadTenant", "Stat"}, methods(&postgres.DB{}))
	require.Equal(t, []string{"Exec", "Query", "QueryRow", "SendBatch", "Tenant"}, methods(postgres.TenantTx{}))
	require.Equal(t, []string{"AsTenant", "CopyFrom", "Exec", "Query", "QueryRow", "SendBatch", "Tx"}, methods(postgres.SystemTx{}))
}

// An error that fn ignores still ends the transaction, and the caller is told.
func ignoredError(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1)
	err := db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `UPDATE lead_scores SET rationale = 'changed'`)
		require.NoError(t, err)
		_, err = tx.Exec(ctx, `SELECT 1 / 0`)
		require.Error(t, err)
		return nil
	})
	require.True(t, fault.Is(err, fault.Internal), "%v", err)
	require.ErrorIs(t, err, pgx.ErrTxCommitRollback)
	requireOwn(t, db.App, 1)
}

// A tenant set inside a savepoint goes with it; what was set at the door stays.
func savepoints(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	require.NoError(t, db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		for _, sql := range []string{`SAVEPOINT s`, `SELECT set_config('request.tenant_id', '2', true)`, `ROLLBACK TO SAVEPOINT s`} {
			_, err := tx.Exec(ctx, sql)
			require.NoError(t, err)
		}
		found, err := readCanaries(ctx, tx)
		require.Equal(t, []string{canaryOf(1)}, found)
		return err
	}))
}

func resets(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1})
	for _, sql := range []string{`RESET ALL`, `RESET request.tenant_id`, `SET SESSION AUTHORIZATION DEFAULT`, `RESET ROLE`, `SET LOCAL ROLE NONE`, `DISCARD ALL`, `DISCARD TEMP`, `DEALLOCATE ALL`} {
		_ = app.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := tx.Exec(ctx, sql)
			if err != nil {
				requireState(t, err, "25001", "42501")
				return err
			}
			found, _ := readCanaries(ctx, tx) // an error is as good as no row
			if !strings.HasPrefix(sql, "D") {
				require.Empty(t, found, sql)
			}
			require.NotContains(t, found, canaryOf(2), sql)
			return nil
		})
		requireOwn(t, app, 1)
		requireOwn(t, app, 2)
	}
}

func panics(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1})
	require.PanicsWithValue(t, "boom", func() {
		_ = app.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := tx.Exec(ctx, `UPDATE lead_scores SET rationale = 'changed'`)
			require.NoError(t, err)
			panic("boom")
		})
	})
	require.Zero(t, app.Stat().AcquiredConns())
	requireOwn(t, app, 1)
	requireOwn(t, app, 2)
}

// The session ends in the middle: an error, never a statement on another connection without the tenant.
func killedBackend(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for _, door := range []func(context.Context, tenantid.ID, func(context.Context, postgres.TenantTx) error) error{db.App.InTenant, db.App.ReadTenant} {
		calls := 0
		err := door(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			calls++
			pid := queryOne[int](t, tx, `SELECT pg_backend_pid()`)
			require.True(t, queryOne[bool](t, db.Owner, `SELECT pg_terminate_backend($1, 60000)`, pid))
			found, err := readCanaries(ctx, tx)
			require.Empty(t, found)
			require.Error(t, err)
			_, again := readCanaries(ctx, tx)
			require.Error(t, again)
			return err
		})
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		require.Equal(t, 1, calls)
		requireOwn(t, db.App, 1)
	}
}

// Every way in which pgx can send a statement is scoped alike, one after the other on one connection.
func protocols(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		app := openDB(t, withParam(db.LoginDSN, "default_query_exec_mode", mode), postgres.Options{MaxConns: 1})
		for range 3 {
			requireOwn(t, app, 1)
			requireOwn(t, app, 2)
			requireBatch(t, app, 1)
			requireBatch(t, app, 2)
		}
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec} {
		require.NoError(t, db.App.InTenant(t.Context(), 2, func(ctx context.Context, tx postgres.TenantTx) error {
			require.Equal(t, canaryOf(2), queryOne[string](t, tx, `SELECT rationale FROM lead_scores WHERE company_id = $1`, mode, 1))
			return nil
		}))
	}
}

func requireBatch(t *testing.T, db *postgres.DB, id tenantid.ID) {
	t.Helper()
	require.NoError(t, db.InTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
		b := &pgx.Batch{}
		for range 3 {
			b.Queue(`SELECT rationale FROM lead_scores`).Query(func(rows pgx.Rows) error {
				found, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.Equal(t, []string{canaryOf(id)}, found)
				return err
			})
		}
		return tx.SendBatch(ctx, b).Close()
	}))
}

func readOnly(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	err := db.App.ReadTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		require.Equal(t, tenantid.ID(1), tx.Tenant())
		found, err := readCanaries(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, []string{canaryOf(1)}, found)
		// One snapshot: what others commit meanwhile does not show.
		_, err = db.Owner.Exec(ctx, `UPDATE lead_scores SET rationale = 'later' WHERE tenant_id = 1`)
		require.NoError(t, err)
		found, err = readCanaries(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, []string{canaryOf(1)}, found)
		_, err = tx.Exec(ctx, `UPDATE lead_scores SET rationale = 'x'`)
		return err
	})
	requireState(t, err, "25006")
}

// Two goroutines of one request have one connection: the second is told that it is busy, and gets no connection of its own.
func sharedTransaction(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1)
	_ = db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		rows, err := tx.Query(ctx, `SELECT generate_series(1, 100000)`)
		require.NoError(t, err)
		require.True(t, rows.Next())
		refused := make(chan error)
		go func() {
			_, err := tx.Exec(ctx, `SELECT 1`)
			refused <- err
		}()
		require.ErrorContains(t, <-refused, "conn busy")
		require.EqualValues(t, 1, db.App.Stat().AcquiredConns())
		rows.Close()
		return nil
	})
}

// A door inside a door is refused, whichever they are and whosever they are.
func nestedDoors(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1}) // a second connection would be waited for, for ever
	closed := errors.New("the inner door opened")
	inner := map[string]func(context.Context) error{
		"InTenant": func(ctx context.Context) error {
			return app.InTenant(ctx, 2, func(context.Context, postgres.TenantTx) error { return closed })
		},
		"ReadTenant": func(ctx context.Context) error {
			return app.ReadTenant(ctx, 1, func(context.Context, postgres.TenantTx) error { return closed })
		},
		"InSystem": func(ctx context.Context) error {
			return app.InSystem(ctx, "look", func(context.Context, postgres.SystemTx) error { return closed })
		},
	}
	for name, open := range inner {
		for outer, err := range map[string]error{
			"InTenant":   app.InTenant(t.Context(), 1, func(ctx context.Context, _ postgres.TenantTx) error { return open(ctx) }),
			"ReadTenant": app.ReadTenant(t.Context(), 1, func(ctx context.Context, _ postgres.TenantTx) error { return open(ctx) }),
			"InSystem":   app.InSystem(t.Context(), "look", func(ctx context.Context, _ postgres.SystemTx) error { return open(ctx) }),
		} {
			require.True(t, fault.Is(err, fault.Internal), "%s in %s: %v", name, outer, err)
			require.ErrorContains(t, err, "transaction inside a transaction")
		}
	}
	requireOwn(t, app, 1)
}

// A temporary table or function of the same name does not come between a statement and its table.
func shadowing(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	require.NoError(t, db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		for _, sql := range []string{
			`CREATE TEMPORARY TABLE lead_scores (tenant_id integer, company_id integer, score float, rationale text)`,
			`INSERT INTO pg_temp.lead_scores VALUES (1, 1, 1, 'shadow')`,
			`CREATE FUNCTION pg_temp.request_tenant() RETURNS integer LANGUAGE sql STABLE RETURN 2`,
		} {
			_, err := tx.Exec(ctx, sql)
			require.NoError(t, err)
		}
		found, err := readCanaries(ctx, tx)
		require.Equal(t, []string{canaryOf(1)}, found)
		return err
	}))
}

// COPY, cursors, EXPLAIN ANALYZE, RETURNING, writes in a CTE, locks, MERGE and table samples are bound like a SELECT.
func otherStatements(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for _, sql := range []string{
		`UPDATE lead_scores SET score = 0.1 RETURNING rationale`,
		`WITH w AS (UPDATE lead_scores SET score = 0.2 RETURNING rationale) SELECT rationale FROM w`,
		`SELECT rationale FROM lead_scores FOR UPDATE`,
		`SELECT rationale FROM lead_scores TABLESAMPLE SYSTEM (100)`,
		`SELECT rationale FROM (TABLE lead_scores) t`,
		`SELECT s.rationale FROM lead_scores s JOIN tenants USING (tenant_id)`,
		`MERGE INTO lead_scores l USING (VALUES (1), (2)) v (id) ON l.tenant_id = v.id WHEN MATCHED THEN UPDATE SET score = 0.3`,
		`DECLARE c CURSOR FOR SELECT rationale FROM lead_scores; FETCH ALL FROM c`,
		`DELETE FROM lead_scores RETURNING rationale`,
	} {
		require.NoError(t, db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			rows, err := tx.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err, sql)
			require.NotContains(t, found, canaryOf(2), sql)
			return nil
		}))
	}
	requireOwn(t, db.App, 2)
	require.Equal(t, 0.5, queryOne[float64](t, db.Owner, `SELECT score FROM lead_scores WHERE tenant_id = 2`))
	conn := asApp(t, db)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT set_config('request.tenant_id', '2', true)`)
	require.NoError(t, err)
	var out strings.Builder
	_, err = conn.PgConn().CopyTo(t.Context(), &out, `COPY lead_scores (rationale) TO STDOUT`)
	require.NoError(t, err)
	require.Equal(t, canaryOf(2)+"\n", out.String())
	rows, err := tx.Query(t.Context(), `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM icp_rules`)
	require.NoError(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, strings.Join(plan, "\n"), "tenant_id")
}

// The same name, number, company and e-mail in two tenants: neither hears of the other.
func sameKeys(t *testing.T) {
	db := pgtest.New(t)
	for _, id := range []int{1, 2} {
		_, err := db.Owner.Exec(t.Context(), `INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Same')`, id)
		require.NoError(t, err)
		_, err = db.Owner.Exec(t.Context(), `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject) VALUES ($1, 'same@example', 'iss', 'sub')`, id)
		require.NoError(t, err)
		require.NoError(t, inTenant(t.Context(), db.App, tenantid.ID(id),
			fmt.Sprintf(`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (%d, 1, 'Same', '{}')`, id),
			fmt.Sprintf(`INSERT INTO lead_scores (tenant_id, company_id) VALUES (%d, 1)`, id),
			fmt.Sprintf(`INSERT INTO lead_features (tenant_id, company_id) VALUES (%d, 1)`, id),
			fmt.Sprintf(`INSERT INTO enrichment_runs (tenant_id, run_id) VALUES (%d, 1)`, id)))
	}
}

// A constraint's error says to a caller that there was a conflict, and no name, table or value.
func constraintErrors(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for sql, kind := range map[string]fault.Kind{
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 1, 'x', '{}')`:                fault.Conflict,
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 7, 'CNR-1-end', '{}')`:        fault.Conflict,
		`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (2, 1, 'CNR-2-end', '{}')`:        fault.Internal, // row security, before any key
		`INSERT INTO lead_scores (tenant_id, company_id) VALUES (1, NULL)`:                                  fault.Internal,
		`UPDATE lead_scores SET company_id = 'x'`:                                                           fault.Internal,
		`INSERT INTO lead_scores (tenant_id, company_id) VALUES (1, 1) ON CONFLICT (company_id) DO NOTHING`: fault.Internal,
	} {
		err := inTenant(t.Context(), db.App, 1, sql)
		require.True(t, fault.Is(err, kind), "%s: %v", sql, err)
		for _, word := range []string{"icp_rules", "lead_scores", "pkey", "CNR", "constraint", "violates"} {
			require.NotContains(t, fault.Text(err), word)
		}
	}
}
