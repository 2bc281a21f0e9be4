package pgtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

func TestNewIsMigratedAndFitForProduction(t *testing.T) {
	t.Parallel()
	db := New(t)
	require.NoError(t, db.App.ReadCatalog(t.Context(), func(q schema.Querier) error {
		st, err := schema.ReadStatus(t.Context(), q, migrations.FS)
		require.NoError(t, err)
		require.NoError(t, st.Problem())
		found, err := schema.Gate(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, found)
		found, err = schema.GateLogin(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, found)
		return nil
	}))

	var user string
	require.NoError(t, db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		return tx.QueryRow(ctx, `SELECT current_user`).Scan(&user)
	}))
	require.Equal(t, schema.SystemRole, user)
}

func TestLoginHasNoRightByItself(t *testing.T) {
	t.Parallel()
	db := New(t)
	conn, err := pgx.Connect(t.Context(), db.LoginDSN)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `SELECT * FROM tenants`)
	require.ErrorContains(t, err, "permission denied")
	_, err = conn.Exec(t.Context(), `SET ROLE `+schema.OwnerRole)
	require.ErrorContains(t, err, "permission denied")
}

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	first, second := New(t), New(t)
	_, err := first.Owner.Exec(t.Context(), `CREATE TABLE only_here (x int)`)
	require.NoError(t, err)
	_, err = second.Owner.Exec(t.Context(), `SELECT * FROM only_here`)
	require.ErrorContains(t, err, "does not exist")
}

// listNames returns the names of the server's databases and roles.
func listNames(t *testing.T, dsn string) (names []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, _ := conn.Query(t.Context(), `SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles`)
	names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

func TestDatabasesAreDroppedWithTheirTest(t *testing.T) {
	t.Parallel()
	var migrated, empty string
	t.Run("the test", func(t *testing.T) {
		require.NoError(t, New(t).Owner.QueryRow(t.Context(), `SELECT current_database()`).Scan(&migrated))
		conn, err := pgx.Connect(t.Context(), Empty(t))
		require.NoError(t, err)
		var tables int
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_database(), count(*)
			FROM pg_tables WHERE schemaname = 'public'`).Scan(&empty, &tables))
		require.Zero(t, tables)
		// conn stays open: the database is dropped although a test left a connection open.
	})
	require.NotEqual(t, migrated, empty)
	left := listNames(t, runningServer(t).dsn)
	require.NotContains(t, left, migrated)
	require.NotContains(t, left, empty)
}

func TestLeftoversOfDeadProcessesAreDropped(t *testing.T) {
	t.Parallel()
	dsn := runningServer(t).dsn
	dead, err := attachServer(t.Context(), dsn)
	require.NoError(t, err)
	require.NoError(t, dead.template())
	require.Contains(t, listNames(t, dsn), dead.templateName())
	require.Contains(t, listNames(t, dsn), dead.name)

	living, err := attachServer(t.Context(), dsn) // dead still holds its lock
	require.NoError(t, err)
	require.Contains(t, listNames(t, dsn), dead.templateName())

	require.NoError(t, dead.lease.Close(t.Context()))
	require.Eventually(t, func() bool { // the server frees the lock when it notices the closed connection
		require.NoError(t, sweepDead(t.Context(), living.lease))
		left := listNames(t, dsn)
		return !slices.Contains(left, dead.templateName()) && !slices.Contains(left, dead.name)
	}, 30*time.Second, 20*time.Millisecond)
	require.Contains(t, listNames(t, dsn), runningServer(t).name, "a running process keeps its login")
}

func TestDSNs(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://a:b@h:1/x?sslmode=disable":  "db u h 1",
		"postgresql://a@/x?host=/run/pg&port=7": "db u /run/pg 7",
		"host=h port=1 user=a dbname=x":         "db u h 1",
	} {
		c, err := pgx.ParseConfig(dsnAs(dsnFor(dsn, "db"), "u", "p"))
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(c.Database, " ", c.User, " ", c.Host, " ", c.Port))
		require.Equal(t, "p", c.Password)
	}
}

func BenchmarkNew(b *testing.B) {
	New(b) // starts the server and makes the template
	for b.Loop() {
		New(b)
	}
}
