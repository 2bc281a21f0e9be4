package acra_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtemp"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// ownServer returns a database on a server of its own, which the test may crash.
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

// testServerCrashes: the server crashes at random moments, and the run continues by itself.
func testServerCrashes(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 3000, acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2})
	db, _ := ownServer(t)
	ingest(t, db, allRows(h.first))
	crashes := strikesAt(20, 2400, func() { crashBackend(db, time.Duration(rand.IntN(5000))*time.Microsecond) })
	rep := ingest(t, db, resumableOptions(acra.File(h.second), crashes.tell))
	crashes.end(t)
	db.Owner.Reset()
	require.Eventually(t, func() bool { return db.Owner.Ping(context.Background()) == nil }, time.Minute,
		20*time.Millisecond)
	h.check(t, db, rep.Run)
}

// strikes calls strike during a run, once for each of some rows drawn in advance, when the run reaches that row. The
// calls do not overlap. All of them happen, however fast the server recovers.
type strikes struct {
	at     []int64
	strike func()
	struck chan struct{} // closed when the latest call has returned
}

func strikesAt(n int, rows int64, strike func()) *strikes {
	b := &strikes{strike: strike, struck: make(chan struct{})}
	close(b.struck)
	for range n {
		b.at = append(b.at, rand.Int64N(rows))
	}
	slices.Sort(b.at)
	return b
}

// tell receives the run's progress.
func (b *strikes) tell(p acra.Progress) {
	if len(b.at) == 0 || p.Read < b.at[0] {
		return
	}
	<-b.struck
	struck := make(chan struct{})
	b.at, b.struck = b.at[1:], struck
	go func() {
		defer close(struck)
		b.strike()
	}()
}

func (b *strikes) end(t *testing.T) {
	t.Helper()
	<-b.struck
	require.Empty(t, b.at, "the run ended before it reached these rows")
}

// crashBackend kills a backend, so that the server ends all others and recovers. It returns when the backend is gone.
func crashBackend(db *pgtest.DB, after time.Duration) {
	time.Sleep(after)
	var pid int
	find := func() bool { // fails while the server still recovers from the crash before
		return db.Owner.QueryRow(context.Background(),
			`SELECT pid FROM pg_stat_activity WHERE usename = 'serving' ORDER BY random() LIMIT 1`).Scan(&pid) == nil
	}
	for i := 0; !find(); i++ {
		if i == 3000 {
			return // the run has ended, so there is no backend to kill
		}
		time.Sleep(20 * time.Millisecond)
	}
	for syscall.Kill(pid, syscall.SIGKILL) == nil {
		time.Sleep(time.Millisecond)
	}
}

// testDiskFull: the table cannot grow. Committed rows stay, reads work, and with space again the run finishes.
func testDiskFull(t *testing.T) {
	t.Parallel()
	db, server := ownServer(t)
	text, _ := generate(t, 60_000, acragen.Options{})
	file := filepath.Join(t.TempDir(), "register.csv")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	opts := resumableOptions(acra.File(file), nil)
	opts.BatchRows = 2000

	limitFiles(t, db, server, "17825792") // enough for a segment of WAL
	rep, err := acra.Ingest(t.Context(), open(t, db.LoginDSN), opts)
	require.Error(t, err)
	require.Equal(t, acra.StateFailed, rep.State)
	require.Greater(t, rep.Read, int64(2000))
	require.Less(t, rep.Read, int64(60_000))
	require.Equal(t, rep.Inserted, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`),
		"the checkpoint matches the rows in the table")
	run, err := acra.OneRun(t.Context(), db.App, rep.ID)
	require.NoError(t, err)
	require.Equal(t, rep.Counts, run.Counts)
	require.NotEmpty(t, run.Error)

	limitFiles(t, db, server, "unlimited")
	opts = resumableOptions(acra.File(file), nil)
	opts.BatchRows = 2000
	again, err := acra.Ingest(t.Context(), open(t, db.LoginDSN), opts)
	require.NoError(t, err)
	require.Equal(t, acra.Counts{Read: 60_000, Inserted: 60_000}, again.Counts)
	require.EqualValues(t, 60_000, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`))
}

// limitFiles bounds the size of files that new backends may write. The server sets the limit on itself, because a test
// that runs as another user may not.
func limitFiles(t *testing.T, db *pgtest.DB, server *pgtemp.Server, size string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(server.Dir(), "data", "postmaster.pid"))
	require.NoError(t, err)
	pid, _, _ := strings.Cut(string(text), "\n")
	_, err = db.Owner.Exec(t.Context(),
		fmt.Sprintf(`COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; prlimit --pid %s --fsize=%s:unlimited'`, pid, size))
	require.NoError(t, err)
}
