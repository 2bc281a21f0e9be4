// Package postgres runs all transactions of the daemon and of the commands, through two doors: InTenant and InSystem.
//
// InTenant runs a transaction as the role leadctl_app and sets the tenant for that transaction only. Row-level
// security then shows that tenant's rows and no others. InSystem runs a transaction as the role leadctl_system, the
// control plane, which has no privilege on lead data; the caller states a reason. The pool is not exported and its
// login has no privilege of its own, so no other access is possible.
//
// Functions that need the database take a TenantTx or a SystemTx and do not begin a transaction: their signature shows
// which door they need. Lock takes a lock that all processes share. Package schema and /migrations make the tables.
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

// Options are the options of Open. A zero field means its default.
type Options struct {
	MaxConns int32         // maximum number of connections for requests; default 10
	JobConns int32         // maximum number of connections for jobs, which have their own pool; default 5
	AppName  string        // application_name in pg_stat_activity; default "leadctl"
	Timeout  time.Duration // statement_timeout of every statement; default 30 s
	Log      *slog.Logger  // default: no log
}

// DB is a connection pool for a database with leadctl's schema. It is safe for concurrent use.
type DB struct {
	pool  *pgxpool.Pool
	cfg   *pgxpool.Config
	opts  Options
	local string // calls of set_config with the settings of every transaction
	locks lockTimes

	jobsOnce sync.Once
	jobs     *pgxpool.Pool
	jobsErr  error
}

// Open returns a DB for dsn without connecting. If the database is down, its first use returns an Unavailable fault.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	opts = withDefaults(opts)
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string").
			WithHint("use postgres://USER@HOST:PORT/DATABASE or keyword=value pairs")
	}
	cfg.MaxConns = opts.MaxConns
	// A transaction pooler accepts these two parameters. The doors set all others in each transaction.
	cfg.ConnConfig.RuntimeParams["application_name"] = opts.AppName
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "PostgreSQL: %w", err)
	}
	local := localSettingsSQL(sessionSettings(opts))
	return &DB{pool: pool, cfg: cfg, opts: opts, local: local, locks: defaultLockTimes}, nil
}

// sessionSettings returns the parameters that every statement runs with.
func sessionSettings(opts Options) map[string]string {
	return map[string]string{
		"search_path":                         "public, pg_temp", // last, so that a temporary table hides no other
		"statement_timeout":                   formatMillis(opts.Timeout),
		"lock_timeout":                        formatMillis(opts.Timeout / 3),
		"idle_in_transaction_session_timeout": formatMillis(2 * opts.Timeout),
	}
}

// localSettingsSQL returns SQL that sets the parameters in settings for one transaction.
func localSettingsSQL(settings map[string]string) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		calls = append(calls, fmt.Sprintf("set_config('%s', '%s', true)", name, settings[name]))
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

// Close waits for the connections in use and closes all connections.
func (db *DB) Close() {
	db.jobsOnce.Do(func() { db.jobsErr = fault.New(fault.Unavailable, "database: closed") })
	if db.jobs != nil {
		db.jobs.Close()
	}
	db.pool.Close()
}

// JobsPool returns the pool for River. Its connections have the role leadctl_system permanently, because River runs
// statements outside the doors. Only package jobs may use it. River listens for notifications and needs settings of the
// session, so acquiring a connection through a transaction pooler returns an Operator fault.
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

// Ping returns nil if the database answers and accepts writes, else a fault. If it accepts none, Ping also closes the
// connections, because the next ones may lead to a primary.
func (db *DB) Ping(ctx context.Context) error {
	var readOnly bool
	err := db.pool.QueryRow(ctx, `SELECT current_setting('transaction_read_only')::boolean`).Scan(&readOnly)
	if err != nil || !readOnly {
		return classifyError(err, "PostgreSQL")
	}
	db.pool.Reset()
	if jobs, err := db.JobsPool(ctx); err == nil {
		jobs.Reset()
	}
	return fault.New(fault.Unavailable, "PostgreSQL: it is read-only").WithRetryAfter(2 * time.Second).
		WithHint("let POSTGRES_DSN name the primary, or several hosts with target_session_attrs=read-write")
}

// Stat returns the state of the pool for requests, for metrics.
func (db *DB) Stat() *pgxpool.Stat { return db.pool.Stat() }
