package schema_test

import (
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

func strangeStates(t *testing.T) {
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)

	require.Equal(t, uint(0), readStatus(t, conn, migrations.FS).Version)
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(),
		fmt.Sprintf("schema version 0: %d pending", latestVersion()), "run `leadctl migrate`")
	require.True(t, fault.Is(schema.Force(t.Context(), dsn, 1, released), fault.Invalid), "never migrated")
	_, err := schema.Down(t.Context(), dsn, released)
	require.True(t, fault.Is(err, fault.Invalid), "no migration to undo")

	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.NoError(t, readStatus(t, conn, migrations.FS).Problem())
	require.NoError(t, migrateUp(t, dsn, migrations.FS))

	edited := releasedPlus()
	edited["000002_leadctl.up.sql"].Data = append(edited["000002_leadctl.up.sql"].Data, "-- edited"...)
	requireOperator(t, readStatus(t, conn, edited).Problem(),
		"migration 2_leadctl: the file differs from the one that was applied", "released leadctl")
	require.Equal(t, schema.Edited, readStatus(t, conn, edited).Migrations[1].State)
	requireOperator(t, migrateUp(t, dsn, edited), "2_leadctl", "")

	newer := releasedPlus(fileAfter(1, "more.up"), `CREATE TABLE more (x integer)`,
		fileAfter(1, "more.down"), `DROP TABLE more`)
	requireOperator(t, readStatus(t, conn, newer).Problem(),
		fmt.Sprintf("schema version %d: 1 pending", latestVersion()), "leadctl migrate")
	require.NoError(t, migrateUp(t, dsn, newer))
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(), fmt.Sprintf(
		"schema version %d: newer than this leadctl supports (%d)", latestVersion()+1, latestVersion()), "newer one")
	require.Equal(t, schema.Row{Version: latestVersion() + 1, Name: "more", State: schema.Unknown},
		withoutTime(readStatus(t, conn, migrations.FS).Migrations[latestVersion()]))
	requireOperator(t, migrateUp(t, dsn, migrations.FS), "newer than this leadctl", "")
	_, err = schema.Down(t.Context(), dsn, released)
	requireOperator(t, err, "newer than this leadctl", "")
	undone, err := schema.Down(t.Context(), dsn, schema.Options{FS: newer})
	require.NoError(t, err)
	require.Equal(t, "more", undone.Name)
	require.NoError(t, readStatus(t, conn, migrations.FS).Problem())

	mustExec(t, conn, `UPDATE leadctl_schema_version SET dirty = true`)
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(),
		fmt.Sprintf("schema version %d: dirty", latestVersion()), "run `leadctl migrate`; it continues after")
	require.NoError(t, migrateUp(t, dsn, migrations.FS), "the records show that every file is applied")
	require.NoError(t, readStatus(t, conn, migrations.FS).Problem())
	mustExec(t, conn, `UPDATE leadctl_schema_version SET dirty = true;
		DELETE FROM leadctl_migrations WHERE version = 1`)
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(),
		fmt.Sprintf("schema version %d: dirty", latestVersion()),
		fmt.Sprintf("leadctl migrate force %d", latestVersion()))
	requireOperator(t, migrateUp(t, dsn, migrations.FS), "dirty", "force")
	_, err = schema.Down(t.Context(), dsn, released)
	requireOperator(t, err, "dirty", "force")
	require.True(t, queryOne[bool](t, conn, `SELECT dirty FROM leadctl_schema_version`), "only Force clears the flag")
	require.NoError(t, schema.Force(t.Context(), dsn, latestVersion(), released))
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.True(t, fault.Is(schema.Force(t.Context(), dsn, latestVersion()+1, released), fault.Invalid))

	require.NoError(t, schema.Force(t.Context(), dsn, latestVersion(), schema.Options{FS: edited}),
		"Force records an edited file as applied")
	require.NoError(t, readStatus(t, conn, edited).Problem())
}

