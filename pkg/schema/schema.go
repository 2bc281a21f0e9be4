// Package schema brings a database to leadctl's schema and judges whether it is safe to serve from.
//
// It owns the order of migrations (the SQL is in /migrations), the lock that makes a second runner wait, the roles, the
// adoption of a database that the platform's other services made, and the gate: the catalog queries that must find
// nothing before a daemon may listen. It does not read or write a tenant's rows. `leadctl migrate` calls Up, Down, Force
// and CreateLogin with the owner's DSN; `serve`, `doctor` and `migrate status` call ReadStatus and Gate through whatever
// connection they have, since catalogs are readable by every role.
package schema

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"regexp"
	"sort"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The roles that migrations make. None of them can log in; CreateLogin makes a login that may become the last two.
const (
	OwnerRole  = "leadctl_owner"  // owns every table; bound by row security like everyone (FORCE)
	AppRole    = "leadctl_app"    // what a tenant's work runs as
	SystemRole = "leadctl_system" // the control plane: tenants, users, connections, jobs, register; no lead data
)

// JobsSchema holds River's tables.
const JobsSchema = "river"

const (
	versionTable  = "leadctl_schema_version" // golang-migrate's: version, dirty
	checksumTable = "leadctl_migrations"     // ours: what each applied file contained
)

// Querier is any open connection or transaction of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Migration is one embedded file pair.
type Migration struct {
	Version       uint
	Name          string
	SHA256        string // hex, of the up file
	Reversible    bool   // a down file exists
	noTransaction bool   // it cannot run inside a transaction
}

var fileName = regexp.MustCompile(`^(\d{6})_([a-z0-9_]+)\.(up|down)\.sql$`)

// Load lists the migrations in fsys in order. A duplicate number, a gap or a stray file is an Internal fault: it is a
// mistake in the binary, and running what is left of such a set would skip something silently.
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
		return fault.New(fault.Internal, "migration file %q: not NNNNNN_name.up.sql or .down.sql", name)
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
		return fault.New(fault.Internal, "migration %d: two names, %s and %s", n, m.Name, parts[2])
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
			return fault.New(fault.Internal, "migration %d: missing (the next file is %d_%s)", i+1, m.Version, m.Name)
		case m.SHA256 == "":
			return fault.New(fault.Internal, "migration %d_%s: a down file without an up file", m.Version, m.Name)
		}
	}
	return nil
}
