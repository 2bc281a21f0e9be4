package schema_test

import (
	"context"
	"fmt"
	"io/fs"
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

// slowMigration is a migration that is busy for longer than any test waits.
const slowMigration = `CREATE TABLE slow_one (x integer); SELECT pg_sleep(600);`

// releasedPlus is the released migrations and further files, given as name, content, name, content …
func releasedPlus(files ...string) fstest.MapFS {
	set := fstest.MapFS{}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		body, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			panic(err)
		}
		set[name] = &fstest.MapFile{Data: body}
	}
	for i := 0; i < len(files); i += 2 {
		set[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return set
}

// latestVersion is the number of the last released migration; the tests' own come after it.
func latestVersion() uint {
	list, err := schema.Load(migrations.FS)
	if err != nil {
		panic(err)
	}
	return list[len(list)-1].Version
}

// fileAfter names a file that comes n after the released ones.
func fileAfter(n uint, name string) string {
	return fmt.Sprintf("%06d_%s.sql", latestVersion()+n, name)
}

func onlyFiles(files ...string) fstest.MapFS {
	set := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		set[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return set
}

func migrateUp(t *testing.T, dsn string, files fs.FS) error {
	t.Helper()
	_, err := schema.Up(t.Context(), dsn, schema.Options{FS: files})
	return err
}

func readStatus(t *testing.T, q schema.Querier, files fs.FS) schema.Status {
	t.Helper()
	st, err := schema.ReadStatus(t.Context(), q, files)
	require.NoError(t, err)
	return st
}

// requireOperator wants err to be an operator's affair that says and hints so.
func requireOperator(t *testing.T, err error, says, hint string) {
	t.Helper()
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	require.ErrorContains(t, err, says)
	require.Contains(t, fault.Hint(err), hint)
}

func TestCases(t *testing.T) {
	t.Parallel()
	for id, test := range map[string]func(*testing.T){
		"D-038": runnersAtOnce, "D-040": strangeStates, "D-041": brokenSets, "D-042": behindALongTransaction,
		"B-001": loginIsSuperuser, "B-002": loginBypasses, "B-003": loginOwns, "B-005": tableWithoutRowSecurity, "B-006": notForced,
		"B-007": withoutPolicy, "B-008": permissivePolicies, "B-013": tenantIsNeverUnset,
		"B-032": viewAsItsOwner, "B-034": functionAsItsOwner, "B-035": barePartition, "B-037": triggersAreKnown, "B-040": ownerCopiesNothing,
	} {
		t.Run(id, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

// Any number of runners, on a cluster that has not even the roles, on two databases of it: each migration once, all content.
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
					_, err := schema.Up(context.Background(), s.DSN(name), schema.Options{FS: migrations.FS, Step: func(uint, string, time.Duration) { ran[i].Add(1) }})
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

// A killed runner's lock is free at once. What it left is never forced by itself, and its own account says where it stands.
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
		return queryOne[bool](t, looking, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%slow_one%' AND wait_event = 'PgSleep')`)
	})
	waiting := make(chan error, 1)
	go func() {
		_, err := schema.Up(context.Background(), dsn, released)
		waiting <- err
	}()
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	requireOperator(t, <-waiting, fmt.Sprintf("schema version %d: dirty", latestVersion()+1), fmt.Sprintf("leadctl migrate force %d", latestVersion()))
	awaitTrue(t, func() bool {
		return queryOne[bool](t, looking, `SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')`)
	})
	st := readStatus(t, looking, releasedPlus(fileAfter(1, "slow.up"), slowMigration))
	require.Equal(t, latestVersion(), st.Committed)
	require.Equal(t, schema.Dirty, st.Migrations[latestVersion()].State)
	require.True(t, st.Dirty, "nobody but an operator clears the flag")

	require.NoError(t, schema.Force(t.Context(), dsn, latestVersion(), released))
	require.NoError(t, migrateUp(t, dsn, releasedPlus(fileAfter(1, "quick.up"), `CREATE TABLE slow_one (x integer)`)))
}

// awaitTrue polls for a state that another process brings about.
func awaitTrue(t *testing.T, reached func() bool) {
	t.Helper()
	require.Eventually(t, reached, time.Minute, 20*time.Millisecond)
}

func strangeStates(t *testing.T) {
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)

	require.Equal(t, uint(0), readStatus(t, conn, migrations.FS).Version)
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(), fmt.Sprintf("schema version 0: %d pending", latestVersion()), "run `leadctl migrate`")
	require.True(t, fault.Is(schema.Force(t.Context(), dsn, 1, released), fault.Invalid), "nothing to force yet")
	_, err := schema.Down(t.Context(), dsn, released)
	require.True(t, fault.Is(err, fault.Invalid), "nothing to undo yet")

	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.NoError(t, readStatus(t, conn, migrations.FS).Problem())
	require.NoError(t, migrateUp(t, dsn, migrations.FS))

	edited := releasedPlus()
	edited["000002_leadctl.up.sql"].Data = append(edited["000002_leadctl.up.sql"].Data, "-- edited"...)
	requireOperator(t, readStatus(t, conn, edited).Problem(), "migration 2_leadctl: its file differs from what ran", "released leadctl")
	require.Equal(t, schema.Edited, readStatus(t, conn, edited).Migrations[1].State)
	requireOperator(t, migrateUp(t, dsn, edited), "2_leadctl", "")

	newer := releasedPlus(fileAfter(1, "more.up"), `CREATE TABLE more (x integer)`, fileAfter(1, "more.down"), `DROP TABLE more`)
	requireOperator(t, readStatus(t, conn, newer).Problem(), fmt.Sprintf("schema version %d: 1 pending", latestVersion()), "leadctl migrate")
	require.NoError(t, migrateUp(t, dsn, newer))
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(), fmt.Sprintf("schema version %d: newer than this leadctl knows (%d)", latestVersion()+1, latestVersion()), "newer one")
	require.Equal(t, schema.Row{Version: latestVersion() + 1, Name: "more", State: schema.Unknown}, withoutTime(readStatus(t, conn, migrations.FS).Migrations[latestVersion()]))
	requireOperator(t, migrateUp(t, dsn, migrations.FS), "newer than this leadctl", "")
	_, err = schema.Down(t.Context(), dsn, released)
	requireOperator(t, err, "newer than this leadctl", "")
	undone, err := schema.Down(t.Context(), dsn, schema.Options{FS: newer})
	require.NoError(t, err)
	require.Equal(t, "more", undone.Name)
	require.NoError(t, readStatus(t, conn, migrations.FS).Problem())

	mustExec(t, conn, `UPDATE leadctl_schema_version SET dirty = true`)
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(), fmt.Sprintf("schema version %d: dirty", latestVersion()), fmt.Sprintf("leadctl migrate force %d", latestVersion()))
	requireOperator(t, migrateUp(t, dsn, migrations.FS), "dirty", "force")
	_, err = schema.Down(t.Context(), dsn, released)
	requireOperator(t, err, "dirty", "force")
	require.True(t, queryOne[bool](t, conn, `SELECT dirty FROM leadctl_schema_version`), "never forced by itself")
	require.NoError(t, schema.Force(t.Context(), dsn, latestVersion(), released))
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.True(t, fault.Is(schema.Force(t.Context(), dsn, latestVersion()+1, released), fault.Invalid))

	require.NoError(t, schema.Force(t.Context(), dsn, latestVersion(), schema.Options{FS: edited}), "the operator's word covers an edited file")
	require.NoError(t, readStatus(t, conn, edited).Problem())
}

