package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tcpproxy"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

func TestCasesOfFailingPostgreSQL(t *testing.T) {
	t.Parallel()
	t.Run("D-030", func(t *testing.T) { t.Parallel(); tooManyConnections(t) })
	t.Run("D-032", func(t *testing.T) { t.Parallel(); lockedForLong(t) })
	t.Run("D-036", func(t *testing.T) { t.Parallel(); slowAndReset(t) })
	t.Run("D-037", func(t *testing.T) { t.Parallel(); sessionsEnded(t) })
}

// writeInParallel writes as two tenants from eight goroutines and returns the acknowledged notes. Every error must be
// an Unavailable fault.
func writeInParallel(t *testing.T, db *postgres.DB, writes int) (acknowledged map[string]bool) {
	t.Helper()
	acknowledged = map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	var wrong error
	for worker := range 8 {
		all.Go(func() {
			for i := range writes {
				id, note := tenantid.ID(1+worker%2), fmt.Sprintf("note %d of %d", i, worker)
				err := db.InTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
					_, err := tx.Exec(ctx, `INSERT INTO audit_log (tenant_id, actor, action) VALUES ($1, $2, 'test')`,
						id, note)
					return err
				})
				mu.Lock()
				if err == nil {
					acknowledged[note] = true
				} else if !fault.Is(err, fault.Unavailable) {
					wrong = errors.Join(wrong, err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.NoError(t, wrong)
	return acknowledged
}

// requireKept requires that each acknowledged write is stored once with its own tenant, no write is stored twice, and
// the pool has no connection in use.
func requireKept(t *testing.T, db *pgtest.DB, app *postgres.DB, acknowledged map[string]bool) {
	t.Helper()
	require.Zero(t, queryOne[int](t, db.Owner, `SELECT count(*) - count(DISTINCT actor) FROM audit_log
		WHERE action = 'test'`), "written twice")
	require.Zero(t, queryOne[int](t, db.Owner, `SELECT count(*) FROM audit_log WHERE action = 'test'
		AND tenant_id <> 1 + right(actor, 1)::int % 2`), "written to another tenant")
	for note := range acknowledged {
		require.Equal(t, 1, queryOne[int](t, db.Owner, `SELECT count(*) FROM audit_log WHERE actor = $1`, note), note)
	}
	// The pool removes broken connections in the background.
	require.Eventually(t, func() bool { return app.Stat().AcquiredConns() == 0 }, time.Minute, 20*time.Millisecond)
	require.LessOrEqual(t, app.Stat().TotalConns(), app.Stat().MaxConns())
	requireOwn(t, app, 1)
	requireOwn(t, app, 2)
}

// tooManyConnections: PostgreSQL allows this login two connections, and the pool tries to open ten.
func tooManyConnections(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	const name, password = "postgres_test_few", "few connections"
	_, err := db.Owner.Exec(t.Context(), `DROP ROLE IF EXISTS `+name)
	require.NoError(t, err)
	require.NoError(t, schema.CreateLogin(t.Context(), db.OwnerDSN, name, password))
	t.Cleanup(func() { _, _ = db.Owner.Exec(context.WithoutCancel(t.Context()), `DROP ROLE IF EXISTS `+name) })
	_, err = db.Owner.Exec(t.Context(), `ALTER ROLE `+name+` CONNECTION LIMIT 2`)
	require.NoError(t, err)
	dsn, err := url.Parse(db.LoginDSN)
	require.NoError(t, err)
	dsn.User = url.UserPassword(name, password)
	few := openDB(t, dsn.String(), postgres.Options{})
	acknowledged := writeInParallel(t, few, 10)
	require.NotEmpty(t, acknowledged, "transactions with a connection must succeed")
	require.Eventually(t, func() bool { return few.Stat().TotalConns() <= 2 }, time.Minute, 20*time.Millisecond)
	requireKept(t, db, few, acknowledged)
	few.Close()
}

// lockedForLong: a transaction that waits for a lock fails after lock_timeout, no waiting session is left, and other
// tables can be used.
func lockedForLong(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	// lock_timeout is a third of Timeout: 500 ms.
	app := openDB(t, db.LoginDSN, postgres.Options{Timeout: 1500 * time.Millisecond, MaxConns: 9})
	tx, err := db.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	require.Empty(t, writeInParallel(t, app, 2))
	requireOwn(t, app, 1)
	require.Zero(t, queryOne[int](t, db.Owner, `SELECT count(*) FROM pg_locks WHERE NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`), "still waiting")
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, inTenant(t.Context(), app, 1, `INSERT INTO audit_log (tenant_id, actor, action)
		VALUES (1, 'after', 'other')`))
	requireKept(t, db, app, nil)
}

// slowAndReset: a network that delays data and resets connections at any byte.
func slowAndReset(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	network, dsn, err := tcpproxy.StartPostgres(db.LoginDSN)
	require.NoError(t, err)
	t.Cleanup(network.Close)
	app := openDB(t, dsn, postgres.Options{})
	end := network.AddFault(tcpproxy.Fault{
		Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, CutOneIn: 100, BothWays: true})
	acknowledged := writeInParallel(t, app, 25)
	end()
	require.Positive(t, network.Cuts(), "the network cut no connection")
	require.NotEmpty(t, acknowledged)
	require.Eventually(t, func() bool { return app.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond)
	requireKept(t, db, app, acknowledged)
}

// sessionsEnded: an administrator ends sessions every 10 ms, and PostgreSQL ends a session that is idle in a
// transaction.
func sessionsEnded(t *testing.T) {
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	app := openDB(t, db.LoginDSN, postgres.Options{AppName: "sprayed"})
	stop, ended := make(chan struct{}), make(chan int, 1)
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	go func() {
		killed := 0
		defer func() { ended <- killed }()
		for {
			var n int
			if db.Owner.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid
				FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'sprayed'
					ORDER BY random() LIMIT 1) x`).Scan(&n) == nil {
				killed += n
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	acknowledged := writeInParallel(t, app, 100)
	end()
	require.Positive(t, <-ended)
	require.NotEmpty(t, acknowledged)

	err := app.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('idle_in_transaction_session_timeout', '50', true)`)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return queryOne[int](t, db.Owner, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
				AND application_name = 'sprayed' AND state = 'idle in transaction'`) == 0
		}, time.Minute, 20*time.Millisecond)
		_, err = tx.Exec(ctx, `SELECT 1`)
		return err
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Eventually(t, func() bool { return app.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond)
	requireKept(t, db, app, acknowledged)
}
