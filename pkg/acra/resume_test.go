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
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// history is two months of the register as files, and the result of undisturbed runs over them.
type history struct {
	first  []byte
	second string // path of a file with changed, new, rejected and duplicate rows
	table  []string
	counts acra.Counts
	lines  string
}

const rejectedLines = `SELECT coalesce(string_agg(line || ':' || reason, ' ' ORDER BY line), '') FROM acra_rejects
	WHERE run_id = $1`

func newHistory(t *testing.T, rows int, later acragen.Options) history {
	t.Helper()
	h := history{second: filepath.Join(t.TempDir(), "second.csv")}
	h.first, _ = generate(t, rows, acragen.Options{})
	text, _ := generate(t, rows, later)
	require.NoError(t, os.WriteFile(h.second, text, 0o600))
	db := pgtest.New(t)
	ingest(t, db, allRows(h.first))
	rep := ingest(t, db, resumableOptions(acra.File(h.second), nil))
	h.table, h.counts = tableRows(t, db.Owner), rep.Counts
	h.lines = queryOne[string](t, db.Owner, rejectedLines, rep.ID)
	return h
}

func (h history) check(t *testing.T, db *pgtest.DB, rep acra.Run) {
	t.Helper()
	require.Equal(t, h.table, tableRows(t, db.Owner))
	require.Equal(t, h.counts, rep.Counts)
	require.Equal(t, h.lines, queryOne[string](t, db.Owner, rejectedLines, rep.ID))
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_pending`))
}

// testKilled kills the process again and again at random rows. The next process resumes, and the result is that of an
// undisturbed run.
func testKilled(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		h := newHistory(t, killRows(), acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2})
		killAgainAndAgain(t, h, "file:"+h.second)
	})
	for _, kind := range []string{"bulk", "api"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, killRows(), acragen.Options{Changed: 0.2, New: 0.2})
			text, err := os.ReadFile(h.second)
			require.NoError(t, err)
			site := collection(t, text, 4)
			scriptTrouble(site)
			killAgainAndAgain(t, h, kind+":"+site.URL)
		})
	}
}

// scriptTrouble makes one call in four fail in a way that the service is known for.
func scriptTrouble(site *acratest.Site) {
	faults := map[acratest.Call][]acratest.Fault{
		acratest.Search: {acratest.TooMany(""), acratest.HTML(502), acratest.HTML(200), acratest.Unsuccessful(),
			acratest.Cut(0.7), acratest.Damaged(0.6), acratest.HangUp()},
		acratest.Metadata: {acratest.TooMany("3"), acratest.HTML(500)},
		acratest.Poll:     {acratest.TooMany("3"), acratest.HTML(500), acratest.Damaged(0.5)},
		acratest.File: {acratest.HTML(503), acratest.Cut(0.3), acratest.Cut(0.9), acratest.HangUp(),
			acratest.NoRange()},
	}
	for call, list := range faults {
		script := make([]acratest.Fault, 10_000)
		for i := range script {
			if rand.IntN(4) == 0 {
				script[i] = list[rand.IntN(len(list))]
			}
		}
		site.Script(call, script...)
	}
}

// killRows is enough that no process finishes before the last kill.
func killRows() int { return max(3000, 750**kills) }

func killAgainAndAgain(t *testing.T, h history, source string) {
	t.Helper()
	db := pgtest.New(t)
	ingest(t, db, allRows(h.first))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	read := int64(0)
	for n := range *kills {
		done := runAndKill(t, source, db.LoginDSN, int64(r.IntN(killRows() / *kills / 2)),
			time.Duration(r.IntN(4000))*time.Microsecond)
		require.False(t, done, "it was through before the %dth kill", n+1)
		now := queryOne[int64](t, db.Owner, `SELECT coalesce(max(rows_read), 0) FROM acra_runs WHERE run_id = 2`)
		require.GreaterOrEqual(t, now, read, "the checkpoint never moves back")
		read = now
	}
	require.True(t, runAndKill(t, source, db.LoginDSN, 1<<40, 0))
	run, err := acra.OneRun(t.Context(), db.App, 2)
	require.NoError(t, err)
	require.Equal(t, acra.StateDone, run.State)
	require.Positive(t, read, "at least one process made progress before it was killed")
	h.check(t, db, run)
}

// startChild runs this binary as a process that ingests. env has further variables, NAME=VALUE.
func startChild(t *testing.T, source, dsn string, env ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childSource+"="+source, childDSN+"="+dsn), env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// runAndKill starts a process that ingests. The process is killed after reading rows rows, plus moment. done reports
// that it finished before.
func runAndKill(t *testing.T, source, dsn string, rows int64, moment time.Duration) (done bool) {
	t.Helper()
	cmd, lines := startChild(t, source, dsn, fmt.Sprint(childRows, "=", rows), fmt.Sprint(childMoment, "=", moment))
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	err := cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return false
	}
	require.NoError(t, err, "%v", said)
	return true
}

// testTwoProcesses: of two processes that start together, one ingests and the other reports a conflict.
func testTwoProcesses(t *testing.T) {
	t.Parallel()
	h, db := newHistory(t, 3000, acragen.Options{Changed: 0.2}), pgtest.New(t)
	ingest(t, db, allRows(h.first))
	var said [2]string
	var both sync.WaitGroup
	for i := range said {
		// 50 batches with this pause take longer than the other process waits for the lock.
		cmd, lines := startChild(t, "file:"+h.second, db.LoginDSN, childPause+"=50ms")
		both.Go(func() {
			for lines.Scan() {
				said[i] = lines.Text() // the last line counts
			}
			_ = cmd.Wait()
		})
	}
	both.Wait()
	slices.Sort(said[:])
	require.Regexp(t, `^end 0 register ingestion: already running \(run 2 from file second\.csv, \d+ rows read\)$`,
		said[0])
	require.Equal(t, "end 3000 <nil>", said[1])
	run, err := acra.OneRun(t.Context(), db.App, 2)
	require.NoError(t, err)
	h.check(t, db, run)
	require.EqualValues(t, 2, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_runs`))
}

