package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"sync/atomic"
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

// tableWait is how long a migration waits for a lock on a table before it fails and is tried again. It is short because
// other sessions that need the table queue behind the waiting migration.
const tableWait = time.Second

// migrationRunner runs golang-migrate.
type migrationRunner struct {
	dsn    string
	fsys   fs.FS
	list   []Migration
	notice func(text string) // called for each RAISE NOTICE 'leadctl: <text>'; may be nil
	begun  func(text string) // called for each RAISE NOTICE 'leadctl progress: <table>'; may be nil
}

// onNotice passes the notices of the migration files on.
func (r migrationRunner) onNotice(_ *pgconn.PgConn, n *pgconn.Notice) {
	for prefix, call := range map[string]func(string){"leadctl: ": r.notice, "leadctl progress: ": r.begun} {
		if text, found := strings.CutPrefix(n.Message, prefix); found && call != nil {
			call(text)
		}
	}
}

// withMigrate calls fn with a golang-migrate whose connection has the owner role, so that all created objects belong to
// that role whatever the login is.
func (r migrationRunner) withMigrate(ctx context.Context, fn func(*migrate.Migrate) error) error {
	cfg, err := pgx.ParseConfig(r.dsn)
	if err != nil {
		return fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string")
	}
	pinSettings(cfg)
	cfg.OnNotice = r.onNotice
	var session atomic.Pointer[pgx.Conn]
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		session.Store(c)
		return becomeOwner(ctx, c)
	}))
	defer func() { _ = db.Close() }()
	defer cancelWhenDone(ctx, &session)()
	driver, err := migratepgx.WithInstance(db, &migratepgx.Config{MigrationsTable: versionTable, SchemaName: "public"})
	if err != nil {
		return err
	}
	files, err := iofs.New(r.fsys, ".")
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("iofs", recordingSource{files, r.list}, "pgx5", driver)
	if err != nil {
		return err
	}
	runErr := fn(m)
	srcErr, dbErr := m.Close()
	return errors.Join(runErr, srcErr, dbErr)
}

// cancelWhenDone cancels the session's statements once ctx is done, until the returned function is called, because
// golang-migrate takes no context. A request that arrives between two statements has no effect, so it is repeated.
func cancelWhenDone(ctx context.Context, session *atomic.Pointer[pgx.Conn]) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		select {
		case <-stopped:
			return
		case <-ctx.Done():
		}
		for {
			if c := session.Load(); c != nil {
				_ = c.PgConn().CancelRequest(context.WithoutCancel(ctx)) // repeated below
			}
			select {
			case <-stopped:
				return
			case <-time.After(lockPoll):
			}
		}
	}()
	return func() { close(stopped) }
}

// stepMigration runs the next file of m in direction, 1 for up and -1 for down. If the file fails, its transaction has
// left the database unchanged, so golang-migrate's version is reset. A file that runs outside a transaction leaves the
// dirty flag set, and an operator must decide.
func (r migrationRunner) stepMigration(ctx context.Context, conn *pgx.Conn, m Migration, direction int) error {
	err := r.withMigrate(ctx, func(g *migrate.Migrate) error { return g.Steps(direction) })
	if err != nil && !m.noTransaction {
		err = errors.Join(err, r.resetVersion(context.WithoutCancel(ctx), conn))
	}
	return err
}

// resetVersion sets golang-migrate's version to the latest recorded migration, after a file has failed or a process was
// killed. To make golang-migrate it waits for golang-migrate's lock, so a session that a killed process has left is no
// longer applying a file when the records are read.
func (r migrationRunner) resetVersion(ctx context.Context, conn *pgx.Conn) error {
	return r.withMigrate(ctx, func(g *migrate.Migrate) error {
		ran, err := readApplied(ctx, conn)
		if err != nil {
			return err
		}
		return g.Force(forceArgument(latestVersion(ran)))
	})
}

// resumeInterrupted returns the status of the database, after it has cleared the dirty flag that a killed process left.
// The caller holds leadctl's lock, so no other process is migrating.
func (r migrationRunner) resumeInterrupted(ctx context.Context, conn *pgx.Conn, opts Options) (Status, error) {
	st, err := ReadStatus(ctx, conn, opts.FS)
	if err != nil || !st.resumable {
		return st, err
	}
	err = retryOnLock(ctx, opts, func() error { return r.resetVersion(ctx, conn) })
	if err != nil {
		return st, classifyError(err, "schema version")
	}
	return ReadStatus(ctx, conn, opts.FS)
}

func becomeOwner(ctx context.Context, c *pgx.Conn) error {
	// So that the server ends a migration whose client was killed. It is not supported on every platform.
	_, _ = c.Exec(ctx, `SET client_connection_check_interval = '1s'`)
	_, err := c.Exec(ctx, `SET ROLE `+OwnerRole)
	return err
}

func pinSettings(cfg *pgx.ConnConfig) {
	cfg.RuntimeParams["search_path"] = "public, pg_temp"
	cfg.RuntimeParams["application_name"] = "leadctl migrate"
	cfg.RuntimeParams["lock_timeout"] = fmt.Sprint(tableWait.Milliseconds())
	cfg.RuntimeParams["statement_timeout"] = "0"
	cfg.RuntimeParams["idle_session_timeout"] = "0" // the connection that holds the lock is idle
}

// recordingSource appends to each file the statement that records it in leadctl_migrations. The record is in the file's
// transaction, so it is right even if the process is killed. golang-migrate's dirty flag is not.
type recordingSource struct {
	source.Driver
	list []Migration
}

// concurrently matches a file with a statement such as CREATE INDEX CONCURRENTLY, which must be the only one of its
// message.
var concurrently = regexp.MustCompile(`(?i)\bconcurrently\b`)

// ReadUp returns the up file with the statement that inserts its record.
func (a recordingSource) ReadUp(version uint) (io.ReadCloser, string, error) {
	r, name, err := a.Driver.ReadUp(version)
	return a.withRecord(r, name, err, insertRecordSQL(a.list[version-1]))
}

// ReadDown returns the down file with the statement that deletes its record.
func (a recordingSource) ReadDown(version uint) (io.ReadCloser, string, error) {
	r, name, err := a.Driver.ReadDown(version)
	return a.withRecord(r, name, err, deleteRecordSQL(version))
}

func (recordingSource) withRecord(r io.ReadCloser, name string, err error, sql string) (io.ReadCloser, string, error) {
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil || concurrently.Match(body) {
		sql = ""
	}
	return io.NopCloser(strings.NewReader(string(body) + sql)), name, err
}

// insertRecordSQL returns SQL that records m as applied. Load has checked that the name and the hash need no quoting.
func insertRecordSQL(m Migration) string {
	return fmt.Sprintf(`
		;INSERT INTO public.%s AS a (version, name, sha256) VALUES (%d, '%s', '%s')
		ON CONFLICT (version) DO UPDATE SET name = excluded.name, sha256 = excluded.sha256
			WHERE a.sha256 <> excluded.sha256;`,
		checksumTable, m.Version, m.Name, m.SHA256)
}

// deleteRecordSQL returns SQL that deletes the records of version and all later ones.
func deleteRecordSQL(version uint) string {
	return fmt.Sprintf(`
		;DELETE FROM public.%s WHERE version >= %d;`, checksumTable, version)
}

// retryOnLock calls fn until it returns something other than a lock timeout, or until opts.LockTimeout has passed.
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

// isLockTimeout reports whether err is PostgreSQL's error after lock_timeout.
func isLockTimeout(err error) bool {
	pg := pgError(err)
	return pg != nil && pg.Code == "55P03"
}
