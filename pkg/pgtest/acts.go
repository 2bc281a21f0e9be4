package pgtest

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is a connection or a pool of the tables' owner.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Planted is the text of the errors that FailChanges causes.
const Planted = "planted failure"

// AuditLog is the table of FailChanges in which an act's line is.
const AuditLog = "public.audit_log"

// ActTables returns the tables that acts change, without the audit log.
func ActTables(ctx context.Context, q Querier) ([]string, error) {
	return collect(ctx, q, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE schemaname = 'public' AND tablename <> 'audit_log' OR tablename = 'river_job' ORDER BY 1`)
}

// ActRows returns all rows of those tables as one text.
func ActRows(ctx context.Context, q Querier) (string, error) {
	tables, err := ActTables(ctx, q)
	if err != nil {
		return "", err
	}
	var all []string
	for _, table := range tables {
		rows, err := collect(ctx, q, `SELECT t::text FROM `+table+` t ORDER BY 1`)
		if err != nil {
			return "", err
		}
		all = append(append(all, table), rows...)
	}
	return strings.Join(all, "\n"), nil
}

// FailChanges lets every change of the tables fail until undo is called.
func FailChanges(ctx context.Context, q Querier, tables ...string) (undo func() error, err error) {
	sql := `CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''` + Planted +
		`''; END';`
	for _, table := range tables {
		sql += `CREATE TRIGGER planted BEFORE INSERT OR UPDATE OR DELETE ON ` + table + ` EXECUTE FUNCTION planted();`
	}
	_, err = q.Exec(ctx, sql)
	return func() error {
		_, err := q.Exec(ctx, `DROP FUNCTION planted() CASCADE`)
		return err
	}, err
}

func collect(ctx context.Context, q Querier, sql string) ([]string, error) {
	rows, err := q.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
