package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// TestLeadsScripts runs the scripts in testdata/leads. Each has a database with two tenants, and a register file.
func TestLeadsScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/leads", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": exitCode},
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			db := pgtest.New(tb)
			_, err := db.Owner.Exec(
				tb.Context(),
				`INSERT INTO tenants (tenant_id, name, external_id) VALUES (1, 'Acme', 'acme'), (2, 'Borealis', NULL)`,
			)
			require.NoError(tb, err)
			var register bytes.Buffer
			rows, err := strconv.Atoi(cmp.Or(os.Getenv("LEADCTL_TEST_ROWS"), "300"))
			require.NoError(tb, err)
			_, err = acragen.Write(&register, rows, 1, acragen.Options{})
			require.NoError(tb, err)
			require.NoError(tb, os.WriteFile(filepath.Join(env.WorkDir, "register.csv"), register.Bytes(), 0o600))
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/xdg")
			env.Setenv("LEADCTL_ENV", "development")
			env.Setenv("POSTGRES_DSN", db.LoginDSN)
			return nil
		},
	})
}
