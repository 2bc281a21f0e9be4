package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/schema"
)

// The names of all databases and logins that a process makes begin with leadctl_test_<token>, where token is random
// for each process. The process holds the advisory lock (lockClass, hash of that name) while it runs, so another
// process can recognize what a dead process left behind.
const (
	prefix    = "leadctl_test_"
	lockClass = 0x74657374 // "test"
)

// server is the PostgreSQL server on which this process makes databases.
type server struct {
	dsn      string // for a superuser, on the maintenance database
	name     string // prefix and token: the login's name and the prefix of each database's name
	password string // of the login
	lease    *pgx.Conn
	made     atomic.Int64 // number of databases
	template func() error // makes the template database at the first call
}

// attachServer connects to the server, takes the advisory lock for a new name and drops what dead processes left
// behind.
func attachServer(ctx context.Context, dsn string) (*server, error) {
	lease, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	s := &server{dsn: dsn, name: prefix + strings.ToLower(rand.Text()[:10]), password: rand.Text(), lease: lease}
	s.template = sync.OnceValue(s.makeTemplate)
	if _, err := lease.Exec(ctx, `SELECT pg_advisory_lock($1, hashtext($2))`, lockClass, s.name); err != nil {
		return nil, err
	}
	return s, sweepDead(ctx, lease)
}

// sweepDead drops the databases and logins of processes that have ended. No code runs at the end of a test binary, so
// each template database is left for the next process to drop.
func sweepDead(ctx context.Context, conn *pgx.Conn) error {
	rows, _ := conn.Query(ctx, `SELECT DISTINCT substring(name FROM '^leadctl_test_[a-z0-9]+')
		FROM (SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles) AS n(name)
		WHERE name ~ '^leadctl_test_[a-z0-9]+'`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := dropDead(ctx, conn, name); err != nil {
			return fmt.Errorf("databases and login of ended process %s: %w", name, err)
		}
	}
	return nil
}

func dropDead(ctx context.Context, conn *pgx.Conn, name string) error {
	var gone bool
	err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, hashtext($2))`, lockClass, name).Scan(&gone)
	if err != nil || !gone {
		return err
	}
	rows, _ := conn.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, name+"_")
	databases, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, d := range databases {
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+quoteName(d)+` WITH (FORCE)`); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, `DROP ROLE IF EXISTS `+quoteName(name)); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `SELECT pg_advisory_unlock($1, hashtext($2))`, lockClass, name)
	return err
}

func (s *server) templateName() string { return s.name + "_template" }

// makeTemplate makes and migrates the template database and makes the login. An advisory lock keeps other processes
// out: roles belong to the cluster, but a migration locks only its own database.
func (s *server) makeTemplate() error {
	ctx := context.Background()
	if _, err := s.lease.Exec(ctx, `SELECT pg_advisory_lock($1, 0)`, lockClass); err != nil {
		return err
	}
	// If unlocking fails, the end of the connection unlocks.
	defer func() { _, _ = s.lease.Exec(ctx, `SELECT pg_advisory_unlock($1, 0)`, lockClass) }()
	name := s.templateName()
	if _, err := s.lease.Exec(ctx, `CREATE DATABASE `+quoteName(name)); err != nil {
		return err
	}
	dsn := dsnFor(s.dsn, name)
	if _, err := schema.Up(ctx, dsn, schema.Options{FS: migrations.FS}); err != nil {
		return err
	}
	if err := schema.CreateLogin(ctx, dsn, s.name, s.password); err != nil {
		return err
	}
	// PostgreSQL does not clone a database that has connections.
	_, err := s.lease.Exec(ctx, `ALTER DATABASE `+quoteName(name)+` ALLOW_CONNECTIONS false`)
	return err
}

// createDatabase makes a database and drops it when t ends. If template is not "", the database is a clone of it.
func (s *server) createDatabase(t testing.TB, template string) (name string) {
	t.Helper()
	name = fmt.Sprintf("%s_%d", s.name, s.made.Add(1))
	create := `CREATE DATABASE ` + quoteName(name)
	if template != "" {
		create += ` TEMPLATE ` + quoteName(template)
	}
	if err := s.execOnce(create); err != nil {
		t.Fatalf("test database %s: create: %v", name, err)
	}
	t.Cleanup(func() {
		if err := s.execOnce(`DROP DATABASE ` + quoteName(name) + ` WITH (FORCE)`); err != nil {
			t.Errorf("test database %s: drop: %v", name, err)
		}
	})
	return name
}

// execOnce runs one statement on a new connection and closes it, so that parallel tests do not wait for each other.
func (s *server) execOnce(sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }
