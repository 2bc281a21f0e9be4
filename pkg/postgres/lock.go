package postgres

import "context"

// Lock takes the session lock (class, object) if nobody has it. It is freed by release, or by PostgreSQL when this
// process dies: what it guards needs no lease. It keeps a connection of its own, so it needs one that is not behind a
// transaction pooler. Callers take class and object from constants and tenant ids, never from what a user typed.
func (db *DB) Lock(ctx context.Context, class, object int32) (release func(), ok bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, false, classify(err, "database")
	}
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, class, object).Scan(&ok)
	if err != nil || !ok {
		conn.Release()
		return nil, false, classify(err, "lock")
	}
	// Taken out of the pool: locks held for long leave the pool's connections to requests, and closing frees the lock.
	own := conn.Hijack()
	return func() { _ = own.Close(context.WithoutCancel(ctx)) }, true, nil
}
