package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// TestACRAScripts runs the scripts in testdata/acra. Each has its own database, register files and data source.
func TestACRAScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/acra", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": exitCode},
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			var register, dirty bytes.Buffer
			_, err := acragen.Write(&register, 500, 1, acragen.Options{})
			require.NoError(tb, err)
			_, err = acragen.Write(
				&dirty,
				500,
				2,
				acragen.Options{Dirty: 0.02, Traps: []acragen.Trap{acragen.BlankUEN}},
			)
			require.NoError(tb, err)
			require.NoError(tb, os.WriteFile(filepath.Join(env.WorkDir, "register.csv"), register.Bytes(), 0o600))
			require.NoError(tb, os.WriteFile(filepath.Join(env.WorkDir, "dirty.csv"), dirty.Bytes(), 0o600))
			lines := bytes.SplitAfter(register.Bytes(), []byte("\n"))
			cut := append(bytes.Join(lines[:100], nil), lines[100][:40]...)
			require.NoError(tb, os.WriteFile(filepath.Join(env.WorkDir, "cut.csv"), cut, 0o600))
			site := acratest.Start(
				tb,
				acratest.Dataset{ID: "d_1", Letter: "A", CSV: register.Bytes(), Updated: "2026-09-16"},
			)
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/xdg")
			env.Setenv("LEADCTL_ENV", "development")
			env.Setenv("POSTGRES_DSN", pgtest.New(tb).LoginDSN)
			env.Setenv("API_URL", site.URL+"/api/action/datastore_search")
			return nil
		},
	})
}