// TestInterrupted: an interrupted run reports it and can be resumed, but not with other options or another file.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	h, db := newHistory(t, 2000, acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2}), pgtest.New(t)
	ingest(t, db, allRows(h.first))
	ctx, cancel := context.WithCancel(t.Context())
	rep, err := acra.Ingest(ctx, db.App, resumableOptions(acra.File(h.second), func(p acra.Progress) {
		if p.Read > 700 {
			cancel()
		}
	}))
	require.True(t, fault.Is(err, fault.Interrupted), "%v", err)
	require.Contains(t, fault.Hint(err), "--resume")
	require.Equal(t, acra.StateFailed, rep.State)

	opts := resumableOptions(acra.File(h.second), nil)
	opts.Status = nil
	_, err = acra.Ingest(t.Context(), db.App, opts)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)

	text, err := os.ReadFile(h.second)
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "second.csv")
	require.NoError(t, os.WriteFile(other, bytes.Replace(text, []byte("na"), []byte("NA"), 1), 0o600))
	_, err = acra.Ingest(t.Context(), db.App, resumableOptions(acra.File(other), nil))
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	require.ErrorContains(t, err, "differs from the source that the run began with")

	again := ingest(t, db, resumableOptions(acra.File(h.second), nil))
	require.True(t, again.Resumed)
	require.Equal(t, rep.ID, again.ID)
	h.check(t, db, again.Run)

	next := ingest(t, db, resumableOptions(acra.File(h.second), nil))
	require.False(t, next.Resumed, "a finished run is not resumed")
}

// A new run drops everything that an interrupted run left behind.
func TestANewRunAfterAnInterruptedOne(t *testing.T) {
	t.Parallel()
	h, db := newHistory(t, 2000, acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.2}), pgtest.New(t)
	ingest(t, db, allRows(h.first))
	require.False(t, runAndKill(t, "file:"+h.second, db.LoginDSN, 800, 0))
	require.Eventually(t, func() bool { // the server frees the lock a moment later
		runs, err := acra.Runs(t.Context(), db.App, 1)
		return err == nil && runs[0].State == acra.StateInterrupted
	}, time.Minute, 20*time.Millisecond)
	opts := resumableOptions(acra.File(h.second), nil)
	opts.Resume = false
	ingest(t, db, opts)
	require.Equal(t, h.table, tableRows(t, db.Owner))
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_pending`))
}

func open(t *testing.T, dsn string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}
