package schema

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

//go:embed roles.sql
var rolesSQL string

// MinServerVersion is the oldest PostgreSQL that leadctl runs on, as server_version_num counts.
const MinServerVersion = 150000

// Options of a change to the schema. FS is the set of migrations, LockTimeout how long to wait for another runner,
// and then for tables that somebody uses (default 5 minutes), Step is told each migration as it is done.
type Options struct {
	FS          fs.FS
	LockTimeout time.Duration
	Step        func(version uint, name string, took time.Duration)
}

func (o Options) lockTimeout() time.Duration {
	if o.LockTimeout == 0 {
		return 5 * time.Minute
	}
	return o.LockTimeout
}

// Result of Up.
type Result struct {
	From             uint             `json:"from" yaml:"from"`
	To               uint             `json:"to" yaml:"to"`
	Unassigned       map[string]int64 `json:"unassigned,omitempty" yaml:"unassigned,omitempty"`               // rows in <table>_unassigned, by table: what adoption could not place
	PlaintextSecrets int64            `json:"plaintext_secrets,omitempty" yaml:"plaintext_secrets,omitempty"` // adopted odoo_connections still unencrypted
	Notes            []string         `json:"notes,omitempty" yaml:"notes,omitempty"`                         // what adoption took away from other services, such as a foreign key
}

// Up brings the database at dsn to the latest schema: roles, then each pending file in its own transaction, then River's
// tables. It is safe to run from any number of places at once: one works, the others wait and find nothing to do. Behind
// somebody's long transaction it tries again and again, one second at a time, so that the platform's other services do not
// queue up behind it. Faults: Operator when the database is dirty, edited, newer than this binary or in the way of adoption;
// Unavailable when a lock stays held.
func Up(ctx context.Context, dsn string, opts Options) (Result, error) {
	var res Result
	err := withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
		st, err := ReadStatus(ctx, conn, opts.FS)
		if err != nil {
			return err
		}
		if problem := st.Problem(); problem != nil && (st.Dirty || st.Version >= st.Latest || len(st.namesInState(Edited)) > 0) {
			return problem
		}
		res.From, res.To = st.Version, st.Version
		if err := prepareDatabase(ctx, conn); err != nil {
			return err
		}
		for _, m := range list[st.Version:] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := applyMigration(ctx, conn, dsn, list, m, opts, &res); err != nil {
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

// prepareDatabase makes the roles and what golang-migrate and we keep account in. Everybody may read that: a daemon's login, which
// has no other right, asks for the version with it.
func prepareDatabase(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, rolesSQL); err != nil {
		return classifyError(err, "roles")
	}
	_, err := conn.Exec(ctx, fmt.Sprintf(`
		SET ROLE %[1]s;
		CREATE TABLE IF NOT EXISTS public.%[2]s (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);
		CREATE TABLE IF NOT EXISTS public.%[3]s (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
		GRANT SELECT ON public.%[2]s, public.%[3]s TO PUBLIC;
		RESET ROLE`, OwnerRole, versionTable, checksumTable))
	return classifyError(err, "account of migrations")
}

func applyMigration(ctx context.Context, conn *pgx.Conn, dsn string, list []Migration, m Migration, opts Options, res *Result) error {
	start := time.Now()
	var notes []string
	w := migrationRunner{dsn: dsn, fsys: opts.FS, list: list, notice: func(text string) { notes = append(notes, text) }}
	err := retryOnLock(ctx, opts, func() error {
		notes = nil
		return w.stepMigration(ctx, conn, m, 1)
	})
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

// Down undoes the latest migration. Its tables and their rows are gone afterwards.
// A migration without a down file (the first one, which may have adopted other services' rows) is an Invalid fault.
func Down(ctx context.Context, dsn string, opts Options) (Migration, error) {
	var undone Migration
	err := withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
		st, err := ReadStatus(ctx, conn, opts.FS)
		if err != nil {
			return err
		}
		if st.Dirty || st.Version > st.Latest {
			return st.Problem()
		}
		if st.Version == 0 {
			return fault.New(fault.Invalid, "schema version 0: nothing to undo")
		}
		undone = list[st.Version-1]
		if !undone.Reversible {
			return fault.New(fault.Invalid, "migration %d_%s: it cannot be undone without losing the platform's rows", undone.Version, undone.Name).
				WithHint("drop the database instead, if that is what you mean")
		}
		w := migrationRunner{dsn: dsn, fsys: opts.FS, list: list}
		if err := w.stepMigration(ctx, conn, undone, -1); err != nil {
			return stepFault(undone, err)
		}
		return recordMigrations(ctx, conn, deleteRecordSQL(undone.Version))
	})
	return undone, err
}

// Force sets the recorded version without running anything and clears the dirty flag: the operator's word that the
// database is as this binary's files up to version make it. It never runs by itself.
func Force(ctx context.Context, dsn string, version uint, opts Options) error {
	return withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
		if int(version) > len(list) {
			return fault.New(fault.Invalid, "migration %d: this leadctl knows %d", version, len(list))
		}
		if known, err := hasTable(ctx, conn, checksumTable); err != nil || !known {
			return errors.Join(err, fault.New(fault.Invalid, "database: never migrated").WithHint("run `leadctl migrate`"))
		}
		w := migrationRunner{dsn: dsn, fsys: opts.FS, list: list}
		if err := w.withMigrate(ctx, func(g *migrate.Migrate) error { return g.Force(forceArgument(version)) }); err != nil {
			return classifyError(err, fmt.Sprintf("schema version %d", version))
		}
		lines := deleteRecordSQL(version + 1)
		for _, m := range list[:version] {
			lines += insertRecordSQL(m)
		}
		return recordMigrations(ctx, conn, lines)
	})
}

// recordMigrations writes lines on conn. Most files have done so themselves; one that must run alone could not.
func recordMigrations(ctx context.Context, conn *pgx.Conn, lines string) error {
	_, err := conn.Exec(ctx, `SET ROLE `+OwnerRole+`;`+lines+`RESET ROLE`)
	return classifyError(err, "account of migrations")
}

// forceArgument is version as golang-migrate's Force takes it.
func forceArgument(version uint) int {
	if version == 0 {
		return database.NilVersion
	}
	return int(version)
}

// stepFault explains a migration that did not go through. golang-migrate's own error holds the whole file, so only what
// PostgreSQL said is kept.
func stepFault(m Migration, err error) error {
	pg := pgError(err)
	if pg == nil {
		return fault.New(fault.Unavailable, "migration %d_%s: %w", m.Version, m.Name, err)
	}
	if isLockTimeout(err) {
		return fault.New(fault.Unavailable, "migration %d_%s: a transaction of somebody else's holds its tables", m.Version, m.Name).
			WithHint("nothing was changed; end that transaction (pg_stat_activity shows it) and run `leadctl migrate` again")
	}
	text := pg.Message
	if pg.Detail != "" {
		text += " (" + pg.Detail + ")"
	}
	return fault.New(fault.Operator, "migration %d_%s: %s, SQLSTATE %s", m.Version, m.Name, text, pg.Code).WithHint("%s", stepHint(m, pg))
}

func stepHint(m Migration, pg *pgconn.PgError) string {
	switch {
	case m.noTransaction:
		return fmt.Sprintf("it runs outside a transaction and may be half done: put that right, then run `leadctl migrate force %d` and `leadctl migrate`", m.Version-1)
	case pg.Code == "42501":
		return rightsHint
	case pg.Hint != "":
		return pg.Hint + "; nothing was changed, so run `leadctl migrate` again after that"
	}
	return "nothing was changed; resolve the cause and run `leadctl migrate` again"
}

const rightsHint = "migrate with a login that owns the database and its tables and has CREATEROLE, or as a superuser"

// pgError is what PostgreSQL said, also inside golang-migrate's errors, which do not unwrap and come in two shapes; nil when
// it said nothing.
func pgError(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	var value database.Error
	var pointer *database.Error
	switch {
	case errors.As(err, &value):
		err = value.OrigErr
	case errors.As(err, &pointer):
		err = pointer.OrigErr
	}
	if errors.As(err, &pg) {
		return pg
	}
	return nil
}

// classifyError classifies what went wrong with what: a right that is missing is the operator's affair, anything else may pass.
func classifyError(err error, what string) error {
	if err == nil {
		return nil
	}
	if pg := pgError(err); pg != nil && pg.Code == "42501" {
		return fault.New(fault.Operator, "%s: %s", what, pg.Message).WithHint(rightsHint)
	}
	return fault.New(fault.Unavailable, "%s: %w", what, err)
}
