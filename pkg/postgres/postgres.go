// Package postgres is the only way to the database for everything that serves: two doors and a lock.
//
// InTenant runs a transaction as leadctl_app with the tenant set for that transaction only; row-level security then
// shows that tenant's rows and no others. InSystem runs one as leadctl_system, the control plane, with a reason; it has
// no right on lead data. The pool itself is not exported, and the login behind it has no rights of its own, so there is
// no third way. Functions that need the database take a TenantTx or a SystemTx and never begin one themselves: which
// kind they need is in their signature. What the tables look like is package schema and /migrations.
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// Options of Open. Zero values are fine.
type Options struct {
	MaxConns int32         // most connections for requests; default 10. Jobs have a pool of their own.
	JobConns int32         // most connections for jobs; default 5
	AppName  string        // application_name, seen in pg_stat_activity; default "leadctl"
	Timeout  time.Duration // statement_timeout of every statement; default 30 s
	Log      *slog.Logger
}

// DB is a database whose schema is leadctl's. It is safe for concurrent use.
type DB struct {
	pool  *pgxpool.Pool
	cfg   *pgxpool.Config
	opts  Options
	local string // settings of every transaction, as calls of set_config
	locks lockTimes

	jobsOnce sync.Once
	jobs     *pgxpool.Pool
	jobsErr  error
}

// Open prepares pools for dsn without connecting: a database that is down shows at the first use, as Unavailable.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	opts = withDefaults(opts)
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string").
			WithHint("use postgres://USER@HOST:PORT/DATABASE or keyword=value pairs")
	}
	cfg.MaxConns = opts.MaxConns
	// These two a transaction pooler lets through. What else a transaction needs is set in it, by the doors.
	cfg.ConnConfig.RuntimeParams["application_name"] = opts.AppName
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "PostgreSQL: %w", err)
	}
	return &DB{pool: pool, cfg: cfg, opts: opts, local: localSettingsSQL(sessionSettings(opts)), locks: lockTimes{beat: 5 * time.Second, idle: 30 * time.Second}}, nil
}

// sessionSettings are what statements of ours run under.
func sessionSettings(opts Options) map[string]string {
	return map[string]string{
		"search_path":                         "public, pg_temp", // pg_temp last: nothing temporary shadows a table or function
		"statement_timeout":                   formatMillis(opts.Timeout),
		"lock_timeout":                        formatMillis(opts.Timeout / 3),
		"idle_in_transaction_session_timeout": formatMillis(2 * opts.Timeout),
	}
}

// localSettingsSQL is SQL that makes set hold for one transaction.
func localSettingsSQL(set map[string]string) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		calls = append(calls, fmt.Sprintf("set_config('%s', '%s', true)", name, set[name]))
	}
	return strings.Join(calls, ", ")
}

func withDefaults(o Options) Options {
	if o.MaxConns == 0 {
		o.MaxConns = 10
	}
	if o.JobConns == 0 {
		o.JobConns = 5
	}
	if o.AppName == "" {
		o.AppName = "leadctl"
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Close ends every connection, waiting for those in use.
func (db *DB) Close() {
	db.jobsOnce.Do(func() { db.jobsErr = fault.New(fault.Unavailable, "database: closed") })
	if db.jobs != nil {
		db.jobs.Close()
	}
	db.pool.Close()
}

// JobsPool is the pool that River works on: its connections are leadctl_system for good, since River runs statements
// outside our doors. Nothing but package jobs may use it. It listens for notifications and sets its sessions up, so it
// cannot work through a transaction pooler.
func (db *DB) JobsPool(ctx context.Context) (*pgxpool.Pool, error) {
	db.jobsOnce.Do(func() {
		cfg := db.cfg.Copy()
		cfg.MaxConns = db.opts.JobConns
		maps.Copy(cfg.ConnConfig.RuntimeParams, sessionSettings(db.opts))
		cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
			if err := requireOwnSession(ctx, c); err != nil {
				return err
			}
			_, err := c.Exec(ctx, `SET ROLE `+schema.SystemRole)
			return err
		}
		db.jobs, db.jobsErr = pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	})
	return db.jobs, db.jobsErr
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return classifyError(db.pool.Ping(ctx), "PostgreSQL")
}

// Stat is the request pool's state, for metrics.
func (db *DB) Stat() *pgxpool.Stat { return db.pool.Stat() }
