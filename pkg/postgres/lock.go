package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// lockTimes are the times of a session that holds a lock. The process pings the session every beat. PostgreSQL ends
// the session after idle without a message, because the process is stopped. If the process's machine is lost, TCP
// keepalives end the session after about the same time.
type lockTimes struct{ beat, idle time.Duration }

var defaultLockTimes = lockTimes{beat: 5 * time.Second, idle: 30 * time.Second}

// Lock takes the session-level advisory lock (class, object). ok is false if another session holds it.
//
// The lock is free again when release returns, or immediately after this process dies. If this process is stopped or
// its machine is lost, the lock becomes free after 30 seconds; a process that continues after that can find it taken
// by another. A lock uses its own connection. Behind a transaction pooler a client has no session of its own, so Lock
// returns an Operator fault. class and object must come from constants and tenant ids, not from a user's input.
func (db *DB) Lock(ctx context.Context, class, object int32) (release func(), ok bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, false, classifyError(err, "database")
	}
	if err = requireOwnSession(ctx, conn.Conn()); err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, class, object).Scan(&ok)
	}
	if err != nil || !ok {
		conn.Release()
		return nil, false, classifyError(err, "lock")
	}
	// Out of the pool, so that a lock held for long takes no connection from requests. Closing it frees the lock.
	own := conn.Hijack()
	if err = db.setKeepalives(ctx, own); err != nil {
		_ = own.Close(ctx)
		return nil, false, classifyError(err, "lock")
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		db.pingSession(context.WithoutCancel(ctx), own, stop)
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-ended
		releaseLock(context.WithoutCancel(ctx), own, class, object)
	}), true, nil
}

// setKeepalives sets the timeouts after which PostgreSQL ends the session of a process that sends nothing. They are set
// for the whole session, because no other code uses this connection. On a Unix socket the TCP settings have no effect.
func (db *DB) setKeepalives(ctx context.Context, own *pgx.Conn) error {
	idle := formatMillis(db.locks.idle)
	_, err := own.Exec(ctx, `SET idle_session_timeout = `+idle+`; SET tcp_user_timeout = `+idle+`;
		SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4`)
	return err
}

// pingSession pings the session every beat, until stop is closed or a ping fails. A failed ping means that the session
// has ended and the lock is lost.
func (db *DB) pingSession(ctx context.Context, own *pgx.Conn, stop <-chan struct{}) {
	tick := time.NewTicker(db.locks.beat)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		pingCtx, cancel := context.WithTimeout(ctx, db.locks.idle/2) // a slow server can still hold the session
		err := own.Ping(pingCtx)
		cancel()
		if err != nil {
			db.opts.Log.WarnContext(ctx, "lock lost: its session has ended", "error", err)
			return
		}
	}
}

// releaseLock frees the lock and closes the connection. The server ends a session some time after its client has closed
// the connection, so the lock is freed first.
func releaseLock(ctx context.Context, own *pgx.Conn, class, object int32) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = own.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, class, object) // if it fails, closing frees the lock
	_ = own.Close(ctx)
}

// requireOwnSession returns an Operator fault if a pooler is between conn and PostgreSQL. A pooler sends its client a
// process id that is not the id of the session that runs the statement.
func requireOwnSession(ctx context.Context, conn *pgx.Conn) error {
	var pid uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return err
	}
	if pid != conn.PgConn().PID() {
		return fault.New(fault.Operator,
			"PostgreSQL: POSTGRES_DSN leads to a pooler, through which session locks and notifications do not work").
			WithHint("let POSTGRES_DSN name the server itself; leadctl pools its own connections")
	}
	return nil
}
