package acra_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

// history is two months of the register as files, and what a run that nothing disturbs makes of them.
type history struct {
	first  []byte
	second string // path: changed, new, refused and repeated rows
	table  []string
	counts acra.Counts
	lines  string
}

const rejectedLines = `SELECT coalesce(string_agg(line || ':' || reason, ' ' ORDER BY line), '') FROM acra_rejects WHERE run_id = $1`

func newHistory(t *testing.T, rows int) history {
	t.Helper()
	h := history{second: filepath.Join(t.TempDir(), "second.csv")}
	h.first, _ = generate(t, rows, acragen.Options{})
	text, _ := generate(t, rows, acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2})
	require.NoError(t, os.WriteFile(h.second, text, 0o600))
	db := pgtest.New(t)
	ingest(t, db, all(h.first))
	rep := ingest(t, db, killable(h.second, nil))
	h.table, h.counts = table(t, db.Owner), rep.Counts
	h.lines = one[string](t, db.Owner, rejectedLines, rep.ID)
	return h
}

func (h history) check(t *testing.T, db *pgtest.DB, rep acra.Run) {
	t.Helper()
	require.Equal(t, h.table, table(t, db.Owner))
	require.Equal(t, h.counts, rep.Counts)
	require.Equal(t, h.lines, one[string](t, db.Owner, rejectedLines, rep.ID))
	require.Zero(t, one[int64](t, db.Owner, `SELECT count(*) FROM acra_pending`))
}

// testKilled kills the process again and again at random rows. Whoever comes next goes on, and the end is as if nothing
// had happened.
func testKilled(t *testing.T) {
	t.Parallel()
	h, db := newHistory(t, 6000), pgtest.New(t)
	ingest(t, db, all(h.first))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for done, read := false, int64(0); !done; {
		done = runAndKill(t, h.second, db.LoginDSN, int64(r.IntN(600)), time.Duration(r.IntN(4000))*time.Microsecond)
		if !done {
			kills++
		}
		now := one[int64](t, db.Owner, `SELECT coalesce(max(rows_read), 0) FROM acra_runs WHERE run_id = 2`)
		require.GreaterOrEqual(t, now, read, "the checkpoint does not go back")
		read = now
	}
	require.GreaterOrEqual(t, kills, 10, "it was killed often enough to mean something")
	run, err := acra.OneRun(t.Context(), db.App, 2)
	require.NoError(t, err)
	require.Equal(t, acra.StateDone, run.State)
	h.check(t, db, run)
}

// runAndKill starts a process that ingests and kills it once it has read so many rows and a moment more. done says that the
// process was faster.
func runAndKill(t *testing.T, file, dsn string, rows int64, moment time.Duration) (done bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+file, childDSN+"="+dsn)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var said []string
	start := int64(-1)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		n, err := strconv.ParseInt(strings.TrimPrefix(lines.Text(), "read "), 10, 64)
		if err != nil {
			continue
		}
		if start < 0 {
			start = n
		}
		if n-start >= rows {
			time.Sleep(moment)
			_ = cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return false
	}
	require.NoError(t, err, "%v", said)
	return true
}

// TestInterrupted: a run that is told to stop says so, and goes on when asked; with other options or another file it refuses.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	h, db := newHistory(t, 2000), pgtest.New(t)
	ingest(t, db, all(h.first))
	ctx, cancel := context.WithCancel(t.Context())
	rep, err := acra.Ingest(ctx, db.App, killable(h.second, func(p acra.Progress) {
		if p.Read > 700 {
			cancel()
		}
	}))
	require.True(t, fault.Is(err, fault.Interrupted), "%v", err)
	require.Contains(t, fault.Hint(err), "--resume")
	require.Equal(t, acra.StateFailed, rep.State)

	opts := killable(h.second, nil)
	opts.Status = nil
	_, err = acra.Ingest(t.Context(), db.App, opts)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)

	text, err := os.ReadFile(h.second)
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "second.csv")
	require.NoError(t, os.WriteFile(other, bytes.Replace(text, []byte("na"), []byte("NA"), 1), 0o600))
	_, err = acra.Ingest(t.Context(), db.App, killable(other, nil))
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	require.ErrorContains(t, err, "not what the run began with")

	again := ingest(t, db, killable(h.second, nil))
	require.True(t, again.Resumed)
	require.Equal(t, rep.ID, again.ID)
	h.check(t, db, again.Run)

	next := ingest(t, db, killable(h.second, nil))
	require.False(t, next.Resumed, "a finished run is not resumed")
}

// A run that was given up leaves nothing behind that the next could stumble over.
func TestANewRunAfterAnInterruptedOne(t *testing.T) {
	t.Parallel()
	h, db := newHistory(t, 2000), pgtest.New(t)
	ingest(t, db, all(h.first))
	runAndKill(t, h.second, db.LoginDSN, 800, 0)
	require.Eventually(t, func() bool { // the server notices in a moment
		runs, err := acra.Runs(t.Context(), db.App, 1)
		return err == nil && runs[0].State == acra.StateInterrupted
	}, time.Minute, 20*time.Millisecond)
	opts := killable(h.second, nil)
	opts.Resume = false
	ingest(t, db, opts)
	require.Equal(t, h.table, table(t, db.Owner))
	require.Zero(t, one[int64](t, db.Owner, `SELECT count(*) FROM acra_pending`))
}

