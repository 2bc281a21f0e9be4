package acra_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// cuts are the places where a source of a few hundred rows may end early.
func cuts() map[string]func([]byte) []byte {
	lastRow := func(text []byte) int { return 1 + bytes.LastIndexByte(text[:len(text)*99/100], '\n') }
	return map[string]func([]byte) []byte{
		"at a row":          func(text []byte) []byte { return text[:lastRow(text)] },
		"in a row":          func(text []byte) []byte { return text[:39+lastRow(text)] },
		"in the last field": func(text []byte) []byte { return text[:len(text)-2] },
		"in a quote": func(text []byte) []byte { // a comma in a name makes the field quoted
			return append(text[:lastRow(text)], "53000001E,ACRA,\"GOOD, BETTER\n"...)
		},
	}
}

const markedAbsent = `SELECT count(*) FROM staging_acra_companies WHERE absent_since IS NOT NULL`

// testDownloadEndsEarly: a download that ends early without an error is incomplete. It marks nothing absent, and the
// next run of the same release mends it.
func testDownloadEndsEarly(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 500, acragen.Options{})
	later, _ := generate(t, 500, acragen.Options{Changed: 0.1})
	for _, how := range []acratest.Delivery{acratest.ByLength, acratest.ByChunks, acratest.ByClose} {
		for where, cut := range cuts() {
			for _, sizes := range []bool{false, true} {
				if how != acratest.ByLength && (sizes || where == "in a quote" || where == "in the last field") {
					continue // the end of the text is the same, whatever tells it
				}
				t.Run(fmt.Sprintf("%s, %s, sizes %v", how, where, sizes), func(t *testing.T) {
					t.Parallel()
					db, site, next := pgtest.New(t), collection(t, text, 2), collection(t, later, 2)
					ingest(t, db, bulkOptions(site))
					next.Sizes = sizes
					for i := range next.Datasets {
						next.Datasets[i].Updated = "2026-10-16"
					}
					next.Script(acratest.File, nil, acratest.EndsEarly(how, cut))
					rep, err := acra.Ingest(t.Context(), db.App, bulkOptions(next))
					require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
					require.ErrorContains(t, err, "register run 2: incomplete: ")
					require.Equal(t, acra.StateIncomplete, rep.State)
					require.False(t, rep.Complete)
					require.Positive(t, rep.Updated, "the rows that arrived are published")
					require.Zero(t, queryOne[int64](t, db.Owner, markedAbsent))
					addsUp(t, rep.Counts)

					again := ingest(t, db, bulkOptions(next))
					require.False(t, again.NothingToDo)
					require.True(t, again.Complete)
					clean := pgtest.New(t)
					ingest(t, clean, allRows(later))
					require.Equal(t, tableRows(t, clean.Owner), tableRows(t, db.Owner))
				})
			}
		}
	}
}

// A download that nothing confirms is incomplete, unless the operator vouches for it. A size alone confirms it.
func TestUnconfirmedDownload(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 300, acragen.Options{})
	down := make([]acratest.Fault, 100)
	for i := range down {
		down[i] = acratest.HTML(500)
	}
	db, site := pgtest.New(t), collection(t, text, 2)
	site.Script(acratest.Search, down...)
	_, err := acra.Ingest(t.Context(), db.App, bulkOptions(site))
	require.ErrorContains(t, err, "tells neither its size nor its number of rows")
	opts := bulkOptions(site)
	opts.Complete = true
	require.True(t, ingest(t, db, opts).Complete)

	sized := collection(t, text, 2)
	sized.Sizes = true
	require.True(t, ingest(t, pgtest.New(t), bulkOptions(sized)).Complete)
	require.Zero(t, sized.Calls(acratest.Search))
}

// A doubt about one dataset outlives a failure in a later one.
func TestDoubtSurvivesResumption(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 900, acragen.Options{})
	db, site := pgtest.New(t), collection(t, text, 3)
	faults := []acratest.Fault{acratest.EndsEarly(acratest.ByLength, cuts()["at a row"]), nil}
	for range 50 {
		faults = append(faults, acratest.HTML(500))
	}
	site.Script(acratest.File, faults...)
	rep, err := acra.Ingest(t.Context(), db.App, bulkOptions(site))
	require.Equal(t, acra.StateFailed, rep.State, "%v", err)
	site.Script(acratest.File)
	opts := bulkOptions(site)
	opts.Resume = true
	rep, err = acra.Ingest(t.Context(), db.App, opts)
	require.True(t, rep.Resumed)
	require.ErrorContains(t, err, "of 300 rows arrived")
	require.EqualValues(t, 900, ingest(t, db, bulkOptions(site)).Read)
}

