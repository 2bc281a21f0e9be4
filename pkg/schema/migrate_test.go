package schema_test

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

func TestCases(t *testing.T) {
	t.Parallel()
	for id, test := range map[string]func(*testing.T){
		"D-038": runnersAtOnce, "D-040": strangeStates, "D-041": brokenSets, "D-042": behindALongTransaction,
		"D-070": adoptionStopped, "D-072": statementsOfTheServices, "D-081": killedMidway,
		"B-001": loginIsSuperuser, "B-002": loginBypasses, "B-003": loginOwns, "B-005": tableWithoutRowSecurity,
		"B-006": notForced, "B-007": withoutPolicy, "B-008": permissivePolicies, "B-013": tenantIsNeverUnset,
		"B-032": viewAsItsOwner, "B-034": functionAsItsOwner, "B-035": barePartition, "B-037": triggersAreKnown,
		"B-040": ownerCopiesNothing, "B-084": everyRelation,
	} {
		t.Run(id, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

// runnersAtOnce: ten concurrent calls of Up migrate two databases of a new cluster, in which the roles do not exist
// yet. Each migration runs once, and every call succeeds.
func runnersAtOnce(t *testing.T) {
	const rounds, runners = 3, 10
	s := startServer(t, nil)
	admin := openConn(t, s.DSN("postgres"))
	fresh := describeSchema(t, pgtest.New(t).Owner)
	for round := range rounds {
		var ran [2]atomic.Int64
		var group errgroup.Group
		for i := range 2 {
			name := []string{"one", "two"}[i] + string(rune('a'+round))
			mustExec(t, admin, `CREATE DATABASE `+name)
			for range runners / 2 {
				group.Go(func() error {
					_, err := schema.Up(context.Background(), s.DSN(name),
						schema.Options{FS: migrations.FS, Step: func(uint, string, time.Duration) { ran[i].Add(1) }})
					return err
				})
			}
		}
		require.NoError(t, group.Wait())
		for i, name := range []string{"one", "two"} {
			conn := openConn(t, s.DSN(name+string(rune('a'+round))))
			require.EqualValues(t, readStatus(t, conn, migrations.FS).Latest, ran[i].Load(), "migrations run")
			require.Equal(t, fresh, describeSchema(t, conn))
			require.Empty(t, queryGate(t, conn))
		}
	}
}

// TestKilledRunner: the lock of a killed process is free at once, and the process that waited for it continues after
// the latest finished migration.
func TestKilledRunner(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := osexec.Command(self)
	cmd.Env = append(os.Environ(), asRunner+"="+dsn)
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	looking := openConn(t, dsn)
	awaitTrue(t, func() bool {
		return queryOne[bool](t, looking, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE '%slow_one%' AND wait_event = 'PgSleep')`)
	})
	quick := releasedPlus(fileAfter(1, "quick.up"), `CREATE TABLE slow_one (x integer)`)
	st := readStatus(t, looking, quick)
	require.Equal(t, latestVersion(), st.Committed)
	require.Equal(t, schema.Dirty, st.Migrations[latestVersion()].State)
	requireOperator(t, st.Problem(), fmt.Sprintf("schema version %d: dirty", latestVersion()+1),
		"run `leadctl migrate`")
	requireOperator(t, readStatus(t, looking, migrations.FS).Problem(), "newer than this leadctl", "newer one")
	waiting := make(chan error, 1)
	go func() {
		_, err := schema.Up(context.Background(), dsn, schema.Options{FS: quick})
		waiting <- err
	}()
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.NoError(t, <-waiting)
	require.NoError(t, readStatus(t, looking, quick).Problem())
}

// awaitTrue polls until reached returns true, for a state that another process causes.
func awaitTrue(t *testing.T, reached func() bool) {
	t.Helper()
	require.Eventually(t, reached, time.Minute, 20*time.Millisecond)
}

// TestFileOutsideATransaction: a file that cannot run in a transaction is applied. If it fails, the database stays
// dirty, because only an operator can check what was applied.
func TestFileOutsideATransaction(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	good := releasedPlus(fileAfter(1, "index.up"),
		`CREATE INDEX CONCURRENTLY tenants_name_idx ON public.tenants (name)`)
	require.NoError(t, migrateUp(t, dsn, good))
	require.NoError(t, readStatus(t, conn, good).Problem())
	require.NotNil(t, readStatus(t, conn, good).Migrations[latestVersion()].AppliedAt)

	bad := good
	bad[fileAfter(2, "unique.up")] = &fstest.MapFile{Data: []byte(
		`CREATE UNIQUE INDEX CONCURRENTLY tenants_status_idx ON public.tenants (status)`)}
	mustExec(t, conn, `INSERT INTO tenants (name) VALUES ('a'), ('b')`)
	requireOperator(t, migrateUp(t, dsn, bad), fmt.Sprintf("migration %d_unique: could not create unique index",
		latestVersion()+2), fmt.Sprintf("leadctl migrate force %d", latestVersion()+1))
	require.True(t, readStatus(t, conn, bad).Dirty)
	require.Equal(t, "G24", queryGate(t, conn)[0].Rule, "the invalid index exists")
}

// TestTerminatedMigration: if the server ends the session while a file runs, its transaction is rolled back and the
// recorded migrations show that.
func TestTerminatedMigration(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	looking := openConn(t, dsn)
	failed := make(chan error, 1)
	go func() {
		_, err := schema.Up(context.Background(), dsn,
			schema.Options{FS: releasedPlus(fileAfter(1, "slow.up"), slowMigration)})
		failed <- err
	}()
	awaitTrue(t, func() bool {
		return queryOne[bool](t, looking, `SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
			FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`)
	})
	require.Error(t, <-failed)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.Equal(t, 0, queryOne[int](t, looking, `SELECT count(*)::int FROM pg_class WHERE relname = 'slow_one'`))
}

// behindALongTransaction: a migration that waits for a lock gives up after a second, so that other sessions can use the
// table, and tries again.
func behindALongTransaction(t *testing.T) {
	dsn := pgtest.Empty(t)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	files := releasedPlus(fileAfter(1, "column.up"), `ALTER TABLE public.lead_scores ADD COLUMN more integer`)
	holder := openConn(t, dsn)
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	mustExec(t, tx, `LOCK TABLE lead_scores IN ROW SHARE MODE`)

	_, err = schema.Up(t.Context(), dsn, schema.Options{FS: files, LockTimeout: time.Millisecond})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, fmt.Sprintf("migration %d_column: another transaction holds a lock on its tables",
		latestVersion()+1))
	require.NotEmpty(t, fault.Hint(err))
	reader, given := openConn(t, dsn), 0
	require.False(t, readStatus(t, reader, files).Dirty)

	done := make(chan error, 1)
	go func() {
		_, err := schema.Up(context.Background(), dsn, schema.Options{FS: files})
		done <- err
	}()
	for given < 2 { // twice: it gave up and tried again
		awaitTrue(t, func() bool {
			return queryOne[bool](t, holder, `SELECT EXISTS (SELECT 1 FROM pg_locks
				WHERE relation = 'lead_scores'::regclass AND NOT granted AND mode = 'AccessExclusiveLock')`)
		})
		require.Equal(t, 0, queryOne[int](t, reader, `SELECT count(*)::int FROM lead_scores`),
			"a reader is not blocked for long while the migration waits")
		awaitTrue(t, func() bool {
			return queryOne[bool](t, holder, `SELECT NOT EXISTS (SELECT 1 FROM pg_locks
				WHERE relation = 'lead_scores'::regclass AND NOT granted)`)
		})
		given++
	}
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-done)
	require.NoError(t, readStatus(t, holder, files).Problem())
}

// TestLockHeld: Up waits for another process's lock, but not longer than LockTimeout.
func TestLockHeld(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	holder := openConn(t, dsn)
	mustExec(t, holder, `SELECT pg_advisory_lock($1, $2)`, 0x6c6561, 1)
	_, err := schema.Up(t.Context(), dsn, schema.Options{FS: migrations.FS, LockTimeout: time.Millisecond})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "held by another process")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = schema.Up(ctx, dsn, released)
	require.Error(t, err)
	require.NoError(t, holder.Close(t.Context()))
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
}

// TestDownAndUp: the schema is the same after all migrations but the first are undone and applied again.
func TestDownAndUp(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	before := describeSchema(t, conn)
	for range latestVersion() - 1 {
		_, err := schema.Down(t.Context(), dsn, released)
		require.NoError(t, err)
	}
	_, err := schema.Down(t.Context(), dsn, released)
	require.True(t, fault.Is(err, fault.Invalid), "the platform's tables are never dropped: %v", err)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.Equal(t, before, describeSchema(t, conn))
}

func TestUnusableDSN(t *testing.T) {
	t.Parallel()
	err := migrateUp(t, "postgres://user:hunter2@host:notaport/db", migrations.FS)
	require.True(t, fault.Is(err, fault.Invalid))
	require.NotContains(t, err.Error(), "hunter2")
	err = migrateUp(t, "postgres://user:hunter2@127.0.0.1:1/db", migrations.FS)
	require.True(t, fault.Is(err, fault.Unavailable))
	require.NotContains(t, err.Error(), "hunter2")
}
