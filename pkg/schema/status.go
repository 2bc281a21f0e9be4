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

// State of one migration in a database.
const (
	Applied = "applied"
	Pending = "pending"
	Dirty   = "dirty"   // started, not finished: an operator decides
	Edited  = "edited"  // applied, but the file differs from what ran
	Unknown = "unknown" // applied by a newer leadctl
)

// Status is where a database stands.
type Status struct {
	Version    uint  `json:"version" yaml:"version"` // 0: nothing applied
	Latest     uint  `json:"latest" yaml:"latest"`   // what this binary brings
	Dirty      bool  `json:"dirty" yaml:"dirty"`
	Committed  uint  `json:"committed" yaml:"committed"` // the last file that is known to have run to its end, which is where a dirty database stands
	Migrations []Row `json:"migrations" yaml:"migrations"`
}

// Row is one line of `leadctl migrate status`.
type Row struct {
	Version   uint       `json:"version" yaml:"version"`
	Name      string     `json:"name" yaml:"name"`
	State     string     `json:"state" yaml:"state"`
	AppliedAt *time.Time `json:"applied_at,omitempty" yaml:"applied_at,omitempty"`
}

type appliedRow struct {
	name, sha256 string
	at           time.Time
}

// ReadStatus compares the database behind q with the migrations in fsys.
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
	st.Committed = latestVersion(ran)
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
	case recorded && a.sha256 != m.SHA256:
		row.State = Edited
	default:
		row.State = Applied
	}
	if recorded {
		row.AppliedAt = &a.at
	}
	return row
}

// Problem is nil when the database is exactly at this binary's schema, else an Operator fault that says what to run.
func (st Status) Problem() error {
	switch edited := st.namesInState(Edited); {
	case st.Dirty:
		return fault.New(fault.Operator, "schema version %d: dirty, the migration did not come to its end", st.Version).
			WithHint("by its own account the database is at version %d; see that nobody migrates it, then run `leadctl migrate force %d` and `leadctl migrate`", st.Committed, st.Committed)
	case st.Version > st.Latest:
		return fault.New(fault.Operator, "schema version %d: newer than this leadctl knows (%d)", st.Version, st.Latest).
			WithHint("run the leadctl that migrated this database, or a newer one")
	case len(edited) > 0:
		return fault.New(fault.Operator, "migration %s: its file differs from what ran on this database", strings.Join(edited, ", ")).
			WithHint("run the released leadctl; an applied migration is never edited, a correction is a new one")
	case st.Version < st.Latest:
		return fault.New(fault.Operator, "schema version %d: %d pending (latest is %d)", st.Version, st.Latest-st.Version, st.Latest).
			WithHint("run `leadctl migrate`")
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
		return nil, classifyError(err, "account of migrations")
	}
	var v int64
	var a appliedRow
	_, err = pgx.ForEachRow(rows, []any{&v, &a.name, &a.sha256, &a.at}, func() error {
		ran[uint(v)] = a
		return nil
	})
	if err != nil {
		return nil, classifyError(err, "account of migrations")
	}
	return ran, nil
}

// hasTable asks the catalog, so that a missing table does not abort the transaction q may be in.
func hasTable(ctx context.Context, q Querier, name string) (found bool, err error) {
	err = q.QueryRow(ctx, `SELECT to_regclass('public.' || $1) IS NOT NULL`, name).Scan(&found)
	if err != nil {
		return false, classifyError(err, "table "+name)
	}
	return found, nil
}
