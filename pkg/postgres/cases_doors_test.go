package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// ignoredError: if fn ignores an error of a statement, the transaction is rolled back and the door returns a fault.
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

// savepoints: a tenant that was set after a savepoint ends with the rollback to it. The door's tenant remains.
func savepoints(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	require.NoError(t, db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		for _, sql := range []string{`SAVEPOINT s`, `SELECT set_config('request.tenant_id', '2', true)`,
			`ROLLBACK TO SAVEPOINT s`} {
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
	for _, sql := range []string{`RESET ALL`, `RESET request.tenant_id`, `SET SESSION AUTHORIZATION DEFAULT`,
		`RESET ROLE`, `SET LOCAL ROLE NONE`, `DISCARD ALL`, `DISCARD TEMP`, `DEALLOCATE ALL`} {
		_ = app.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := tx.Exec(ctx, sql)
			if err != nil {
				requireState(t, err, "25001", "42501")
				return err
			}
			found, _ := readCanaries(ctx, tx) // an error is as safe as no row
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

// killedBackend: if the session ends during the transaction, its statements fail. None runs on another connection.
func killedBackend(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	for _, open := range []door{db.App.InTenant, db.App.ReadTenant} {
		calls := 0
		err := open(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
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

// protocols: row security applies in every mode in which pgx can send a statement, also in turns on one connection.
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
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec,
		pgx.QueryExecModeDescribeExec} {
		require.NoError(t, db.App.InTenant(t.Context(), 2, func(ctx context.Context, tx postgres.TenantTx) error {
			require.Equal(t, canaryOf(2), queryOne[string](t, tx, `SELECT rationale FROM lead_scores
				WHERE company_id = $1`, mode, 1))
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
		// One snapshot: a later commit of another transaction is not visible.
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

// sharedTransaction: two goroutines that share a transaction share its connection. The second gets the error "conn
// busy" and no other connection.
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

// nestedDoors: a door inside a door is rejected, for all doors and tenants.
func nestedDoors(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1}) // waiting for a second connection would never end
	opened := errors.New("the inner transaction began")
	inner := map[string]func(context.Context) error{
		"InTenant": func(ctx context.Context) error {
			return app.InTenant(ctx, 2, func(context.Context, postgres.TenantTx) error { return opened })
		},
		"ReadTenant": func(ctx context.Context) error {
			return app.ReadTenant(ctx, 1, func(context.Context, postgres.TenantTx) error { return opened })
		},
		"InSystem": func(ctx context.Context) error {
			return app.InSystem(ctx, "look", func(context.Context, postgres.SystemTx) error { return opened })
		},
	}
	for name, open := range inner {
		asTenant := func(ctx context.Context, _ postgres.TenantTx) error { return open(ctx) }
		asSystem := func(ctx context.Context, _ postgres.SystemTx) error { return open(ctx) }
		for outer, err := range map[string]error{
			"InTenant":   app.InTenant(t.Context(), 1, asTenant),
			"ReadTenant": app.ReadTenant(t.Context(), 1, asTenant),
			"InSystem":   app.InSystem(t.Context(), "look", asSystem),
		} {
			require.True(t, fault.Is(err, fault.Internal), "%s in %s: %v", name, outer, err)
			require.ErrorContains(t, err, "transaction inside a transaction")
		}
	}
	requireOwn(t, app, 1)
}
