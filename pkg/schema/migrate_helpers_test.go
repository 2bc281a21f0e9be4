package schema_test

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// slowMigration is a migration that takes longer than any test waits.
const slowMigration = `CREATE TABLE slow_one (x integer); SELECT pg_sleep(600);`

// releasedPlus returns the released migrations and further files, given as name, content, name, content …
func releasedPlus(files ...string) fstest.MapFS {
	set := fstest.MapFS{}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		body, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			panic(err)
		}
		set[name] = &fstest.MapFile{Data: body}
	}
	for i := 0; i < len(files); i += 2 {
		set[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return set
}

// latestVersion returns the version of the latest released migration. The tests' migrations come after it.
func latestVersion() uint {
	list, err := schema.Load(migrations.FS)
	if err != nil {
		panic(err)
	}
	return list[len(list)-1].Version
}

// fileAfter returns the name of a file whose version is n after the latest released one.
func fileAfter(n uint, name string) string {
	return fmt.Sprintf("%06d_%s.sql", latestVersion()+n, name)
}

func onlyFiles(files ...string) fstest.MapFS {
	set := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		set[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return set
}

func migrateUp(t *testing.T, dsn string, files fs.FS) error {
	t.Helper()
	_, err := schema.Up(t.Context(), dsn, schema.Options{FS: files})
	return err
}

func readStatus(t *testing.T, q schema.Querier, files fs.FS) schema.Status {
	t.Helper()
	st, err := schema.ReadStatus(t.Context(), q, files)
	require.NoError(t, err)
	return st
}

// requireOperator requires that err is an Operator fault that contains says and whose hint contains hint.
func requireOperator(t *testing.T, err error, says, hint string) {
	t.Helper()
	require.True(t, fault.Is(err, fault.Operator), "%v", err)
	require.ErrorContains(t, err, says)
	require.Contains(t, fault.Hint(err), hint)
}
