package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// lockTimes are of a session that holds a lock. It says something every beat, and PostgreSQL ends it when it has said nothing
// for idle: its process stands still. Of a machine that vanished PostgreSQL hears by keepalives, after as long.
type lockTimes struct{ beat, idle time.Duration }

// Lock takes the session lock (class, object) if nobody has it. It is free again when release returns; at once when this
// process dies; and half a minute after it stands still or its machine vanishes, so that whoever wakes up may find it taken. It
// keeps a connection of its own. Behind a pooler a session is nobody's own, so there it is an Operator fault. Callers take
// class and object from constants and tenant ids, never from what a user typed.
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
	// Taken out of the pool: locks held for long leave the pool's connections to requests, and closing frees the lock.
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

// setKeepalives has PostgreSQL end the session of a process that is not heard of any more. Over a socket file keepalives mean nothing.
func (db *DB) setKeepalives(ctx context.Context, own *pgx.Conn) error {
	idle := formatMillis(db.locks.idle)
	_, err := own.Exec(ctx, `SET idle_session_timeout = `+idle+`; SET tcp_user_timeout = `+idle+`; SET tcp_keepalives_idle = 10;
		SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4`) // for the session: nobody else ever has this connection
	return err
}

// pingSession is heard of until stop is closed, or until the session is gone, and the lock with it.
func (db *DB) pingSession(ctx context.Context, own *pgx.Conn, stop <-chan struct{}) {
	tick := time.NewTicker(db.locks.beat)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		pingCtx, cancel := context.WithTimeout(ctx, db.locks.idle/2) // a server that is slow to answer still has us
		err := own.Ping(pingCtx)
		cancel()
		if err != nil {
			db.opts.Log.WarnContext(ctx, "lock lost: its session has ended", "error", err)
			return
		}
	}
}

// releaseLock frees the lock before it closes the connection, since the server ends a session only after its client has gone.
func releaseLock(ctx context.Context, own *pgx.Conn, class, object int32) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = own.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, class, object) // closing does it too, a moment later
	_ = own.Close(ctx)
}

// requireOwnSession is an Operator fault when somebody stands between conn and its session: the process id that a pooler gave to its
// client is not that of the session at work.
func requireOwnSession(ctx context.Context, conn *pgx.Conn) error {
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
