// Package pgtest gives each test a PostgreSQL database of its own. Only tests and benchmarks import it.
//
// It owns the server of a test binary, the migrated template and the clones. The server is a throwaway one (package
// pgtemp), started at the first use and gone with the process; or, where POSTGRES_DSN is set, the server that it names,
// through a login that is superuser there. What the tables look like is package schema; the doors are package postgres.
//
// Without PostgreSQL a test fails. It never skips: a green run has seen a real database.
//
// Clones are made from one template, so they share the cluster: roles and logins are common to all of them, and rights
// granted on the database itself are not cloned. A test about making roles needs a server of its own from pgtemp.
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

// DB is one test's migrated database. Its handles are closed and it is dropped when the test ends.
type DB struct {
	Owner    *pgxpool.Pool // superuser, whom row security does not bind: for fixtures and for looking at the outcome
	OwnerDSN string
	LoginDSN string       // a login as in production: may become leadctl_app and leadctl_system, and has no right by itself
	App      *postgres.DB // what the code under test uses, over LoginDSN
}

// New gives t a database at the latest schema. The first call in a process takes a second or two, later ones a fraction.
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
		t.Fatalf("owner's pool of %s: %v", name, err)
	}
	t.Cleanup(db.Owner.Close)
	if db.App, err = postgres.Open(t.Context(), db.LoginDSN, postgres.Options{}); err != nil {
		t.Fatalf("application's pools of %s: %v", name, err)
	}
	t.Cleanup(db.App.Close)
	return db
}

// Empty gives t an empty, unmigrated database and returns its superuser's DSN. It is dropped when the test ends.
func Empty(t testing.TB) (dsn string) {
	t.Helper()
	s := runningServer(t)
	return dsnFor(s.dsn, s.createDatabase(t, ""))
}

// startOnce is the one server of this test binary.
var startOnce = sync.OnceValues(func() (*server, error) {
	ctx := context.Background()
	if dsn := os.Getenv("POSTGRES_DSN"); dsn != "" {
		return attachServer(ctx, dsn)
	}
	s, err := pgtemp.Start(ctx, pgtemp.Options{Settings: map[string]string{
		"max_connections": "500", // every parallel test has three pools
		"autovacuum":      "off", // plans and timings do not change in the middle of a test
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
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	return s
}