// testFileEndsEarly: a file, gzip or standard input that was cut is incomplete, and a file without a count marks
// nothing absent.
func testFileEndsEarly(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 1200, acragen.Options{})
	dir := t.TempDir()
	write := func(t *testing.T, name string, text []byte) acra.Source {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return acra.File(path)
	}
	run := func(t *testing.T, db *pgtest.DB, from acra.Source, set func(*acra.Options)) (acra.Report, error) {
		t.Helper()
		opts := acra.Options{Source: from, Status: []string{acra.All}}
		if set != nil {
			set(&opts)
		}
		return acra.Ingest(t.Context(), db.App, opts)
	}
	for where, cut := range cuts() {
		short := cut(bytes.Clone(text))
		rows := int64(bytes.Count(text, []byte("\n")) - 1)
		for kind, source := range map[string]func(*testing.T) acra.Source{
			"file":  func(t *testing.T) acra.Source { return write(t, where+".csv", short) },
			"stdin": func(*testing.T) acra.Source { return acra.Stream("stdin", bytes.NewReader(short)) },
			"gzip":  func(t *testing.T) acra.Source { return write(t, where+".gz", packed(t, short)) },
		} {
			if kind == "gzip" && where != "in a row" {
				continue
			}
			t.Run(kind+" "+where, func(t *testing.T) {
				t.Parallel()
				db := pgtest.New(t)
				ingest(t, db, allRows(text))
				rep, err := run(t, db, source(t), nil)
				if where == "at a row" {
					require.NoError(t, err, "nothing shows the cut")
					require.Equal(t, acra.StateDone, rep.State)
				} else {
					require.True(t, fault.Is(err, fault.Unprocessable), "%v", err)
					require.Equal(t, acra.StateIncomplete, rep.State)
				}
				require.False(t, rep.Complete)
				rep, err = run(t, db, source(t), func(o *acra.Options) { o.ExpectRows = rows })
				require.ErrorContains(t, err, "incomplete")
				require.Contains(t, fault.Hint(err), "--expect-rows")
				require.Equal(t, acra.StateIncomplete, rep.State)
				if where != "at a row" && where != "in the last field" {
					_, err = run(t, db, source(t), func(o *acra.Options) { o.Complete = true })
					require.ErrorContains(t, err, "incomplete", "the file itself contradicts the operator")
				}
				require.Zero(t, queryOne[int64](t, db.Owner, markedAbsent))
			})
		}
	}
	t.Run("cut gzip", func(t *testing.T) {
		t.Parallel()
		db, whole := pgtest.New(t), packed(t, text)
		rep, err := run(t, db, write(t, "cut.gz", whole[:len(whole)*2/3]), nil)
		require.ErrorContains(t, err, "incomplete: cut.gz: truncated or damaged")
		require.Equal(t, acra.StateIncomplete, rep.State)
		require.Positive(t, rep.Inserted)
	})
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		for name, set := range map[string]func(*acra.Options){
			"--complete":    func(o *acra.Options) { o.Complete = true },
			"--expect-rows": func(o *acra.Options) { o.ExpectRows = 1200 - 3 },
		} {
			db := pgtest.New(t)
			ingest(t, db, allRows(text))
			lines := strings.SplitAfter(string(text), "\n")
			rest := []byte(strings.Join(append(lines[:100:100], lines[103:]...), ""))
			rep, err := run(t, db, write(t, "rest.csv", rest), nil)
			require.NoError(t, err)
			require.False(t, rep.Complete)
			rep, err = run(t, db, write(t, "rest.csv", rest), set)
			require.NoError(t, err, name)
			require.True(t, rep.Complete, name)
			require.EqualValues(t, 3, queryOne[int64](t, db.Owner, markedAbsent), name)
		}
	})
}

func packed(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(text)
	require.NoError(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

// A file that claims to be the whole register and lacks many companies marks none, unless the operator insists.
func TestAFewCompaniesAreNotTheRegister(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 1500, acragen.Options{})
	db := pgtest.New(t)
	ingest(t, db, allRows(text))
	lines := strings.SplitAfter(string(text), "\n")
	few := []byte(strings.Join(lines[:800], ""))
	opts := allRows(few)
	opts.Complete = true
	rep, err := acra.Ingest(t.Context(), db.App, opts)
	require.ErrorContains(t, err, "incomplete: 701 of 1500 companies are not in the source")
	require.Equal(t, acra.StateIncomplete, rep.State)
	require.Zero(t, queryOne[int64](t, db.Owner, markedAbsent))
	opts = allRows(few)
	opts.Complete, opts.Force = true, true
	require.True(t, ingest(t, db, opts).Complete)
	require.EqualValues(t, 701, queryOne[int64](t, db.Owner, markedAbsent))
}

// The schedule tries an incomplete source three times. Each time the platform gets the rows that arrived.
func TestScheduledRunThatEndsEarly(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 400, acragen.Options{})
	db, site := pgtest.New(t), collection(t, text, 1)
	early := make([]acratest.Fault, 10)
	for i := range early {
		early[i] = acratest.EndsEarly(acratest.ByChunks, cuts()["in a row"])
	}
	site.Script(acratest.File, early...)
	refreshed := 0
	w := &acra.Worker{DB: db.App, Source: func() (acra.Source, error) { return acra.Bulk(site.Service(), nil), nil },
		After: func(context.Context, acra.Report) error { refreshed++; return nil }, Log: slog.New(slog.DiscardHandler)}
	for attempt := 1; attempt <= 3; attempt++ {
		row := &rivertype.JobRow{Attempt: attempt, MaxAttempts: 20}
		err := w.Work(t.Context(), &river.Job[acra.JobArgs]{JobRow: row, Args: acra.JobArgs{Due: time.Now()}})
		var cancelled *river.JobCancelError
		require.Equal(t, attempt == 3, errors.As(err, &cancelled), "%v", err)
	}
	require.Equal(t, 3, refreshed)
}
