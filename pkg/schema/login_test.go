package schema_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/schema"
)

// startStrictServer starts a server that requires a SCRAM password from every login but its superuser and platform.
func startStrictServer(t *testing.T) *pgtemp.Server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "schema-test-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755)) // the server's user reads it
	rules := filepath.Join(dir, "hba.conf")
	require.NoError(t, os.WriteFile(rules, []byte("local all leadctl,platform trust\nlocal all all scram-sha-256\n"),
		0o644))
	return startServer(t, map[string]string{"hba_file": rules})
}

func logIn(t *testing.T, dsn, name, password string) (*pgx.Conn, error) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.User = url.UserPassword(name, password)
	conn, err := pgx.Connect(t.Context(), u.String())
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

// TestLogin: the login that CreateLogin makes can log in with its password only, and passes GateLogin. It is made by a
// superuser and by an owner that is no superuser.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := startStrictServer(t)
	admin := openConn(t, s.DSN("postgres"))
	mustExec(t, admin, `CREATE ROLE platform LOGIN CREATEROLE`)
	mustExec(t, admin, `CREATE DATABASE app OWNER platform`)
	require.NoError(t, migrateUp(t, dsnAs(s.DSN("app"), "platform"), released.FS))
	mustExec(t, admin, `REVOKE CONNECT ON DATABASE app FROM PUBLIC`)
	for who, name := range map[string]string{"leadctl": "daemon", "platform": `odd "name"; --`} {
		dsn := dsnAs(s.DSN("app"), who)
		const first, second = `p'a"s\s w%C3%B6rd $$ é`, "another long enough"
		require.True(t, fault.Is(schema.CreateLogin(t.Context(), dsn, name, first), fault.Invalid), "not ASCII")
		password := strings.TrimSuffix(first, " é")
		require.NoError(t, schema.CreateLogin(t.Context(), dsn, name, password))
		conn, err := logIn(t, s.DSN("app"), name, password)
		require.NoError(t, err)
		requireServing(t, conn)

		_, err = logIn(t, s.DSN("app"), name, "not the password")
		require.ErrorContains(t, err, "password authentication failed")
		require.NoError(t, schema.CreateLogin(t.Context(), dsn, name, second), "a new password")
		_, err = logIn(t, s.DSN("app"), name, password)
		require.ErrorContains(t, err, "password authentication failed")
		_, err = logIn(t, s.DSN("app"), name, second)
		require.NoError(t, err)
		require.True(t, queryOne[bool](t, admin, `SELECT rolpassword LIKE 'SCRAM-SHA-256$4096:%' FROM pg_authid
			WHERE rolname = $1`, name))
	}
}

func requireServing(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	found, err := schema.GateLogin(t.Context(), conn)
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, readStatus(t, conn, released.FS).Problem(), "the version is readable without any role")
	_, err = conn.Exec(t.Context(), `SELECT * FROM tenants`)
	require.ErrorContains(t, err, "permission denied")
	for _, role := range []string{schema.AppRole, schema.SystemRole} {
		mustExec(t, conn, `SET ROLE `+role)
		mustExec(t, conn, `SELECT * FROM tenants`)
		mustExec(t, conn, `RESET ROLE`)
	}
	_, err = conn.Exec(t.Context(), `SET ROLE `+schema.OwnerRole)
	require.ErrorContains(t, err, "permission denied")
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	admin := openConn(t, s.DSN("postgres"))
	const good = "long enough a password"
	requireOperator(t, schema.CreateLogin(t.Context(), s.DSN("postgres"), "early", good),
		"the roles leadctl_app and leadctl_system do not exist yet", "run `leadctl migrate` first")

	mustExec(t, admin, `CREATE ROLE platform LOGIN CREATEROLE; CREATE ROLE plain LOGIN; CREATE ROLE mighty SUPERUSER;
		CREATE ROLE maker CREATEDB; CREATE ROLE reader; GRANT pg_read_all_data TO reader`)
	mustExec(t, admin, `CREATE DATABASE app OWNER platform`)
	dsn := dsnAs(s.DSN("app"), "platform")
	require.NoError(t, migrateUp(t, dsn, released.FS))
	for _, name := range []string{"", "pg_mine", "platform", "mighty", "maker", "reader", schema.OwnerRole,
		schema.AppRole, schema.SystemRole, strings.Repeat("x", 64), "nul\x00"} {
		err := schema.CreateLogin(t.Context(), dsn, name, good)
		require.True(t, fault.Is(err, fault.Invalid), "%q: %v", name, err)
	}
	err := schema.CreateLogin(t.Context(), dsn, "daemon", "short")
	require.True(t, fault.Is(err, fault.Invalid))
	require.NotContains(t, err.Error(), "short'")
	requireOperator(t, schema.CreateLogin(t.Context(), dsnAs(s.DSN("app"), "plain"), "daemon", good),
		"login daemon: permission denied", "CREATEROLE")
	require.True(t, queryOne[bool](t, admin, `SELECT rolsuper FROM pg_roles WHERE rolname = 'mighty'`),
		"CreateLogin must leave it unchanged")
}
