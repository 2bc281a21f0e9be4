package acra_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// generate returns a CSV of synthetic rows.
func generate(t testing.TB, rows int, opts acragen.Options) ([]byte, acragen.Tally) {
	t.Helper()
	var b bytes.Buffer
	tally, err := acragen.Write(&b, rows, 1, opts)
	require.NoError(t, err)
	return b.Bytes(), tally
}

// allRows returns the options of a run that takes every row of text.
func allRows(text []byte) acra.Options {
	return acra.Options{Source: acra.Stream("test", bytes.NewReader(text)), Status: []string{acra.All}, BatchRows: 500}
}

// ingest runs, and requires success and counts that add up.
func ingest(t testing.TB, db *pgtest.DB, opts acra.Options) acra.Report {
	t.Helper()
	rep, err := acra.Ingest(t.Context(), db.App, opts)
	require.NoError(t, err)
	addsUp(t, rep.Counts)
	return rep
}

func addsUp(t testing.TB, c acra.Counts) {
	t.Helper()
	require.Equal(t, c.Read, c.Inserted+c.Updated+c.Unchanged+c.Duplicates+c.Rejected+c.Filtered, "%+v", c)
}

// registerCSV returns a register with values for the named columns, one line per row.
func registerCSV(columns string, lines ...string) []byte {
	head := strings.Fields(columns)
	names := acra.Columns()
	var b strings.Builder
	b.WriteString(strings.Join(names, ",") + "\n")
	for _, line := range lines {
		values := strings.Split(line, "|")
		for i, name := range names {
			v := "na"
			for j, h := range head {
				if h == name {
					v = values[j]
				}
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(v)
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// tableRows returns all columns that ingestion sets, ordered by key.
func tableRows(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	sql := fmt.Sprintf(`SELECT (ROW(%s, row_hash, absent_since IS NOT NULL))::text FROM staging_acra_companies
		ORDER BY uen COLLATE "C"`, strings.Join(acra.Columns(), ", "))
	result, err := pool.Query(context.Background(), sql)
	require.NoError(t, err)
	list, err := pgx.CollectRows(result, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

// queryOne returns the single value of a query.
func queryOne[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, pool.QueryRow(context.Background(), sql, args...).Scan(&v), sql)
	return v
}

// collection splits a CSV into parts datasets and serves them.
func collection(t testing.TB, text []byte, parts int) *acratest.Site {
	t.Helper()
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	head, lines := lines[0], lines[1:]
	var list []acratest.Dataset
	for i := range parts {
		part := lines[i*len(lines)/parts : (i+1)*len(lines)/parts]
		list = append(list, acratest.Dataset{ID: fmt.Sprintf("d_%d", i), Letter: string(rune('A' + i)),
			CSV:     []byte(head + strings.TrimSuffix(strings.Join(part, ""), "\n") + "\n"),
			Updated: "2026-09-16T10:04:13+08:00"})
	}
	return acratest.Start(t, list...)
}
