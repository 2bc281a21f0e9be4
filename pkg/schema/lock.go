package schema

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The advisory lock of migrations, (lockClass, lockObject). It is taken by polling: a session that waits in
// pg_advisory_lock holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait, a deadlock.
const (
	lockClass  = 0x6c6561 // "lea"
	lockObject = 1
	lockPoll   = 100 * time.Millisecond
)

// withLock runs fn while it holds the lock, so that no other process changes the schema. The lock belongs to the
// session, so it ends with the connection, whatever ends this process.
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
			WithHint("check that the server runs and that POSTGRES_DSN is right")
	}
	var version int
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return nil, classifyError(err, "PostgreSQL's version")
	}
	if version < MinServerVersion {
		conn.Close(ctx)
		return nil, fault.New(fault.Operator, "PostgreSQL %d: must be version 15 or newer", version/10000)
	}
	return conn, nil
}

func acquireLock(ctx context.Context, conn *pgx.Conn, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for {
		var mine bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockClass,
			lockObject).Scan(&mine); err != nil {
			return classifyError(err, "migration lock")
		}
		if mine {
			return nil
		}
		if time.Now().After(deadline) {
			return fault.New(fault.Unavailable, "migration lock: still held by another process after %s", timeout).
				WithHint("wait until that `leadctl migrate` has ended, then try again")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}
