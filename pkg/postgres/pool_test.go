package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

var errOnPurpose = errors.New("on purpose")

// runRequest runs one of six kinds of transaction for a tenant that has rows. It returns an error for another tenant's
// row or a missing row.
func runRequest(ctx context.Context, db *postgres.DB, id tenantid.ID, kind int) error {
	look := func(ctx context.Context, tx postgres.TenantTx) error {
		found, err := readCanaries(ctx, tx)
		if err == nil && (len(found) != 1 || found[0] != canaryOf(id)) {
			return fmt.Errorf("tenant %d sees %q, want its own row", id, found)
		}
		return err
	}
	switch kind {
	case 0:
		return db.InTenant(ctx, id, look)
	case 1:
		return db.ReadTenant(ctx, id, look)
	case 2:
		return db.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
			tag, err := tx.Exec(ctx, `UPDATE lead_scores SET score = $1`, rand.Float64())
			if err == nil && tag.RowsAffected() != 1 {
				return fmt.Errorf("tenant %d changed %d rows, want 1", id, tag.RowsAffected())
			}
			return err
		})
	case 3:
		err := db.InTenant(ctx, id, func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := tx.Exec(ctx, `DELETE FROM lead_scores`)
			return errors.Join(err, errOnPurpose)
		})
		if !errors.Is(err, errOnPurpose) {
			return fmt.Errorf("tenant %d: %w", id, err)
		}
		return nil
	case 4:
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
		defer cancel()
		if err := db.InTenant(short, id, look); err != nil && short.Err() == nil {
			return err
		}
		return nil
	}
	return db.InSystem(ctx, "test", func(ctx context.Context, tx postgres.SystemTx) error {
		var n int
		err := tx.QueryRow(ctx, `SELECT count(*)::int FROM tenants`).Scan(&n)
		if err == nil && n < 100 {
			return fmt.Errorf("the control plane sees %d tenants, want 100 or more", n)
		}
		return err
	})
}