// ownServer is a database on a server that the test may mistreat.
func ownServer(t *testing.T) (*pgtest.DB, *pgtemp.Server) {
	t.Helper()
	server, err := pgtemp.Start(t.Context(), pgtemp.Options{Settings: map[string]string{"autovacuum": "off"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	db := &pgtest.DB{OwnerDSN: server.DSN("postgres")}
	_, err = schema.Up(t.Context(), db.OwnerDSN, schema.Options{FS: migrations.FS})
	require.NoError(t, err)
	require.NoError(t, schema.CreateLogin(t.Context(), db.OwnerDSN, "serving", "correct horse battery"))
	db.LoginDSN = strings.Replace(db.OwnerDSN, "leadctl@", "serving@", 1)
	db.Owner, err = pgxpool.New(t.Context(), db.OwnerDSN)
	require.NoError(t, err)
	t.Cleanup(db.Owner.Close)
	db.App = open(t, db.LoginDSN)
	return db, server
}

func open(t *testing.T, dsn string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// testServerCrashes: the server goes down hard at random moments, and the run carries on by itself.
func testServerCrashes(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 3000)
	db, _ := ownServer(t)
	ingest(t, db, all(h.first))
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	crashes := 0
	var crashed chan struct{}
	opts := killable(h.second, func(acra.Progress) {
		if crashed != nil {
			<-crashed // one at a time
			crashed = nil
		}
		if crashes < 20 && r.IntN(3) == 0 {
			crashes++
			crashed = make(chan struct{})
			go crash(db, time.Duration(r.IntN(5000))*time.Microsecond, crashed)
		}
	})
	rep := ingest(t, db, opts)
	require.GreaterOrEqual(t, crashes, 10)
	if crashed != nil {
		<-crashed
	}
	db.Owner.Reset()
	require.Eventually(t, func() bool { return db.Owner.Ping(context.Background()) == nil }, time.Minute, 20*time.Millisecond)
	h.check(t, db, rep.Run)
}

// crash kills a backend, whereupon the server ends all others and recovers. It returns when the backend is gone.
func crash(db *pgtest.DB, after time.Duration, done chan<- struct{}) {
	defer close(done)
	time.Sleep(after)
	var pid int
	find := func() bool { // the crash before may not be over
		return db.Owner.QueryRow(context.Background(), `SELECT pid FROM pg_stat_activity WHERE usename = 'serving' ORDER BY random() LIMIT 1`).Scan(&pid) == nil
	}
	for i := 0; !find(); i++ {
		if i == 3000 {
			return // the run has ended, and nobody is there to be killed
		}
		time.Sleep(20 * time.Millisecond)
	}
	for syscall.Kill(pid, syscall.SIGKILL) == nil {
		time.Sleep(time.Millisecond)
	}
}

// testDiskFull: the table cannot grow; what was committed stands, reads go on, and with room again the run finishes.
func testDiskFull(t *testing.T) {
	t.Parallel()
	db, server := ownServer(t)
	text, _ := generate(t, 60_000, acragen.Options{})
	file := filepath.Join(t.TempDir(), "register.csv")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	opts := killable(file, nil)
	opts.BatchRows = 2000

	limitFiles(t, db, server, "17825792") // a segment of WAL fits
	rep, err := acra.Ingest(t.Context(), open(t, db.LoginDSN), opts)
	require.Error(t, err)
	require.Equal(t, acra.StateFailed, rep.State)
	require.Greater(t, rep.Read, int64(2000))
	require.Less(t, rep.Read, int64(60_000))
	require.Equal(t, rep.Inserted, one[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`), "the checkpoint is where the rows are")
	run, err := acra.OneRun(t.Context(), db.App, rep.ID)
	require.NoError(t, err)
	require.Equal(t, rep.Counts, run.Counts)
	require.NotEmpty(t, run.Error)

	limitFiles(t, db, server, "unlimited")
	opts = killable(file, nil)
	opts.BatchRows = 2000
	again, err := acra.Ingest(t.Context(), open(t, db.LoginDSN), opts)
	require.NoError(t, err)
	require.Equal(t, acra.Counts{Read: 60_000, Inserted: 60_000}, again.Counts)
	require.EqualValues(t, 60_000, one[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`))
}

// limitFiles bounds the files that backends started from now on may write. The server does it to itself: nobody else may,
// where the test runs as another user.
func limitFiles(t *testing.T, db *pgtest.DB, server *pgtemp.Server, size string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(server.Dir(), "data", "postmaster.pid"))
	require.NoError(t, err)
	pid, _, _ := strings.Cut(string(text), "\n")
	_, err = db.Owner.Exec(t.Context(), fmt.Sprintf(`COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; prlimit --pid %s --fsize=%s:unlimited'`, pid, size))
	require.NoError(t, err)
}
