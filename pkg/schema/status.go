package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
)

// States of a migration in a database.
const (
	Applied = "applied"
	Pending = "pending"
	Dirty   = "dirty"   // started, but not finished
	Edited  = "edited"  // applied, but the file has changed since
	Unknown = "unknown" // applied by a newer leadctl
)

// Status is the state of a database's migrations.
type Status struct {
	Version    uint  `json:"version" yaml:"version"`     // as golang-migrate records it; 0 if none is applied
	Latest     uint  `json:"latest" yaml:"latest"`       // of this binary
	Dirty      bool  `json:"dirty" yaml:"dirty"`         // the migration to Version was started, but not finished
	Committed  uint  `json:"committed" yaml:"committed"` // the latest recorded migration: the real version if Dirty
	Migrations []Row `json:"migrations" yaml:"migrations"`
	// Applied, or Pending if River's tables are not those of this binary, as after a killed `leadctl migrate`
	JobTables string `json:"job_tables" yaml:"job_tables"`

	resumable bool // Dirty, and the recorded migrations are what is applied
}

// Row is the state of one migration, a line of `leadctl migrate status`.
type Row struct {
	Version   uint       `json:"version" yaml:"version"`
	Name      string     `json:"name" yaml:"name"`
	State     string     `json:"state" yaml:"state"`
	AppliedAt *time.Time `json:"applied_at,omitempty" yaml:"applied_at,omitempty"`
}

// superseded holds the hashes of earlier forms of migrations 1 and 4. Their present forms differ in how they adopt rows
// of other services. What a database of the earlier forms lacks, migration shared_contacts adds.
var superseded = map[string]bool{
	"df7faca4c63edeee00a4987ff7cf09b48b7adbe03b254971342ea48aeeb0dadc": true,
	"60bae5e3789807e9a9c47384b3bc8277e85a54706e1397149be62394038671df": true,
}

type appliedRow struct {
	name, sha256 string
	at           time.Time
}

// ReadStatus returns the state of the migrations in fsys in the database behind q.
func ReadStatus(ctx context.Context, q Querier, fsys fs.FS) (Status, error) {
	list, err := Load(fsys)
	if err != nil {
		return Status{}, err
	}
	version, dirty, err := readVersion(ctx, q)
	if err != nil {
		return Status{}, err
	}
	ran, err := readApplied(ctx, q)
	if err != nil {
		return Status{}, err
	}
	st := Status{Version: version, Dirty: dirty, Latest: list[len(list)-1].Version}
	if st.JobTables, err = readJobTables(ctx, q); err != nil {
		return Status{}, err
	}
	st.Committed = latestVersion(ran)
	st.resumable = st.Dirty && resumable(list, st.Version, st.Committed, len(ran))
	for _, m := range list {
		st.Migrations = append(st.Migrations, rowOf(m, st, ran))
		delete(ran, m.Version)
	}
	for _, v := range slices.Sorted(maps.Keys(ran)) {
		at := ran[v].at
		st.Migrations = append(st.Migrations, Row{Version: v, Name: ran[v].name, State: Unknown, AppliedAt: &at})
	}
	return st, nil
}

// resumable reports whether the recorded migrations show what is applied although version is dirty. A file and its
// record are one transaction, so after a killed process version is the recorded migration, the one after it (a file was
// applied) or the one before it (a file was undone). A file outside a transaction may be partly applied.
func resumable(list []Migration, version, committed uint, recorded int) bool {
	if version > uint(len(list)) || committed > uint(len(list)) || uint(recorded) != committed {
		return false
	}
	switch version {
	case committed:
		return true
	case committed + 1:
		return !list[version-1].noTransaction
	case committed - 1:
		return !list[committed-1].noTransaction
	}
	return false
}

func latestVersion(ran map[uint]appliedRow) (version uint) {
	for v := range ran {
		version = max(version, v)
	}
	return version
}

