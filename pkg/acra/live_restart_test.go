//go:build live

package acra_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// registerRows is the number of rows that TestLive/D-052 loads; 6000000 rows are two gigabytes.
var registerRows = flag.Int("rows", 200_000, "number of rows in the register to load")

// TestLive runs the acceptance cases that need PostgreSQL's own programs or much time.
func TestLive(t *testing.T) {
	t.Run("D-026", testRestarts)
	t.Run("D-052", testMemory)
}

// cluster is a PostgreSQL cluster that an ordinary user starts and stops with pg_ctl.
type cluster struct {
	bin, dir string
	as       *syscall.Credential
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	require.NoError(t, err)
	require.NotEmpty(t, found, "the PostgreSQL programs are not installed")
	dir, err := os.MkdirTemp("/tmp", "leadctl-restart-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := cluster{bin: found[len(found)-1], dir: dir}
	if os.Geteuid() == 0 {
		const unprivileged = 65534
		c.as = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
		require.NoError(t, os.Chown(dir, unprivileged, unprivileged))
	}
	c.run(t, "initdb", "-D", dir+"/data", "-U", "leadctl", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	c.run(t, "pg_ctl", "-D", dir+"/data", "-w", "-l", dir+"/log", "-o", "-k "+dir+" -c listen_addresses= -c port=5432",
		"start")
	t.Cleanup(func() { c.run(t, "pg_ctl", "-D", dir+"/data", "-m", "immediate", "-w", "stop") })
	return c
}

func (c cluster) run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: c.as}
	out, err := os.CreateTemp(t.TempDir(), "out") // not a pipe: the server keeps it open, so reading would never end
	require.NoError(t, err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	require.NoError(t, err, "%s: %s", program, text)
}

func (c cluster) dsn(user string) string {
	return fmt.Sprintf("postgres://%s@/postgres?host=%s&port=5432", user, c.dir)
}

// testRestarts: the server is restarted in immediate mode twenty times, at random rows. The run continues by itself.
func testRestarts(t *testing.T) {
	h := newHistory(t, 3000, acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2})
	c := newCluster(t)
	_, err := schema.Up(t.Context(), c.dsn("leadctl"), schema.Options{FS: migrations.FS})
	require.NoError(t, err)
	require.NoError(t, schema.CreateLogin(t.Context(), c.dsn("leadctl"), "serving", "correct horse battery"))
	db := &pgtest.DB{OwnerDSN: c.dsn("leadctl"), LoginDSN: c.dsn("serving"), App: open(t, c.dsn("serving"))}
	db.Owner, err = pgxpool.New(t.Context(), db.OwnerDSN)
	require.NoError(t, err)
	t.Cleanup(db.Owner.Close)
	ingest(t, db, allRows(h.first))

	restarts := strikesAt(20, 2400, func() {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		c.run(t, "pg_ctl", "-D", c.dir+"/data", "-m", "immediate", "-w", "-l", c.dir+"/log", "restart")
	})
	rep := ingest(t, db, resumableOptions(acra.File(h.second), restarts.tell))
	restarts.end(t)
	db.Owner.Reset()
	h.check(t, db, rep.Run)
}

// testMemory: the memory of a process does not grow with the register.
func testMemory(t *testing.T) {
	db := pgtest.New(t)
	file := filepath.Join(t.TempDir(), "register.csv")
	out, err := os.Create(file)
	require.NoError(t, err)
	_, err = acragen.Write(out, *registerRows, 1, acragen.Options{})
	require.NoError(t, err)
	require.NoError(t, out.Close())
	cmd, lines := startChild(t, "file:"+file, db.LoginDSN)
	var last string
	for lines.Scan() {
		last = lines.Text()
	}
	require.NoError(t, cmd.Wait())
	require.Equal(t, fmt.Sprintf("end %d <nil>", *registerRows), last)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	require.True(t, ok)
	t.Logf("%d rows, %d MiB at most", *registerRows, usage.Maxrss>>10)
	require.Less(t, usage.Maxrss>>10, int64(256))
	require.Equal(t, strconv.Itoa(*registerRows),
		queryOne[string](t, db.Owner, `SELECT count(*)::text FROM staging_acra_companies`))
}
