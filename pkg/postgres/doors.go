package postgres

import (
	"context"
	"errors"
	"fmt"
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

// Tenant is whose rows this transaction sees.
func (t TenantTx) Tenant() tenantid.ID { return t.tenant }

// SystemTx is a transaction of the control plane. Only InSystem makes one.
type SystemTx struct {
	statements
	visited  *tenantid.ID // the tenant of AsTenant; 0 before
	streamed *bool        // rows of a stream went in, which nobody can read again
}

// Tx is the transaction itself, for libraries that insert into their own tables with it (River).
func (s SystemTx) Tx() pgx.Tx { return s.tx }

// CopyFrom streams rows in COPY text format into table, which must be one without row security.
func (s SystemTx) CopyFrom(ctx context.Context, rows interface{ Read([]byte) (int, error) }, sql string) (int64, error) {
	*s.streamed = true
	tag, err := s.tx.Conn().PgConn().CopyFrom(ctx, rows, sql)
	return tag.RowsAffected(), err
}

// statements is what a transaction can be asked. It cannot be committed, rolled back or nested from inside.
type statements struct{ tx pgx.Tx }

// Exec runs one statement.
func (s statements) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return s.tx.Exec(ctx, sql, args...)
}

// Query runs one statement and streams its rows.
func (s statements) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return s.tx.Query(ctx, sql, args...)
}

// QueryRow runs one statement for its first row.
func (s statements) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.tx.QueryRow(ctx, sql, args...)
}

// SendBatch runs several statements in one round trip.
func (s statements) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return s.tx.SendBatch(ctx, b)
}

// openDoor marks a context that is inside a transaction. A second door inside the first would wait for a second
// connection (a deadlock when the pool is small) and could mix two tenants in one piece of work.
type openDoor struct{}

// InTenant runs fn in a transaction as leadctl_app that sees the rows of tenant id. It commits when fn returns nil.
// The role and the tenant are set for this transaction only, in the message that begins it, so the connection goes back
// to the pool without either. What PostgreSQL takes back for the sake of others (a deadlock) is done again from the start, up
// to three times: fn must bear that. Faults: those of fn, Unavailable, Conflict; Internal for an invalid id or a nested door.
func (db *DB) InTenant(ctx context.Context, id tenantid.ID, fn func(ctx context.Context, tx TenantTx) error) error {
	return db.inTenant(ctx, id, "", fn)
}

// ReadTenant is InTenant for reading: one snapshot for all statements of fn, and no write is possible.
func (db *DB) ReadTenant(ctx context.Context, id tenantid.ID, fn func(ctx context.Context, tx TenantTx) error) error {
	return db.inTenant(ctx, id, " isolation level repeatable read read only", fn)
}

func (db *DB) inTenant(ctx context.Context, id tenantid.ID, mode string, fn func(context.Context, TenantTx) error) error {
	if !id.Valid() {
		return fault.New(fault.Internal, "tenant id %d: not a tenant", id)
	}
	begin := fmt.Sprintf(`begin%s; select set_config('request.tenant_id', '%d', true), set_config('role', '%s', true), %s`, mode, id, schema.AppRole, db.local)
	return db.runTransaction(ctx, "tenant", begin, func(ctx context.Context, tx pgx.Tx) (final bool, err error) {
		return mode != "", fn(ctx, TenantTx{statements{tx}, id}) // what was read may have been sent already
	})
}

// InSystem runs fn in a transaction as leadctl_system. The reason is a short constant ("resolve tenant"); it is logged at
// debug level, so that every use of the control plane can be accounted for. fn may be called again as for InTenant, unless
// it used CopyFrom.
func (db *DB) InSystem(ctx context.Context, reason string, fn func(ctx context.Context, tx SystemTx) error) error {
	start := time.Now()
	begin := fmt.Sprintf(`begin; select set_config('request.tenant_id', '', true), set_config('role', '%s', true), %s`, schema.SystemRole, db.local)
	err := db.runTransaction(ctx, reason, begin, func(ctx context.Context, tx pgx.Tx) (final bool, err error) {
		err = fn(ctx, SystemTx{statements{tx}, new(tenantid.ID), &final})
		return final, err
	})
	db.opts.Log.DebugContext(ctx, "control plane", "reason", reason, "took", time.Since(start), "ok", err == nil)
	return err
}

// AsTenant runs fn within this transaction as InTenant would run it, and then goes on as the control plane: for rows of a
// tenant that must be committed together with a job. It may be called again for the same tenant only. Faults: those of fn,
// after which the transaction must be given up; Internal for an invalid id or a second tenant.
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
		return err // still as the tenant: whoever goes on in spite of it has no right of the control plane
	}
	_, err := s.tx.Exec(ctx, become, "", schema.SystemRole)
	return err
}

// attempts at a transaction that PostgreSQL takes back.
const attempts = 3

// runTransaction is the one place where transactions begin and end. A panic in fn rolls back and goes on. fn says whether it must not be
// called again. The reason names the failpoints.
func (db *DB) runTransaction(ctx context.Context, reason, begin string, fn func(context.Context, pgx.Tx) (final bool, err error)) error {
	if ctx.Value(openDoor{}) != nil {
		return fault.New(fault.Internal, "transaction inside a transaction: pass the one you have")
	}
	var err error
	for range attempts {
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

// isRolledBack reports whether PostgreSQL ended the transaction for the sake of others, and nothing of it was done.
func isRolledBack(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