// smallPool: fifty goroutines work for a hundred tenants with two connections. Each transaction sees its own tenant's
// row only.
func smallPool(t *testing.T) {
	const tenants, goroutines = 100, 50
	db := pgtest.New(t)
	var ids []tenantid.ID
	for id := range tenantid.ID(tenants) {
		ids = append(ids, id+1)
	}
	seedTenants(t, db, ids...)
	app := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 2})
	var group errgroup.Group
	var done atomic.Int64
	for range goroutines {
		group.Go(func() error {
			for n := done.Add(1); n <= requests; n = done.Add(1) {
				if err := runRequest(context.Background(), app, ids[rand.IntN(tenants)], int(n%6)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.LessOrEqual(t, app.Stat().TotalConns(), int32(2))
	require.Zero(t, app.Stat().AcquiredConns())
}

type sampleArgs struct{}

func (sampleArgs) Kind() string { return "sample" }

// jobsInTransactions: a job that is inserted in a transaction of the control plane exists only if that commits.
func jobsInTransactions(t *testing.T) {
	db := pgtest.New(t)
	client, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: schema.JobsSchema})
	require.NoError(t, err)
	insert := func(after func(tx postgres.SystemTx) error) error {
		return db.App.InSystem(t.Context(), "enqueue", func(ctx context.Context, tx postgres.SystemTx) error {
			if _, err := client.InsertTx(ctx, tx.Tx(), sampleArgs{}, nil); err != nil {
				return err
			}
			return after(tx)
		})
	}
	jobs := func() int { return queryOne[int](t, db.Owner, `SELECT count(*)::int FROM river.river_job`) }

	require.ErrorIs(t, insert(func(postgres.SystemTx) error { return errOnPurpose }), errOnPurpose)
	require.Zero(t, jobs())
	require.Panics(t, func() { _ = insert(func(postgres.SystemTx) error { panic("boom") }) })
	require.Zero(t, jobs())
	err = insert(func(tx postgres.SystemTx) error {
		pid := queryOne[int](t, tx, `SELECT pg_backend_pid()`)
		require.True(t, queryOne[bool](t, db.Owner, `SELECT pg_terminate_backend($1, 60000)`, pid))
		return nil
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Zero(t, jobs())
	require.NoError(t, insert(func(postgres.SystemTx) error { return nil }))
	require.Equal(t, 1, jobs())
}

// TestJobsPool: every connection of the pool for jobs has the role leadctl_system.
func TestJobsPool(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool, err := db.App.JobsPool(t.Context())
	require.NoError(t, err)
	for range 3 {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
		require.Equal(t, "leadctl_system", queryOne[string](t, conn, `SELECT current_user::text`))
		require.Equal(t, "public, pg_temp", queryOne[string](t, conn, `SHOW search_path`))
	}
	again, err := db.App.JobsPool(t.Context())
	require.NoError(t, err)
	require.Same(t, pool, again)

	closed := openDB(t, db.LoginDSN, postgres.Options{})
	closed.Close()
	_, err = closed.JobsPool(t.Context())
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

// TestLock: a lock has one holder, which keeps it while the pool is busy and loses it with its session.
func TestLock(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	first := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1})
	second := openDB(t, db.LoginDSN, postgres.Options{MaxConns: 1})
	take := func(d *postgres.DB, object int32) (func(), bool) {
		release, ok, err := d.Lock(t.Context(), 1, object)
		require.NoError(t, err)
		return release, ok
	}
	release, ok := take(first, 7)
	require.True(t, ok)
	_, ok = take(second, 7)
	require.False(t, ok)
	_, ok = take(first, 7)
	require.False(t, ok, "the holder's process cannot take it a second time")
	releaseOther, ok := take(second, 8)
	require.True(t, ok)
	releaseOther()
	seedTenants(t, db, 1)
	requireOwn(t, first, 1) // the lock's connection is not one of the pool's

	release()
	require.Eventually(t, func() bool { r, ok := take(second, 7); release = r; return ok }, time.Minute,
		10*time.Millisecond)
	queryOne[bool](t, db.Owner, `SELECT pg_terminate_backend(pid, 60000) FROM pg_locks WHERE locktype = 'advisory'
		AND classid = 1 AND objid = 7 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	_, ok = take(first, 7)
	require.True(t, ok, "a dead session holds no lock")
	release()
}

// TestLocksOfStoppedProcesses: a process that sends nothing loses its lock although its connection is open. A process
// that runs pings its session.
func TestLocksOfStoppedProcesses(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	frozen := openDB(t, db.LoginDSN, postgres.Options{AppName: "frozen"})
	postgres.SetLockTimes(frozen, time.Hour, 300*time.Millisecond)
	release, ok, err := frozen.Lock(t.Context(), 7, 1)
	require.NoError(t, err)
	require.True(t, ok)
	var taken func()
	require.Eventually(t, func() bool {
		taken, ok, err = db.App.Lock(t.Context(), 7, 1)
		return err == nil && ok
	}, time.Minute, 20*time.Millisecond)
	release() // frees nothing: another session holds the lock now
	_, ok, err = frozen.Lock(t.Context(), 7, 1)
	require.NoError(t, err)
	require.False(t, ok)
	taken()

	speaks := openDB(t, db.LoginDSN, postgres.Options{AppName: "speaks"})
	postgres.SetLockTimes(speaks, 20*time.Millisecond, time.Minute)
	release, ok, err = speaks.Lock(t.Context(), 7, 2)
	require.NoError(t, err)
	require.True(t, ok)
	defer release()
	const last = `SELECT a.query_start FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE l.locktype = 'advisory'
		AND l.classid = 7 AND l.objid = 2 AND a.datname = current_database()`
	began := queryOne[time.Time](t, db.Owner, last)
	require.Eventually(t, func() bool { return queryOne[time.Time](t, db.Owner, last).After(began) }, time.Minute,
		20*time.Millisecond)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://u:hunter2@h:notaport/d", postgres.Options{})
	require.True(t, fault.Is(err, fault.Invalid))
	require.NotContains(t, err.Error(), "hunter2")

	down := openDB(t, "postgres://u:hunter2@127.0.0.1:1/d", postgres.Options{})
	err = down.Ping(t.Context())
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.NotContains(t, err.Error(), "hunter2")
	err = down.InTenant(t.Context(), 1, func(context.Context, postgres.TenantTx) error { return nil })
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Positive(t, fault.RetryAfter(err))
	_, _, err = down.Lock(t.Context(), 1, 1)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

// TestInterruptedTransactions checks the faults that a door returns when the server or the caller stops a transaction.
func TestInterruptedTransactions(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1)
	quick := openDB(t, db.LoginDSN, postgres.Options{Timeout: 50 * time.Millisecond})
	err := inTenant(t.Context(), quick, 1, `SELECT pg_sleep(60)`)
	require.True(t, fault.Is(err, fault.Unavailable), "statement timeout: %v", err)

	holder, err := db.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), `LOCK TABLE lead_scores`)
	require.NoError(t, err)
	err = inTenant(t.Context(), quick, 1, `SELECT * FROM lead_scores`)
	require.True(t, fault.Is(err, fault.Unavailable), "lock timeout: %v", err)
	require.NoError(t, holder.Rollback(t.Context()))

	ctx, cancel := context.WithCancel(t.Context())
	err = db.App.InTenant(ctx, 1, func(ctx context.Context, tx postgres.TenantTx) error {
		cancel()
		_, err := tx.Exec(ctx, `SELECT 1`)
		return err
	})
	require.True(t, fault.Is(err, fault.Interrupted), "cancelled by the caller: %v", err)
	domain := fault.New(fault.NotFound, "rule 7")
	require.ErrorIs(t,
		db.App.InTenant(t.Context(), 1, func(context.Context, postgres.TenantTx) error { return domain }), domain)
	requireOwn(t, db.App, 1)
}

// TestReadCatalog: ReadCatalog works with any database, migrated or not, and is read only.
func TestReadCatalog(t *testing.T) {
	t.Parallel()
	empty := openDB(t, pgtest.Empty(t), postgres.Options{})
	db := pgtest.New(t)
	for _, d := range []*postgres.DB{empty, db.App} {
		require.NoError(t, d.ReadCatalog(t.Context(), func(q schema.Querier) error {
			_, err := schema.Gate(t.Context(), q)
			require.NoError(t, err)
			_, err = schema.GateLogin(t.Context(), q)
			return err
		}))
		err := d.ReadCatalog(t.Context(), func(q schema.Querier) error {
			_, err := q.Exec(t.Context(), `CREATE TABLE x ()`)
			return err
		})
		requireState(t, err, "25006")
	}
	require.NoError(t, db.App.ReadCatalog(t.Context(), func(q schema.Querier) error {
		found, err := schema.GateLogin(t.Context(), q)
		require.Empty(t, found, "GateLogin checks the login, not the current role")
		return err
	}))
}
