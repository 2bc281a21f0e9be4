package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Down undoes the latest migration, which drops its tables with their rows, and returns it. A migration without a down
// file is an Invalid fault; the first migration has none, because it may have adopted rows of other services.
func Down(ctx context.Context, dsn string, opts Options) (Migration, error) {
	var undone Migration
	err := withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) (err error) {
		st, err := ReadStatus(ctx, conn, opts.FS)
		if err != nil {
			return err
		}
		if st.Dirty || st.Version > st.Latest {
			return st.Problem()
		}
		if st.Version == 0 {
			return fault.New(fault.Invalid, "schema version 0: there is no migration to undo")
		}
		undone = list[st.Version-1]
		if !undone.Reversible {
			return fault.New(fault.Invalid, "migration %s: undoing it would delete the platform's rows",
				undone.fullName()).
				WithHint("to delete everything, drop the database")
		}
		if err := joinRoles(ctx, conn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, leaveRoles(context.WithoutCancel(ctx), conn)) }()
		r := migrationRunner{dsn: dsn, fsys: opts.FS, list: list}
		if err := r.stepMigration(ctx, conn, undone, -1); err != nil {
			return stepFault(undone, err)
		}
		return recordMigrations(ctx, conn, deleteRecordSQL(undone.Version))
	})
	return undone, err
}

// Force records version as the database's version and clears the dirty flag, without running a migration. The operator
// asserts by it that the database has the schema that this binary's files up to version make. leadctl never calls it
// on its own.
func Force(ctx context.Context, dsn string, version uint, opts Options) error {
	return withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) (err error) {
		if int(version) > len(list) {
			return fault.New(fault.Invalid, "migration %d: it does not exist; the latest is %d", version, len(list))
		}
		if found, err := hasTable(ctx, conn, checksumTable); err != nil || !found {
			return errors.Join(err, fault.New(fault.Invalid, "database: it was never migrated").
				WithHint("run `leadctl migrate`"))
		}
		if err := joinRoles(ctx, conn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, leaveRoles(context.WithoutCancel(ctx), conn)) }()
		r := migrationRunner{dsn: dsn, fsys: opts.FS, list: list}
		if err := r.withMigrate(ctx,
			func(g *migrate.Migrate) error { return g.Force(forceArgument(version)) }); err != nil {
			return classifyError(err, fmt.Sprintf("schema version %d", version))
		}
		sql := deleteRecordSQL(version + 1)
		for _, m := range list[:version] {
			sql += insertRecordSQL(m)
		}
		return recordMigrations(ctx, conn, sql)
	})
}
