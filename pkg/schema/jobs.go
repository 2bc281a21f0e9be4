package schema

import (
	"context"
	"fmt"

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
	_, err = pool.Exec(ctx, fmt.Sprintf(`
		GRANT USAGE ON SCHEMA %[1]s TO %[2]s;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[2]s;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA %[1]s TO %[2]s`, JobsSchema, SystemRole))
	return classifyError(err, "privileges on job tables")
}

func jobsFault(err error) error {
	if pg := pgError(err); pg != nil && pg.Code == "42501" {
		return fault.New(fault.Operator, "job tables: schema %s belongs to another role: %w", JobsSchema, err).
			WithHint("rename the existing schema %s, or give leadctl its own database", JobsSchema)
	}
	return classifyError(err, "job tables")
}
