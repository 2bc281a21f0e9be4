package schema

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
)

//go:embed roles.sql
var rolesSQL string

// MinServerVersion is the oldest PostgreSQL version that leadctl supports, in the form of server_version_num.
const MinServerVersion = 150000

// Options are the options of Up, Down and Force.
type Options struct {
	FS fs.FS // the migrations
	// how long to wait for another process, then for locks on tables; default 5 minutes
	LockTimeout time.Duration
	Step        func(version uint, name string, took time.Duration) // called after each applied migration; may be nil
	Adopting    func(table string)                                  // called before each adopted table; may be nil
}

func (o Options) lockTimeout() time.Duration {
	if o.LockTimeout == 0 {
		return 5 * time.Minute
	}
	return o.LockTimeout
}

// Result is the result of Up.
type Result struct {
	From uint `json:"from" yaml:"from"` // the version before
	To   uint `json:"to" yaml:"to"`     // the version after

	// Unassigned is the number of rows in <table>_unassigned, by table: rows that adoption could assign to no tenant
	// or key.
	Unassigned map[string]int64 `json:"unassigned,omitempty" yaml:"unassigned,omitempty"`
	// PlaintextSecrets is the number of adopted rows of odoo_connections whose secret is not encrypted.
	PlaintextSecrets int64 `json:"plaintext_secrets,omitempty" yaml:"plaintext_secrets,omitempty"`
	// Notes lists the objects of other services that adoption dropped or changed, such as a foreign key.
	Notes []string `json:"notes,omitempty" yaml:"notes,omitempty"`
}

// Up migrates the database at dsn to the latest schema: first the roles, then each pending file in its own
// transaction, then River's tables. Several processes can run it at once: one migrates, the others wait and then find
// nothing pending. If an earlier call was killed, Up continues where it stopped.
//
// A migration waits at most one second for a lock on a table and then tries again, so that other services do not queue
// behind it for longer. Faults: Operator if a file outside a transaction was left unfinished, a migration was
// edited, or the database is newer than this binary or cannot be adopted; Unavailable if a lock is not free within
// opts.LockTimeout.
func Up(ctx context.Context, dsn string, opts Options) (Result, error) {
	var res Result
	err := withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) (err error) {
		runner := migrationRunner{dsn: dsn, fsys: opts.FS, list: list}
		st, err := runner.resumeInterrupted(ctx, conn, opts)
		if err != nil {
			return err
		}
		if st.Dirty || st.Version > st.Latest || len(st.namesInState(Edited)) > 0 {
			return st.Problem()
		}
		res.From, res.To = st.Version, st.Version
		if err := prepareDatabase(ctx, conn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, leaveRoles(context.WithoutCancel(ctx), conn)) }()
		for _, m := range list[st.Version:] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := applyMigration(ctx, conn, runner, m, opts, &res); err != nil {
				return err
			}
			res.To = m.Version
		}
		if err := migrateJobs(ctx, dsn, opts); err != nil {
			return err
		}
		return countAdopted(ctx, conn, &res)
	})
	return res, err
}

// prepareDatabase creates the roles, golang-migrate's version table and the table of applied migrations. PUBLIC may
// read both tables, because the daemon's login, which has no privilege of its own, reads the version.
func prepareDatabase(ctx context.Context, conn *pgx.Conn) error {
	if err := joinRoles(ctx, conn); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, fmt.Sprintf(`
		SET ROLE %[1]s;
		CREATE TABLE IF NOT EXISTS public.%[2]s (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);
		CREATE TABLE IF NOT EXISTS public.%[3]s (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now());
		GRANT SELECT ON public.%[2]s, public.%[3]s TO PUBLIC;
		RESET ROLE`, OwnerRole, versionTable, checksumTable))
	return classifyError(err, "table "+checksumTable)
}

// applyMigration applies m, records it and adds its notes to res.
func applyMigration(ctx context.Context, conn *pgx.Conn, r migrationRunner, m Migration, opts Options, res *Result,
) error {
	start := time.Now()
	var notes []string
	r.notice, r.begun = func(text string) { notes = append(notes, text) }, opts.Adopting
	err := retryOnLock(ctx, opts, func() error {
		notes = nil
		return r.stepMigration(ctx, conn, m, 1)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return stepFault(m, err)
	}
	if err := recordMigrations(ctx, conn, insertRecordSQL(m)); err != nil {
		return err
	}
	res.Notes = append(res.Notes, notes...)
	if opts.Step != nil {
		opts.Step(m.Version, m.Name, time.Since(start))
	}
	return nil
}

// recordMigrations runs sql, from insertRecordSQL and deleteRecordSQL, as the owner. Most files have recorded
// themselves in their transaction already; a file that runs outside a transaction has not.
func recordMigrations(ctx context.Context, conn *pgx.Conn, sql string) error {
	_, err := conn.Exec(ctx, `SET ROLE `+OwnerRole+`;`+sql+`RESET ROLE`)
	return classifyError(err, "table "+checksumTable)
}

// forceArgument returns version in the form that golang-migrate's Force takes.
func forceArgument(version uint) int {
	if version == 0 {
		return database.NilVersion
	}
	return int(version)
}
