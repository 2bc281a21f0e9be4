package schema

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The advisory lock of migrations: (class, object) as leadctl counts its classes. It is taken by polling, never by
// waiting inside PostgreSQL: a blocked pg_advisory_lock holds a snapshot, which deadlocks CREATE INDEX CONCURRENTLY.
const (
	lockClass  = 0x6c6561 // "lea"
	lockObject = 1
	lockPoll   = 100 * time.Millisecond
)

// withLock runs fn while this process is the only one that changes the schema. The lock is the session's, so it ends with
// the connection however this process ends.
func withLock(ctx context.Context, dsn string, opts Options, fn func(*pgx.Conn, []Migration) error) error {
	list, err := Load(opts.FS)
	if err != nil {
		return err
	}
	conn, err := openConn(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := acquireLock(ctx, conn, opts.lockTimeout()); err != nil {
		return err
	}
	return fn(conn, list)
}

func openConn(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string").
			WithHint("use postgres://USER@HOST:PORT/DATABASE or keyword=value pairs")
	}
	pinSettings(cfg)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "PostgreSQL at %s, database %s: %w", cfg.Host, cfg.Database, err).
			WithHint("check that it runs and that POSTGRES_DSN names it")
	}
	var version int
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return nil, classifyError(err, "PostgreSQL's version")
	}
	if version < MinServerVersion {
		conn.Close(ctx)
		return nil, fault.New(fault.Operator, "PostgreSQL %d: version 15 or newer is needed", version/10000)
	}
	return conn, nil
}

func acquireLock(ctx context.Context, conn *pgx.Conn, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for {
		var mine bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockClass, lockObject).Scan(&mine); err != nil {
			return classifyError(err, "migration lock")
		}
		if mine {
			return nil
		}
		if time.Now().After(deadline) {
			return fault.New(fault.Unavailable, "migration lock: held by another runner for %s", timeout).
				WithHint("wait for it to finish; it is freed when that process ends")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}
