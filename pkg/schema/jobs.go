package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/leadctl/leadctl/pkg/fault"
)

// migrateJobs migrates River's tables. River writes its version rows from Go, so they are not a migration file. Two
// such migrations of an empty database must not run at once, so the caller holds the lock.
func migrateJobs(ctx context.Context, dsn string, opts Options) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string")
	}
	cfg.MaxConns = 2
	pinSettings(cfg.ConnConfig)
	cfg.AfterConnect = becomeOwner
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return classifyError(err, "job tables")
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: JobsSchema})
	if err != nil {
		return classifyError(err, "job tables")
	}
	err = retryOnLock(ctx, opts, func() error {
		_, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
	if err != nil {
		return jobsFault(err)
	}
	// The comment is in the transaction of the grants, so it says that all of this function has happened.
	_, err = pool.Exec(ctx, fmt.Sprintf(`
		GRANT USAGE ON SCHEMA %[1]s TO %[2]s;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[2]s;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA %[1]s TO %[2]s;
		COMMENT ON SCHEMA %[1]s IS '%[3]s'`, JobsSchema, SystemRole, jobTablesMark(migrator)))
	return classifyError(err, "privileges on job tables")
}

// jobTablesMark returns the comment of the schema whose tables are complete for this binary.
func jobTablesMark(m *rivermigrate.Migrator[pgx.Tx]) string {
	all := m.AllVersions()
	return fmt.Sprintf("leadctl: job queue, version %d", all[len(all)-1].Version)
}

// readJobTables returns Applied if migrateJobs of this binary has ended successfully, else Pending. It reads only the
// catalog, which every login can read.
func readJobTables(ctx context.Context, q Querier) (string, error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: JobsSchema})
	if err != nil {
		return "", classifyError(err, "job tables")
	}
	var mark string
	err = q.QueryRow(ctx, `SELECT coalesce(obj_description(to_regnamespace($1), 'pg_namespace'), '')`,
		JobsSchema).Scan(&mark)
	if err == nil && mark != jobTablesMark(migrator) {
		return Pending, nil
	}
	return Applied, classifyError(err, "job tables")
}

func jobsFault(err error) error {
	if pg := pgError(err); pg != nil && pg.Code == "42501" {
		return fault.New(fault.Operator, "job tables: schema %s belongs to another role: %w", JobsSchema, err).
			WithHint("rename the existing schema %s, or give leadctl its own database", JobsSchema)
	}
	return classifyError(err, "job tables")
}