func rowOf(m Migration, st Status, ran map[uint]appliedRow) Row {
	row := Row{Version: m.Version, Name: m.Name, State: Pending}
	a, recorded := ran[m.Version]
	switch {
	case st.Dirty && m.Version == st.Version:
		row.State = Dirty
	case m.Version > st.Version:
	case recorded && a.sha256 != m.SHA256 && !superseded[a.sha256]:
		row.State = Edited
	default:
		row.State = Applied
	}
	if recorded {
		row.AppliedAt = &a.at
	}
	return row
}

// Problem returns nil if the database has exactly this binary's schema, else an Operator fault with a hint.
func (st Status) Problem() error {
	switch edited := st.namesInState(Edited); {
	case st.resumable:
		return fault.New(fault.Operator, "schema version %d: dirty, because its migration is not finished", st.Version).
			WithHint("run `leadctl migrate`; it continues after migration %d, the latest finished one", st.Committed)
	case st.Dirty && st.Version <= st.Latest:
		return fault.New(fault.Operator, "schema version %d: dirty, because its migration is not finished", st.Version).
			WithHint("the latest recorded migration is %d; check that no `leadctl migrate` is running, "+
				"then run `leadctl migrate force %[1]d` and `leadctl migrate`", st.Committed)
	case st.Version > st.Latest:
		return fault.New(fault.Operator, "schema version %d: newer than this leadctl supports (%d)",
			st.Version, st.Latest).WithHint("run the leadctl that migrated this database, or a newer one")
	case len(edited) > 0:
		return fault.New(fault.Operator, "migration %s: the file differs from the one that was applied",
			strings.Join(edited, ", ")).
			WithHint("run the released leadctl; do not edit an applied migration, but add a new one")
	case st.Version < st.Latest:
		return fault.New(fault.Operator, "schema version %d: %d pending (latest is %d)",
			st.Version, st.Latest-st.Version, st.Latest).WithHint("run `leadctl migrate`")
	case st.JobTables == Pending:
		return fault.New(fault.Operator, "job tables: not those of this leadctl").WithHint("run `leadctl migrate`")
	}
	return nil
}

func (st Status) namesInState(state string) (names []string) {
	for _, m := range st.Migrations {
		if m.State == state {
			names = append(names, fmt.Sprintf("%d_%s", m.Version, m.Name))
		}
	}
	return names
}

func readVersion(ctx context.Context, q Querier) (version uint, dirty bool, err error) {
	if ok, err := hasTable(ctx, q, versionTable); err != nil || !ok {
		return 0, false, err
	}
	var v int64
	err = q.QueryRow(ctx, `SELECT version, dirty FROM public.`+versionTable+` LIMIT 1`).Scan(&v, &dirty)
	if errors.Is(err, pgx.ErrNoRows) || v < 0 {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, classifyError(err, "schema version")
	}
	return uint(v), dirty, nil
}

func readApplied(ctx context.Context, q Querier) (map[uint]appliedRow, error) {
	ran := map[uint]appliedRow{}
	if ok, err := hasTable(ctx, q, checksumTable); err != nil || !ok {
		return ran, err
	}
	rows, err := q.Query(ctx, `SELECT version, name, sha256, applied_at FROM public.`+checksumTable)
	if err != nil {
		return nil, classifyError(err, "table "+checksumTable)
	}
	var v int64
	var a appliedRow
	_, err = pgx.ForEachRow(rows, []any{&v, &a.name, &a.sha256, &a.at}, func() error {
		ran[uint(v)] = a
		return nil
	})
	if err != nil {
		return nil, classifyError(err, "table "+checksumTable)
	}
	return ran, nil
}

// hasTable reports whether the table name exists in schema public. It reads the catalog, so that a missing table does
// not abort q's transaction.
func hasTable(ctx context.Context, q Querier, name string) (found bool, err error) {
	err = q.QueryRow(ctx, `SELECT to_regclass('public.' || $1) IS NOT NULL`, name).Scan(&found)
	if err != nil {
		return false, classifyError(err, "table "+name)
	}
	return found, nil
}
