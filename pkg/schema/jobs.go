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

// migrateJobs brings River's tables up to date. River writes its version rows from Go and is not safe to run twice at
// once on an empty database, which is why it runs inside the lock and not as a file.
func migrateJobs(ctx context.Context, dsn string) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string")
	}
	cfg.MaxConns = 2
	pinSearchPath(cfg.ConnConfig)
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `SET ROLE `+OwnerRole)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return wrap(err, "job tables")
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: JobsSchema})
	if err != nil {
		return wrap(err, "job tables")
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return wrap(err, "job tables")
	}
	_, err = pool.Exec(ctx, fmt.Sprintf(`
		GRANT USAGE ON SCHEMA %[1]s TO %[2]s;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[2]s;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA %[1]s TO %[2]s`, JobsSchema, SystemRole))
	return wrap(err, "rights on job tables")
}