func withoutTime(r schema.Row) schema.Row { r.AppliedAt = nil; return r }

func brokenSets(t *testing.T) {
	for says, files := range map[string]fs.FS{
		"none found":                      onlyFiles(),
		"missing (the next file is 2_b)":  onlyFiles("000002_b.up.sql", ""),
		"migration 2: missing":            onlyFiles("000001_a.up.sql", "", "000003_c.up.sql", ""),
		"migration 1: two names":          onlyFiles("000001_a.up.sql", "", "000001_b.up.sql", ""),
		"a down file without an up file":  onlyFiles("000001_a.down.sql", ""),
		`"1_a.sql": not NNNNNN_name`:      onlyFiles("000001_a.up.sql", "", "1_a.sql", ""),
		`"000002_B.up.sql": not NNNNNN_n`: onlyFiles("000001_a.up.sql", "", "000002_B.up.sql", ""),
	} {
		_, err := schema.Load(files)
		require.True(t, fault.Is(err, fault.Internal), says)
		require.ErrorContains(t, err, says)
		dsn := pgtest.Empty(t)
		require.ErrorContains(t, migrateUp(t, dsn, files), says)
		require.Equal(t, 0, queryOne[int](t, openConn(t, dsn), `SELECT count(*)::int FROM pg_class WHERE relnamespace = 'public'::regnamespace`), "nothing may run of such a set")
	}
	missing, err := schema.Load(os.DirFS("testdata/no-such-directory"))
	require.Error(t, err)
	require.Empty(t, missing)

	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	broken := releasedPlus(fileAfter(1, "broken.up"), "CREATE TABLE half (x integer);\nSELEC 1;\nCREATE TABLE other_half ()", fileAfter(2, "fine.up"), "CREATE TABLE later ()")
	err = migrateUp(t, dsn, broken)
	requireOperator(t, err, fmt.Sprintf(`migration %d_broken: syntax error at or near "SELEC", SQLSTATE 42601`, latestVersion()+1), "nothing was changed")
	require.NotContains(t, err.Error(), "other_half", "the file itself does not belong into the message")
	st := readStatus(t, conn, broken)
	require.Equal(t, []any{latestVersion(), false, schema.Pending, schema.Pending}, []any{st.Version, st.Dirty, st.Migrations[latestVersion()].State, st.Migrations[latestVersion()+1].State})
	require.Equal(t, 0, queryOne[int](t, conn, `SELECT count(*)::int FROM pg_class WHERE relname IN ('half', 'other_half', 'later')`))
	require.Empty(t, queryGate(t, conn), "the gate judges such a database all the same")
	require.NoError(t, migrateUp(t, dsn, releasedPlus(fileAfter(1, "broken.up"), "CREATE TABLE half (x integer)", fileAfter(1, "broken.down"), "DROP TABLE half; SELEC 1")))

	_, err = schema.Down(t.Context(), dsn, schema.Options{FS: releasedPlus(fileAfter(1, "broken.up"), "CREATE TABLE half (x integer)", fileAfter(1, "broken.down"), "DROP TABLE half; SELEC 1")})
	requireOperator(t, err, "syntax error", "nothing was changed")
	require.Equal(t, latestVersion()+1, readStatus(t, conn, broken).Version)
	require.False(t, readStatus(t, conn, broken).Dirty)
	require.Equal(t, 1, queryOne[int](t, conn, `SELECT count(*)::int FROM pg_class WHERE relname = 'half'`))
	_, err = schema.Down(t.Context(), dsn, schema.Options{FS: releasedPlus(fileAfter(1, "broken.up"), "CREATE TABLE half (x integer)")})
	require.True(t, fault.Is(err, fault.Invalid), "without a down file")

	first := pgtest.Empty(t)
	requireOperator(t, migrateUp(t, first, onlyFiles("000001_a.up.sql", "SELEC 1")), "migration 1_a", "nothing was changed")
	require.Equal(t, uint(0), readStatus(t, openConn(t, first), migrations.FS).Version)
	require.NoError(t, migrateUp(t, first, migrations.FS))
}

// A file that cannot run in a transaction runs, and when it breaks, the database stays dirty: only an operator can tell.
func TestFileOutsideATransaction(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	good := releasedPlus(fileAfter(1, "index.up"), `CREATE INDEX CONCURRENTLY tenants_name_idx ON public.tenants (name)`)
	require.NoError(t, migrateUp(t, dsn, good))
	require.NoError(t, readStatus(t, conn, good).Problem())
	require.NotNil(t, readStatus(t, conn, good).Migrations[latestVersion()].AppliedAt)

	bad := good
	bad[fileAfter(2, "unique.up")] = &fstest.MapFile{Data: []byte(`CREATE UNIQUE INDEX CONCURRENTLY tenants_status_idx ON public.tenants (status)`)}
	mustExec(t, conn, `INSERT INTO tenants (name) VALUES ('a'), ('b')`)
	requireOperator(t, migrateUp(t, dsn, bad), fmt.Sprintf("migration %d_unique: could not create unique index", latestVersion()+2), fmt.Sprintf("leadctl migrate force %d", latestVersion()+1))
	require.True(t, readStatus(t, conn, bad).Dirty)
	require.Equal(t, "G24", queryGate(t, conn)[0].Rule, "the half-made index is there")
}

// The server ends the session in the middle of a file: it was one transaction, and the account says so.
func TestTerminatedMigration(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	looking := openConn(t, dsn)
	failed := make(chan error, 1)
	go func() {
		_, err := schema.Up(context.Background(), dsn, schema.Options{FS: releasedPlus(fileAfter(1, "slow.up"), slowMigration)})
		failed <- err
	}()
	awaitTrue(t, func() bool {
		return queryOne[bool](t, looking, `SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`)
	})
	require.Error(t, <-failed)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.Equal(t, 0, queryOne[int](t, looking, `SELECT count(*)::int FROM pg_class WHERE relname = 'slow_one'`))
}

// A migration never queues up behind somebody's transaction for long: it steps back, lets others through, and tries again.
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
	require.ErrorContains(t, err, fmt.Sprintf("migration %d_column: a transaction of somebody else's holds its tables", latestVersion()+1))
	require.NotEmpty(t, fault.Hint(err))
	reader, given := openConn(t, dsn), 0
	require.False(t, readStatus(t, reader, files).Dirty)

	done := make(chan error, 1)
	go func() {
		_, err := schema.Up(context.Background(), dsn, schema.Options{FS: files})
		done <- err
	}()
	for given < 2 { // twice: it stepped back, and came again
		awaitTrue(t, func() bool {
			return queryOne[bool](t, holder, `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'lead_scores'::regclass AND NOT granted AND mode = 'AccessExclusiveLock')`)
		})
		require.Equal(t, 0, queryOne[int](t, reader, `SELECT count(*)::int FROM lead_scores`), "a reader gets through while the migration waits")
		awaitTrue(t, func() bool {
			return queryOne[bool](t, holder, `SELECT NOT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'lead_scores'::regclass AND NOT granted)`)
		})
		given++
	}
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-done)
	require.NoError(t, readStatus(t, holder, files).Problem())
}

// The lock of another runner is waited for, not for ever.
func TestLockHeld(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	holder := openConn(t, dsn)
	mustExec(t, holder, `SELECT pg_advisory_lock($1, $2)`, 0x6c6561, 1)
	_, err := schema.Up(t.Context(), dsn, schema.Options{FS: migrations.FS, LockTimeout: time.Millisecond})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "held by another runner")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = schema.Up(ctx, dsn, released)
	require.Error(t, err)
	require.NoError(t, holder.Close(t.Context()))
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
}

// Undone and done again, the schema is the same.
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
