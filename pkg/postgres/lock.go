package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Lock takes the session lock (class, object) if nobody has it. It is free again when release returns, or when PostgreSQL
// notices that this process died: what it guards needs no lease. It keeps a connection of its own. Behind a pooler a
// session is nobody's own, so there it is an Operator fault. Callers take class and object from constants and tenant
// ids, never from what a user typed.
func (db *DB) Lock(ctx context.Context, class, object int32) (release func(), ok bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, false, classify(err, "database")
	}
	if err = direct(ctx, conn.Conn()); err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, class, object).Scan(&ok)
	}
	if err != nil || !ok {
		conn.Release()
		return nil, false, classify(err, "lock")
	}
	// Taken out of the pool: locks held for long leave the pool's connections to requests, and closing frees the lock.
	own := conn.Hijack()
	return func() { unlock(context.WithoutCancel(ctx), own, class, object) }, true, nil
}

// unlock frees the lock before it closes the connection, since the server ends a session only after its client has gone.
func unlock(ctx context.Context, own *pgx.Conn, class, object int32) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = own.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, class, object) // closing does it too, a moment later
	_ = own.Close(ctx)
}

// direct is an Operator fault when somebody stands between conn and its session: the process id that a pooler gave to its
// client is not that of the session at work.
func direct(ctx context.Context, conn *pgx.Conn) error {
	var pid uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return err
	}
	if pid != conn.PgConn().PID() {
		return fault.New(fault.Operator, "PostgreSQL: reached through a pooler, where session locks and notifications do not work").
			WithHint("let POSTGRES_DSN name the server itself; leadctl pools its connections")
	}
	return nil
}
