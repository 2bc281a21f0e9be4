package postgres

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// Lock takes the session lock (class, object) if nobody has it. It is freed by release, or by PostgreSQL when this
// process dies: what it guards needs no lease. It keeps a connection of its own, so it needs one that is not behind a
// transaction pooler. Callers take class and object from constants and tenant ids, never from what a user typed.
func (db *DB) Lock(ctx context.Context, class, object int32) (release func(), ok bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return nil, false, classify(err, "database")
	}
	drop := func() {
		// Hijacked and closed, not released: the lock must not stay behind on a pooled connection.
		_ = conn.Hijack().Close(context.WithoutCancel(ctx))
	}
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, class, object).Scan(&ok)
	if err != nil || !ok {
		conn.Release()
		return nil, false, classify(err, "lock")
	}
	return drop, true, nil
}

// Check is what a daemon asks before it listens and `doctor` asks at any time: is the schema this binary's, and does the
// gate find nothing? strict adds the login's own part, which production needs. Faults: Operator with the exact reason.
func (db *DB) Check(ctx context.Context, st func(context.Context, schema.Querier) (schema.Status, error), strict bool) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return classify(err, "PostgreSQL")
	}
	defer conn.Release()
	status, err := st(ctx, conn)
	if err != nil {
		return err
	}
	found, err := schema.Gate(ctx, conn)
	if err != nil {
		return err
	}
	if strict {
		login, err := schema.GateLogin(ctx, conn)
		if err != nil {
			return err
		}
		found = append(login, found...)
	}
	if problem := status.Problem(); problem != nil && fault.Is(problem, fault.Operator) {
		return problem
	}
	return schema.Refusal(found)
}
