// Package schema migrates a database to leadctl's schema and checks that it is safe to serve from.
//
// It owns the order of the migrations (their SQL is in /migrations), the lock that makes a second process wait, the
// roles, the adoption of a database that the platform's other services made, and the gate: catalog queries that must
// find no violation before the daemon listens. It does not read or write tenants' rows.
//
// `leadctl migrate` calls Up, Down, Force and CreateLogin with the owner's DSN. `serve`, `doctor` and `migrate status`
// call ReadStatus and Gate through the connection that they have, because every role can read the catalogs.
package schema

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The roles that Up creates. They cannot log in; CreateLogin makes a login that is a member of the last two.
const (
	OwnerRole  = "leadctl_owner"  // owns every table; row security is forced, so it applies to the owner too
	AppRole    = "leadctl_app"    // the role of tenants' transactions
	SystemRole = "leadctl_system" // the control plane: tenants, users, connections, jobs, register; no lead data
)

// JobsSchema is the database schema of River's tables.
const JobsSchema = "river"

const (
	versionTable  = "leadctl_schema_version" // golang-migrate's: version, dirty
	checksumTable = "leadctl_migrations"     // leadctl's: name and hash of each applied file
)

// Querier is a connection or a transaction of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Migration is an up file and, if it is reversible, a down file.
type Migration struct {
	Version       uint
	Name          string
	SHA256        string // of the up file, in hexadecimal
	Reversible    bool   // a down file exists
	noTransaction bool   // the up file cannot run inside a transaction
}

// fullName returns the migration's version and name, such as 2_leadctl.
func (m Migration) fullName() string { return fmt.Sprintf("%d_%s", m.Version, m.Name) }

var fileName = regexp.MustCompile(`^(\d{6})_([a-z0-9_]+)\.(up|down)\.sql$`)

// Load returns the migrations in fsys in order. A duplicate number, a missing number or a file with another name is an
// Internal fault, because the binary is wrong and running the rest could leave out a migration.
func Load(fsys fs.FS) ([]Migration, error) {
	entries, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fault.New(fault.Internal, "embedded migrations: %w", err)
	}
	byVersion := map[uint]*Migration{}
	for _, name := range entries {
		if err := addFile(fsys, name, byVersion); err != nil {
			return nil, err
		}
	}
	list := make([]Migration, 0, len(byVersion))
	for _, m := range byVersion {
		list = append(list, *m)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Version < list[j].Version })
	return list, checkSequence(list)
}

func addFile(fsys fs.FS, name string, byVersion map[uint]*Migration) error {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		return fault.New(fault.Internal, "migration file %q: name must be NNNNNN_name.up.sql or .down.sql", name)
	}
	n, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return fault.New(fault.Internal, "migration file %q: %w", name, err)
	}
	m, seen := byVersion[uint(n)]
	if !seen {
		m = &Migration{Version: uint(n), Name: parts[2]}
		byVersion[uint(n)] = m
	}
	if m.Name != parts[2] {
		return fault.New(fault.Internal, "migration %d: its files have two names, %s and %s", n, m.Name, parts[2])
	}
	if parts[3] == "down" {
		m.Reversible = true
		return nil
	}
	body, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fault.New(fault.Internal, "migration file %q: %w", name, err)
	}
	sum := sha256.Sum256(body)
	m.SHA256, m.noTransaction = hex.EncodeToString(sum[:]), concurrently.Match(body)
	return nil
}

func checkSequence(list []Migration) error {
	if len(list) == 0 {
		return fault.New(fault.Internal, "embedded migrations: none found")
	}
	for i, m := range list {
		switch {
		case int(m.Version) != i+1:
			return fault.New(fault.Internal, "migration %d: missing (the next file is %s)", i+1, m.fullName())
		case m.SHA256 == "":
			return fault.New(fault.Internal, "migration %s: a down file without an up file", m.fullName())
		}
	}
	return nil
}
