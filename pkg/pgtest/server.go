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

// Everything made on a server is named leadctl_test_<token>, the token being this process's. While the process lives it
// holds the advisory lock (lockClass, hash of that name), so that another one can tell what was left behind.
const (
	prefix    = "leadctl_test_"
	lockClass = 0x74657374 // "test"
)

// server is where this process makes databases.
type server struct {
	dsn      string // of a superuser, on the maintenance database
	name     string // prefix and token: the login's name, and the beginning of every database's
	password string // the login's
	lease    *pgx.Conn
	made     atomic.Int64
	template func() error // makes the template, once
}

// attachServer takes a name on the server and drops what earlier processes left there. Of this process there is nothing yet.
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

// sweepDead drops databases and logins whose process is gone. It is the end of what a killed process made, and of every
// template, since nothing runs when a test binary ends.
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
			return fmt.Errorf("remains of %s: %w", name, err)
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

// makeTemplate migrates the template and makes the login. One process at a time: roles are the whole cluster's, and
// migrations lock their own database only.
func (s *server) makeTemplate() error {
	ctx := context.Background()
	if _, err := s.lease.Exec(ctx, `SELECT pg_advisory_lock($1, 0)`, lockClass); err != nil {
		return err
	}
	defer func() { _, _ = s.lease.Exec(ctx, `SELECT pg_advisory_unlock($1, 0)`, lockClass) }() // it ends with the connection anyway
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
	// A database that somebody is connected to cannot be cloned.
	_, err := s.lease.Exec(ctx, `ALTER DATABASE `+quoteName(name)+` ALLOW_CONNECTIONS false`)
	return err
}

// createDatabase makes a database for t, as a clone of template unless that is empty, and drops it when t ends.
func (s *server) createDatabase(t testing.TB, template string) (name string) {
	t.Helper()
	name = fmt.Sprintf("%s_%d", s.name, s.made.Add(1))
	create := `CREATE DATABASE ` + quoteName(name)
	if template != "" {
		create += ` TEMPLATE ` + quoteName(template)
	}
	if err := s.execOnce(create); err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.execOnce(`DROP DATABASE ` + quoteName(name) + ` WITH (FORCE)`); err != nil {
			t.Errorf("test database: %v", err)
		}
	})
	return name
}

// execOnce runs one statement on a connection of its own, so that parallel tests do not wait for each other, and none stays
// open between them.
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
