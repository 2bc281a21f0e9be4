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
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leadctl/leadctl/pkg/fault"
)

//go:embed roles.sql
var rolesSQL string

// MinServerVersion is the oldest PostgreSQL that leadctl runs on, as server_version_num counts.
const MinServerVersion = 150000

// Options of a change to the schema. FS is the set of migrations, LockTimeout how long to wait for another runner
// (default 5 minutes), Step is told each migration as it is done.
type Options struct {
	FS          fs.FS
	LockTimeout time.Duration
	Step        func(version uint, name string, took time.Duration)
}

// Result of Up.
type Result struct {
	From             uint             `json:"from" yaml:"from"`
	To               uint             `json:"to" yaml:"to"`
	Unassigned       map[string]int64 `json:"unassigned,omitempty" yaml:"unassigned,omitempty"`               // rows moved aside by adoption, by table
	PlaintextSecrets int64            `json:"plaintext_secrets,omitempty" yaml:"plaintext_secrets,omitempty"` // adopted odoo_connections still unencrypted
}

// Up brings the database at dsn to the latest schema: roles, then each pending file in its own transaction, then River's
// tables. It is safe to run from any number of places at once: one works, the others wait and find nothing to do.
// Faults: Operator when the database is dirty, edited or newer than this binary; Unavailable when the lock stays held.
func Up(ctx context.Context, dsn string, opts Options) (Result, error) {
	var res Result
	err := locked(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
		st, err := ReadStatus(ctx, conn, opts.FS)
		if err != nil {
			return err
		}
		if problem := st.Problem(); problem != nil && (st.Dirty || st.Version >= st.Latest || len(st.names(Edited)) > 0) {
			return problem
		}
		res.From, res.To = st.Version, st.Version
		if _, err := conn.Exec(ctx, rolesSQL); err != nil {
			return rolesFault(err)
		}
		for _, m := range list[st.Version:] {
			if err := applyOne(ctx, conn, dsn, m, opts); err != nil {
				return err
			}
			res.To = m.Version
		}
		if err := migrateJobs(ctx, dsn); err != nil {
			return err
		}
		return countAdopted(ctx, conn, &res)
	})
	return res, err
}

// Down undoes the latest migration. Its tables and their rows are gone afterwards.
// A migration without a down file (the first one, which may have adopted other services' rows) is an Invalid fault.
func Down(ctx context.Context, dsn string, opts Options) (Migration, error) {
	var undone Migration
	err := locked(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
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
		if err := step(ctx, dsn, opts.FS, -1); err != nil {
			return stepFault(undone, err)
		}
		_, err = conn.Exec(ctx, `DELETE FROM public.`+checksumTable+` WHERE version >= $1`, undone.Version)
		return wrap(err, "applied migrations")
	})
	return undone, err
}

// Force sets the recorded version without running anything and clears the dirty flag: the operator's word that the
// database is as version says. It never runs by itself.
func Force(ctx context.Context, dsn string, version uint, opts Options) error {
	return locked(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
		if int(version) > len(list) {
			return fault.New(fault.Invalid, "migration %d: this leadctl knows %d", version, len(list))
		}
		target := int(version)
		if target == 0 {
			target = -1 // golang-migrate's "nothing applied"
		}
		if err := withMigrate(ctx, dsn, opts.FS, func(m *migrate.Migrate) error { return m.Force(target) }); err != nil {
			return fault.New(fault.Unavailable, "schema version %d: %w", version, err)
		}
		if ok, err := hasTable(ctx, conn, checksumTable); err != nil || !ok {
			return err
		}
		_, err := conn.Exec(ctx, `DELETE FROM public.`+checksumTable+` WHERE version > $1`, version)
		return wrap(err, "applied migrations")
	})
}

func applyOne(ctx context.Context, conn *pgx.Conn, dsn string, m Migration, opts Options) error {
	start := time.Now()
	if err := step(ctx, dsn, opts.FS, 1); err != nil {
		return stepFault(m, err)
	}
	if err := record(ctx, conn, m); err != nil {
		return err
	}
	if opts.Step != nil {
		opts.Step(m.Version, m.Name, time.Since(start))
	}
	return nil
}

// record keeps what ran, so that a file edited later is noticed. A crash before it leaves the version applied and
// unrecorded, which Status reads as applied.
func record(ctx context.Context, conn *pgx.Conn, m Migration) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`
		SET ROLE %[1]s;
		CREATE TABLE IF NOT EXISTS public.%[2]s (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
		GRANT SELECT ON public.%[2]s, public.%[3]s TO %[4]s, %[5]s;
		RESET ROLE`, OwnerRole, checksumTable, versionTable, AppRole, SystemRole))
	if err != nil {
		return wrap(err, "applied migrations")
	}
	_, err = conn.Exec(ctx, `INSERT INTO public.`+checksumTable+` (version, name, sha256) VALUES ($1, $2, $3)
		ON CONFLICT (version) DO UPDATE SET name = EXCLUDED.name, sha256 = EXCLUDED.sha256, applied_at = now()`, m.Version, m.Name, m.SHA256)
	return wrap(err, "applied migrations")
}

func step(ctx context.Context, dsn string, fsys fs.FS, n int) error {
	return withMigrate(ctx, dsn, fsys, func(m *migrate.Migrate) error { return m.Steps(n) })
}

// withMigrate runs fn on golang-migrate over a connection that has become the owner role, so that everything made
// belongs to it whoever logs in.
func withMigrate(ctx context.Context, dsn string, fsys fs.FS, fn func(*migrate.Migrate) error) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string")
	}
	pinSearchPath(cfg)
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `SET ROLE `+OwnerRole)
		return err
	}))
	defer db.Close()
	driver, err := migratepgx.WithInstance(db, &migratepgx.Config{MigrationsTable: versionTable, SchemaName: "public"})
	if err != nil {
		return err
	}
	src, err := iofs.New(fsys, ".")
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("iofs", src, "pgx5", driver)
	if err != nil {
		return err
	}
	runErr := fn(m)
	srcErr, dbErr := m.Close()
	return errors.Join(runErr, srcErr, dbErr)
}

func pinSearchPath(cfg *pgx.ConnConfig) {
	cfg.RuntimeParams["search_path"] = "public, pg_temp"
	cfg.RuntimeParams["application_name"] = "leadctl migrate"
}

// stepFault explains a migration that did not go through. Every file is one transaction, so the database is as before;
// golang-migrate leaves its flag dirty all the same, because it cannot know that.
func stepFault(m Migration, err error) error {
	var de database.Error
	var pg *pgconn.PgError
	if errors.As(err, &de) && errors.As(de.OrigErr, &pg) {
		return fault.New(fault.Operator, "migration %d_%s: %s (SQLSTATE %s)", m.Version, m.Name, pg.Message, pg.Code).
			WithHint("nothing of it was kept; resolve the cause, then run `leadctl migrate force %d` and `leadctl migrate`", m.Version-1).Because(pg)
	}
	return fault.New(fault.Unavailable, "migration %d_%s: %w", m.Version, m.Name, err)
}

func rolesFault(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return fault.New(fault.Operator, "roles and ownership: %s", pg.Message).
			WithHint("migrate with a login that owns the database and its tables and has CREATEROLE, or as a superuser")
	}
	return wrap(err, "roles and ownership")
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "%s: %w", what, err)
}
