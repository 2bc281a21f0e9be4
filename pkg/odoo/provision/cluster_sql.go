package provision

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// commitName gives a database its final name. From that moment the workspace exists.
func commitName(ctx context.Context, admin *pgx.Conn, from, to string) error {
	err := withSoleAccess(ctx, admin, from, "ALTER DATABASE "+quoteName(from)+" RENAME TO "+quoteName(to))
	return clusterFault("rename to "+to, err)
}

// withSoleAccess runs a statement that PostgreSQL refuses while a session is open on the database. It ends the sessions
// and tries up to five times, because Odoo may open any database of its role again.
func withSoleAccess(ctx context.Context, admin *pgx.Conn, database, sql string) error {
	var err error
	for range 5 {
		if err = endSessions(ctx, admin, database); err != nil {
			return err
		}
		if _, err = admin.Exec(ctx, sql); pgCode(err) != "55006" {
			return err
		}
	}
	return err
}

// endSessions ends the client sessions on a database. It leaves autovacuum alone, which only a superuser may end and
// which PostgreSQL stops by itself. (DROP DATABASE … WITH (FORCE) tries to end autovacuum too and sometimes fails.)
func endSessions(ctx context.Context, admin *pgx.Conn, database string) error {
	_, err := admin.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'`, database)
	return clusterFault("sessions of "+database, err)
}

// databaseState is what PostgreSQL's catalog says about a database.
type databaseState struct {
	exists, locked bool
	owner          string
	comment        string
}

func lookupDatabase(ctx context.Context, conn *pgx.Conn, name string) (databaseState, error) {
	var f databaseState
	err := conn.QueryRow(ctx, `SELECT true, datistemplate AND NOT datallowconn, pg_get_userbyid(datdba),
			coalesce(shobj_description(oid, 'pg_database'), '')
		FROM pg_database WHERE datname = $1`, name).Scan(&f.exists, &f.locked, &f.owner, &f.comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return databaseState{}, nil
	}
	return f, clusterFault("catalog", err)
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }

func pgCode(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// clusterFault classifies a failure of Odoo's PostgreSQL. nil and faults stay unchanged.
func clusterFault(what string, err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	operator := func(hint string) error {
		return fault.New(fault.Operator, "Odoo PostgreSQL: %s: %w", what,
			err).WithCode(odoo.CodeMisconfig).WithHint("%s", hint)
	}
	switch code := pgCode(err); {
	case errors.Is(err, context.Canceled):
		return err
	case code == "42501":
		return operator("the role of ODOO_POSTGRES_DSN needs CREATEDB and membership in Odoo's role")
	case code == "28P01" || code == "28000":
		return operator("check the role and password of ODOO_POSTGRES_DSN")
	case code == "3D000":
		return operator("check the database that ODOO_POSTGRES_DSN names")
	case code == "42P01" || code == "42703":
		return operator("this is not a database of a supported Odoo version")
	}
	return fault.New(fault.Unavailable, "Odoo PostgreSQL: %s: %w", what, err).WithCode(odoo.CodeUnreachable)
}
