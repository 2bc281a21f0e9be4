package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/failpoint"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// TenantTx is a transaction that sees one tenant's rows. Only InTenant makes one.
type TenantTx struct {
	statements
	tenant tenantid.ID
}

// Tenant returns the tenant whose rows this transaction sees.
func (t TenantTx) Tenant() tenantid.ID { return t.tenant }

// SystemTx is a transaction of the control plane. Only InSystem makes one.
type SystemTx struct {
	statements
	visited  *tenantid.ID // the tenant of AsTenant; 0 before the first call
	streamed *bool        // CopyFrom was called: its stream cannot be read again
}

// Tx returns the transaction itself, for a library that inserts into its own tables (River).
func (s SystemTx) Tx() pgx.Tx { return s.tx }

// CopyFrom runs the COPY … FROM STDIN statement sql with rows as its input and returns the number of rows. The table
// must be one without row security.
func (s SystemTx) CopyFrom(ctx context.Context, rows io.Reader, sql string) (int64, error) {
	*s.streamed = true
	tag, err := s.tx.Conn().PgConn().CopyFrom(ctx, rows, sql)
	return tag.RowsAffected(), err
}

// statements has the methods of a transaction that run statements. It has none that commit, roll back or nest.
type statements struct{ tx pgx.Tx }

// Exec runs one statement.
func (s statements) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return s.tx.Exec(ctx, sql, args...)
}

// Query runs one statement and returns its rows as a stream.
func (s statements) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return s.tx.Query(ctx, sql, args...)
}

// QueryRow runs one statement and returns its first row.
func (s statements) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.tx.QueryRow(ctx, sql, args...)
}

// SendBatch runs several statements in one round trip.
func (s statements) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return s.tx.SendBatch(ctx, b)
}

// openDoor is the key that marks a context inside a transaction. A door inside another door would wait for a second
// connection, which is a deadlock if the pool is small, and could mix the data of two tenants.
type openDoor struct{}

// InTenant runs fn in a transaction as leadctl_app that sees only the rows of tenant id. It commits if fn returns nil.
//
// The role and the tenant are set for this transaction only, in the message that begins it, so the connection returns
// to the pool without them.
//
// If PostgreSQL rolls the transaction back because of a deadlock or a serialization failure, InTenant calls fn again,
// up to three times in all. Faults: those of fn; Unavailable; Conflict; Internal for an invalid id or a door inside a
// door.
func (db *DB) InTenant(ctx context.Context, id tenantid.ID, fn func(ctx context.Context, tx TenantTx) error) error {
	return db.inTenant(ctx, id, "", fn)
}

// ReadTenant is like InTenant, but read only: all statements of fn see one snapshot, and fn is called once.
func (db *DB) ReadTenant(ctx context.Context, id tenantid.ID, fn func(ctx context.Context, tx TenantTx) error) error {
	return db.inTenant(ctx, id, " isolation level repeatable read read only", fn)
}

func (db *DB) inTenant(ctx context.Context, id tenantid.ID, mode string,
	fn func(context.Context, TenantTx) error,
) error {
	if !id.Valid() {
		return fault.New(fault.Internal, "tenant id %d: must be 1 or more", id)
	}
	begin := fmt.Sprintf(`begin%s; select set_config('request.tenant_id', '%d', true),
		set_config('role', '%s', true), %s`, mode, id, schema.AppRole, db.local)
	return db.runTransaction(ctx, "tenant", begin, func(ctx context.Context, tx pgx.Tx) (final bool, err error) {
		return mode != "", fn(ctx, TenantTx{statements{tx}, id}) // a reader may have sent rows to its client already
	})
}

// InSystem runs fn in a transaction as leadctl_system. reason is a short constant, such as "resolve tenant". It is
// logged at debug level, so that every use of the control plane can be traced. fn can be called again as by InTenant,
// unless it has called CopyFrom.
func (db *DB) InSystem(ctx context.Context, reason string, fn func(ctx context.Context, tx SystemTx) error) error {
	start := time.Now()
	begin := fmt.Sprintf(`begin; select set_config('request.tenant_id', '', true),
		set_config('role', '%s', true), %s`, schema.SystemRole, db.local)
	err := db.runTransaction(ctx, reason, begin, func(ctx context.Context, tx pgx.Tx) (final bool, err error) {
		err = fn(ctx, SystemTx{statements{tx}, new(tenantid.ID), &final})
		return final, err
	})
	db.opts.Log.DebugContext(ctx, "control plane", "reason", reason, "took", time.Since(start), "ok", err == nil)
	return err
}

// AsTenant runs fn inside this transaction with the role and the tenant of InTenant, then sets the role of the control
// plane again. It is for a tenant's rows that must be committed together with a job. It can be called again for the
// same tenant only. Faults: those of fn, after which the caller must roll back; Internal for an invalid id or another
// tenant.
func (s SystemTx) AsTenant(ctx context.Context, id tenantid.ID, fn func(ctx context.Context, tx TenantTx) error) error {
	if !id.Valid() || *s.visited != 0 && *s.visited != id {
		return fault.New(fault.Internal, "tenant %d in a transaction of tenant %d", id, *s.visited)
	}
	*s.visited = id
	const become = `SELECT set_config('request.tenant_id', $1, true), set_config('role', $2, true)`
	if _, err := s.tx.Exec(ctx, become, id.String(), schema.AppRole); err != nil {
		return err
	}
	if err := fn(ctx, TenantTx{s.statements, id}); err != nil {
		return err // the role stays leadctl_app: a caller that continues has no privilege of the control plane
	}
	_, err := s.tx.Exec(ctx, become, "", schema.SystemRole)
	return err
}

// maxAttempts is how often a transaction is run if PostgreSQL rolls it back because of others.
const maxAttempts = 3

// runTransaction begins and ends every transaction. If fn panics, it rolls back and passes the panic on. fn returns
// final if it must not be called again. reason is part of the failpoints' names.
func (db *DB) runTransaction(ctx context.Context, reason, begin string,
	fn func(context.Context, pgx.Tx) (final bool, err error),
) error {
	if ctx.Value(openDoor{}) != nil {
		return fault.New(fault.Internal, "transaction inside a transaction: pass the outer one instead")
	}
	var err error
	for range maxAttempts {
		var final bool
		err = pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) (err error) {
			final, err = fn(context.WithValue(ctx, openDoor{}, true), tx)
			failpoint.Hit("before commit", reason)
			return err
		})
		if final || !isRolledBack(err) {
			break
		}
	}
	failpoint.Hit("after commit", reason)
	return classifyError(err, "database")
}

// isRolledBack reports whether PostgreSQL rolled the transaction back because of a serialization failure or a deadlock.
func isRolledBack(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
