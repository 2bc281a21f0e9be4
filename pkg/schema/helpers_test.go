package schema_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/schema"
)

var released = schema.Options{FS: migrations.FS}

// startServer starts a separate cluster, for tests that change roles: all databases of a cluster share them.
func startServer(t *testing.T, settings map[string]string) *pgtemp.Server {
	t.Helper()
	s, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func openConn(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, q schema.Querier, sql string, args ...any) {
	t.Helper()
	_, err := q.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func queryOne[T any](t *testing.T, q schema.Querier, sql string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, q.QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}

func queryList[T any](t *testing.T, q schema.Querier, sql string, args ...any) []T {
	t.Helper()
	rows, err := q.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

func describeSchema(t *testing.T, q schema.Querier) string {
	t.Helper()
	text, err := schema.Describe(t.Context(), q)
	require.NoError(t, err)
	return text
}

func queryGate(t *testing.T, q schema.Querier) []schema.Violation {
	t.Helper()
	found, err := schema.Gate(t.Context(), q)
	require.NoError(t, err)
	return found
}
