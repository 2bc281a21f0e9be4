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

// testServerCrashes: the server goes down hard at random moments, and the run carries on by itself.
func testServerCrashes(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 3000, acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2})
	db, _ := ownServer(t)
	ingest(t, db, all(h.first))
	crashes := blowsAt(20, 2400, func() { crash(db, time.Duration(rand.IntN(5000))*time.Microsecond) })
	rep := ingest(t, db, killable(acra.File(h.second), crashes.tell))
	crashes.end(t)
	db.Owner.Reset()
	require.Eventually(t, func() bool { return db.Owner.Ping(context.Background()) == nil }, time.Minute, 20*time.Millisecond)
	h.check(t, db, rep.Run)
}

// blows fall on a server while a run is on, one at a time, each when the run has come to a row that was drawn beforehand.
// So all of them fall, however fast the server gets up again.
type blows struct {
	at     []int64
	strike func()
	struck chan struct{} // closed when the latest blow is over
}

func blowsAt(n int, rows int64, strike func()) *blows {
	b := &blows{strike: strike, struck: make(chan struct{})}
	close(b.struck)
	for range n {
		b.at = append(b.at, rand.Int64N(rows))
	}
	slices.Sort(b.at)
	return b
}

// tell hears how far the run is.
func (b *blows) tell(p acra.Progress) {
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

func (b *blows) end(t *testing.T) {
	t.Helper()
	<-b.struck
	require.Empty(t, b.at, "the run was through before these rows")
}

// crash kills a backend, whereupon the server ends all others and recovers. It returns when the backend is gone.
func crash(db *pgtest.DB, after time.Duration) {
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
	opts := killable(acra.File(file), nil)
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
	opts = killable(acra.File(file), nil)
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
