// Package pgtest gives each test its own PostgreSQL database. Only tests and benchmarks import it.
//
// It owns the server of a test binary, the migrated template database and its clones. By default it starts a temporary
// server (package pgtemp) at the first use; the server ends with the process. If LEADCTL_TEST_POSTGRES_DSN is set, it
// uses that server instead, and the login must be a superuser. POSTGRES_DSN does not count: it names a database of real
// data, and tests create databases and change roles. Package schema makes the tables; package postgres runs the
// transactions.
//
// Without PostgreSQL a test fails. It is never skipped, so a passed run has used a real database.
//
// All clones are in one cluster, so they share its roles and logins. Privileges on the template database itself are
// not cloned. A test that creates or changes roles needs its own server from pgtemp.
package pgtest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// DB is the migrated database of one test. When the test ends, its pools are closed and it is dropped.
type DB struct {
	Owner    *pgxpool.Pool // a superuser's pool, which row security does not restrict: for fixtures and assertions
	OwnerDSN string
	LoginDSN string       // a login as in production: may become leadctl_app and leadctl_system, has no other privilege
	App      *postgres.DB // for the code under test; connects with LoginDSN
}

// New returns a new database at the latest schema. The first call in a process takes one or two seconds, because it
// starts the server and makes the template.
func New(t testing.TB) *DB {
	t.Helper()
	s := runningServer(t)
	if err := s.template(); err != nil {
		t.Fatalf("migrated template database: %v", err)
	}
	name := s.createDatabase(t, s.templateName())
	db := &DB{OwnerDSN: dsnFor(s.dsn, name), LoginDSN: dsnAs(dsnFor(s.dsn, name), s.name, s.password)}

	var err error
	if db.Owner, err = pgxpool.New(t.Context(), db.OwnerDSN); err != nil {
		t.Fatalf("database %s: owner's pool: %v", name, err)
	}
	t.Cleanup(db.Owner.Close)
	if db.App, err = postgres.Open(t.Context(), db.LoginDSN, postgres.Options{}); err != nil {
		t.Fatalf("database %s: application's pools: %v", name, err)
	}
	t.Cleanup(db.App.Close)
	return db
}

// Empty makes an empty database without migrations and returns its DSN for a superuser. It is dropped when the test
// ends.
func Empty(t testing.TB) (dsn string) {
	t.Helper()
	s := runningServer(t)
	return dsnFor(s.dsn, s.createDatabase(t, ""))
}

// startOnce returns the server of this test binary. The first call starts it or connects to it.
var startOnce = sync.OnceValues(func() (*server, error) {
	ctx := context.Background()
	if dsn := os.Getenv("LEADCTL_TEST_POSTGRES_DSN"); dsn != "" {
		return attachServer(ctx, dsn)
	}
	s, err := pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{
		"max_connections": "500", // each parallel test has up to three pools
		"autovacuum":      "off", // it would change plans and timings during a test
	}})
	if err != nil {
		return nil, err
	}
	return attachServer(ctx, s.DSN("postgres"))
})

func runningServer(t testing.TB) *server {
	t.Helper()
	s, err := startOnce()
	if err != nil {
		t.Fatalf("PostgreSQL server for tests: %v", err)
	}
	return s
}