func withoutTime(r schema.Row) schema.Row { r.AppliedAt = nil; return r }

func brokenSets(t *testing.T) {
	for says, files := range map[string]fs.FS{
		"none found":                               onlyFiles(),
		"missing (the next file is 2_b)":           onlyFiles("000002_b.up.sql", ""),
		"migration 2: missing":                     onlyFiles("000001_a.up.sql", "", "000003_c.up.sql", ""),
		"migration 1: its files have two names":    onlyFiles("000001_a.up.sql", "", "000001_b.up.sql", ""),
		"a down file without an up file":           onlyFiles("000001_a.down.sql", ""),
		`"1_a.sql": name must be NNNNNN_name`:      onlyFiles("000001_a.up.sql", "", "1_a.sql", ""),
		`"000002_B.up.sql": name must be NNNNNN_n`: onlyFiles("000001_a.up.sql", "", "000002_B.up.sql", ""),
	} {
		_, err := schema.Load(files)
		require.True(t, fault.Is(err, fault.Internal), says)
		require.ErrorContains(t, err, says)
		dsn := pgtest.Empty(t)
		require.ErrorContains(t, migrateUp(t, dsn, files), says)
		require.Equal(t, 0, queryOne[int](t, openConn(t, dsn), `SELECT count(*)::int FROM pg_class
			WHERE relnamespace = 'public'::regnamespace`), "no file of such a set may run")
	}
	missing, err := schema.Load(os.DirFS("testdata/no-such-directory"))
	require.Error(t, err)
	require.Empty(t, missing)

	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	broken := releasedPlus(
		fileAfter(1, "broken.up"), "CREATE TABLE half (x integer);\nSELEC 1;\nCREATE TABLE other_half ()",
		fileAfter(2, "fine.up"), "CREATE TABLE later ()")
	err = migrateUp(t, dsn, broken)
	requireOperator(t, err, fmt.Sprintf(`migration %d_broken: syntax error at or near "SELEC", SQLSTATE 42601`,
		latestVersion()+1), "nothing was changed")
	require.NotContains(t, err.Error(), "other_half", "the error must not contain the file")
	st := readStatus(t, conn, broken)
	require.Equal(t, []any{latestVersion(), false, schema.Pending, schema.Pending},
		[]any{st.Version, st.Dirty, st.Migrations[latestVersion()].State, st.Migrations[latestVersion()+1].State})
	require.Equal(t, 0, queryOne[int](t, conn, `SELECT count(*)::int FROM pg_class
		WHERE relname IN ('half', 'other_half', 'later')`))
	require.Empty(t, queryGate(t, conn), "the gate also works after a failed migration")
	brokenDown := releasedPlus(fileAfter(1, "broken.up"), "CREATE TABLE half (x integer)",
		fileAfter(1, "broken.down"), "DROP TABLE half; SELEC 1")
	require.NoError(t, migrateUp(t, dsn, brokenDown))

	_, err = schema.Down(t.Context(), dsn, schema.Options{FS: brokenDown})
	requireOperator(t, err, "syntax error", "nothing was changed")
	require.Equal(t, latestVersion()+1, readStatus(t, conn, broken).Version)
	require.False(t, readStatus(t, conn, broken).Dirty)
	require.Equal(t, 1, queryOne[int](t, conn, `SELECT count(*)::int FROM pg_class WHERE relname = 'half'`))
	_, err = schema.Down(t.Context(), dsn,
		schema.Options{FS: releasedPlus(fileAfter(1, "broken.up"), "CREATE TABLE half (x integer)")})
	require.True(t, fault.Is(err, fault.Invalid), "without a down file")

	first := pgtest.Empty(t)
	requireOperator(t, migrateUp(t, first, onlyFiles("000001_a.up.sql", "SELEC 1")), "migration 1_a",
		"nothing was changed")
	require.Equal(t, uint(0), readStatus(t, openConn(t, first), migrations.FS).Version)
	require.NoError(t, migrateUp(t, first, migrations.FS))
}
