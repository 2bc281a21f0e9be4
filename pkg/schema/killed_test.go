package schema_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// killedMidway: a migration that is stopped at random moments, by a SIGKILL of the process or by the end of its
// sessions, is completed by the next one alone. A status without a problem means that nothing is left to do.
func killedMidway(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	fresh := describeSchema(t, pgtest.New(t).Owner)
	began := time.Now()
	require.NoError(t, migrator(t, self, pgtest.Empty(t)).Run())
	whole := time.Since(began)
	cut := 0
	for round := range 20 {
		dsn := pgtest.Empty(t)
		conn := openConn(t, dsn)
		running := migrator(t, self, dsn)
		require.NoError(t, running.Start())
		time.Sleep(rand.N(whole))
		if round%2 == 0 {
			_ = running.Process.Kill() // it fails if the process has ended
		} else {
			mustExec(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'leadctl migrate'`)
		}
		if running.Wait() != nil {
			cut++
		}
		green := readStatus(t, conn, migrations.FS).Problem() == nil
		if green {
			requireJobTables(t, conn)
		}
		require.NoError(t, migrateUp(t, dsn, migrations.FS), "round %d", round)
		require.NoError(t, readStatus(t, conn, migrations.FS).Problem())
		requireJobTables(t, conn)
		require.Equal(t, fresh, describeSchema(t, conn))
	}
	require.Greater(t, cut, 5, "of 20 rounds")
}

// adoptionStopped: an adoption that is killed or interrupted at random moments leaves the database as it was or
// migrated to some version, is not dirty after an interrupt, and is completed by the next run.
func adoptionStopped(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	began := time.Now()
	require.NoError(t, migrator(t, self, createPlatform(t, s, "whole", "platform", ``)).Run())
	whole := time.Since(began)
	adopted := describeSchema(t, openConn(t, s.DSN("whole")))
	for round := range 12 {
		name := fmt.Sprint("stopped", round)
		dsn := createPlatform(t, s, name, "platform", ``)
		conn := openConn(t, s.DSN(name))
		before := allRows(t, conn)
		if round%2 == 0 {
			running := migrator(t, self, dsn)
			require.NoError(t, running.Start())
			time.Sleep(rand.N(whole))
			_ = running.Process.Kill() // it fails if the process has ended
			_ = running.Wait()
		} else {
			ctx, stop := context.WithTimeout(t.Context(), rand.N(whole))
			_, err := schema.Up(ctx, dsn, released)
			stop()
			require.True(t, err == nil || ctx.Err() != nil, "%v", err)
			require.False(t, readStatus(t, conn, migrations.FS).Dirty, "round %d", round)
		}
		_, err := schema.Up(t.Context(), dsn, released)
		require.NoError(t, err, fault.Hint(err))
		require.Equal(t, adopted, describeSchema(t, conn), "round %d", round)
		requireKept(t, conn, before)
	}
}

func migrator(t *testing.T, self, dsn string) *osexec.Cmd {
	cmd := osexec.Command(self)
	cmd.Env = append(os.Environ(), asMigrator+"="+dsn)
	return cmd
}

func requireJobTables(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	require.True(t, queryOne[bool](t, conn, `SELECT coalesce(bool_and(
		has_table_privilege('leadctl_system', oid, 'INSERT')), false)
		FROM pg_class WHERE relnamespace = to_regnamespace('river') AND relkind = 'r'`))
}

// TestStatusWithoutJobTables: migrations that are all applied are not enough if River's tables are missing, because
// the daemon needs them.
func TestStatusWithoutJobTables(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	mustExec(t, conn, `COMMENT ON SCHEMA river IS NULL`)
	requireOperator(t, readStatus(t, conn, migrations.FS).Problem(), "job tables", "run `leadctl migrate`")
	require.Equal(t, schema.Pending, readStatus(t, conn, migrations.FS).JobTables)
	require.NoError(t, migrateUp(t, dsn, migrations.FS))
	require.NoError(t, readStatus(t, conn, migrations.FS).Problem())
}
