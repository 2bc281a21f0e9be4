package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leadctl/leadctl/pkg/fault"
)

// tableWait is how long a migration waits for a table that somebody uses. Everybody else who wants the table waits behind
// it, so it is short, and the attempt is made again.
const tableWait = time.Second

// migrationRunner runs golang-migrate. notice is told what the SQL says with RAISE NOTICE 'leadctl: …'; it may be nil.
type migrationRunner struct {
	dsn    string
	fsys   fs.FS
	list   []Migration
	notice func(string)
}

// withMigrate hands fn a golang-migrate whose connection has become the owner role, so that everything made belongs to it whoever
// logs in.
func (w migrationRunner) withMigrate(ctx context.Context, fn func(*migrate.Migrate) error) error {
	cfg, err := pgx.ParseConfig(w.dsn)
	if err != nil {
		return fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string")
	}
	pinSettings(cfg)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if text, ours := strings.CutPrefix(n.Message, "leadctl: "); ours && w.notice != nil {
			w.notice(text)
		}
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(becomeOwner))
	defer func() { _ = db.Close() }()
	driver, err := migratepgx.WithInstance(db, &migratepgx.Config{MigrationsTable: versionTable, SchemaName: "public"})
	if err != nil {
		return err
	}
	files, err := iofs.New(w.fsys, ".")
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("iofs", recordingSource{files, w.list}, "pgx5", driver)
	if err != nil {
		return err
	}
	runErr := fn(m)
	srcErr, dbErr := m.Close()
	return errors.Join(runErr, srcErr, dbErr)
}

// stepMigration runs the next file in direction (1 or -1), which is m's. When it does not go through, the database is as before and
// golang-migrate is told so, unless the file runs outside a transaction: then its flag stays, and an operator decides.
func (w migrationRunner) stepMigration(ctx context.Context, conn *pgx.Conn, m Migration, direction int) error {
	err := w.withMigrate(ctx, func(g *migrate.Migrate) error { return g.Steps(direction) })
	if err != nil && !m.noTransaction {
		err = errors.Join(err, w.resetVersion(ctx, conn))
	}
	return err
}

// resetVersion makes golang-migrate's flag say what the account says, after a file that did not go through. By the time it has
// golang-migrate's lock, no other session is in the middle of one.
func (w migrationRunner) resetVersion(ctx context.Context, conn *pgx.Conn) error {
	ran, err := readApplied(ctx, conn)
	if err != nil {
		return err
	}
	return w.withMigrate(ctx, func(g *migrate.Migrate) error { return g.Force(forceArgument(latestVersion(ran))) })
}

func becomeOwner(ctx context.Context, c *pgx.Conn) error {
	// So that a migration whose runner was killed ends with it. Not every platform's server knows how.
	_, _ = c.Exec(ctx, `SET client_connection_check_interval = '1s'`)
	_, err := c.Exec(ctx, `SET ROLE `+OwnerRole)
	return err
}

func pinSettings(cfg *pgx.ConnConfig) {
	cfg.RuntimeParams["search_path"] = "public, pg_temp"
	cfg.RuntimeParams["application_name"] = "leadctl migrate"
	cfg.RuntimeParams["lock_timeout"] = fmt.Sprint(tableWait.Milliseconds())
	cfg.RuntimeParams["statement_timeout"] = "0"
	cfg.RuntimeParams["idle_session_timeout"] = "0" // the connection that holds the lock only waits
}

// recordingSource adds to each file the line of account that says it ran. Being in the same transaction, that line is the truth
// about a runner that died, which golang-migrate's flag is not.
type recordingSource struct {
	source.Driver
	list []Migration
}

// CREATE INDEX CONCURRENTLY and its like must be the only statement of their message.
var concurrently = regexp.MustCompile(`(?i)\bconcurrently\b`)

// ReadUp is a file and the note that it was applied.
func (a recordingSource) ReadUp(version uint) (io.ReadCloser, string, error) {
	r, name, err := a.Driver.ReadUp(version)
	return a.withRecord(r, name, err, insertRecordSQL(a.list[version-1]))
}

// ReadDown is a file and the end of that note.
func (a recordingSource) ReadDown(version uint) (io.ReadCloser, string, error) {
	r, name, err := a.Driver.ReadDown(version)
	return a.withRecord(r, name, err, deleteRecordSQL(version))
}

func (recordingSource) withRecord(r io.ReadCloser, name string, err error, line string) (io.ReadCloser, string, error) {
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil || concurrently.Match(body) {
		line = ""
	}
	return io.NopCloser(strings.NewReader(string(body) + line)), name, err
}

// insertRecordSQL is SQL that accounts for m. The name and the sum are of a shape that Load has checked.
func insertRecordSQL(m Migration) string {
	return fmt.Sprintf(`
		;INSERT INTO public.%s AS a (version, name, sha256) VALUES (%d, '%s', '%s')
		ON CONFLICT (version) DO UPDATE SET name = excluded.name, sha256 = excluded.sha256 WHERE a.sha256 <> excluded.sha256;`,
		checksumTable, m.Version, m.Name, m.SHA256)
}

// deleteRecordSQL is SQL that strikes version and all later ones.
func deleteRecordSQL(version uint) string {
	return fmt.Sprintf(`
		;DELETE FROM public.%s WHERE version >= %d;`, checksumTable, version)
}

// retryOnLock repeats fn while what keeps it is a lock on a table, until opts.LockTimeout has passed.
func retryOnLock(ctx context.Context, opts Options, fn func() error) error {
	deadline := time.Now().Add(opts.lockTimeout())
	for {
		err := fn()
		if !isLockTimeout(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tableWait / 2):
		}
	}
}

// isLockTimeout reports whether PostgreSQL gave up waiting for a lock.
func isLockTimeout(err error) bool {
	pg := pgError(err)
	return pg != nil && pg.Code == "55P03"
}
