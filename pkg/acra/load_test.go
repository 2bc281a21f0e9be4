package acra_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// versions hashes the version and place of every row, so that it changes with any write to the table.
const versions = `SELECT md5(string_agg(xmin::text || ctid::text, ' ' ORDER BY uen)) FROM staging_acra_companies`

func TestUnchangedRowsAreNotWritten(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 2000, acragen.Options{})
	ingest(t, db, allRows(text))
	before := queryOne[string](t, db.Owner, versions)
	ingest(t, db, allRows(text))
	require.Equal(t, before, queryOne[string](t, db.Owner, versions))
}

func TestAMonthLater(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 4000, acragen.Options{})
	first := ingest(t, db, allRows(text))
	text, tally := generate(t, 4000, acragen.Options{Changed: 0.04, New: 0.01, Gone: 0.001})
	added := int64(40)
	rep := ingest(t, db, allRows(text))
	require.EqualValues(t, tally.Changed, rep.Updated)
	require.Equal(t, added, rep.Inserted)
	require.EqualValues(t, int64(tally.Rows)-added-int64(tally.Changed), rep.Unchanged)
	require.Equal(t, rep.Updated+rep.Inserted,
		queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies WHERE run_id = $1`, rep.ID))
	require.Equal(t, rep.Updated, queryOne[int64](t, db.Owner,
		`SELECT count(*) FROM staging_acra_companies WHERE run_id = $1 AND first_seen < last_seen`, rep.ID))
	require.Equal(t, 4040-rep.Updated-rep.Inserted,
		queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies WHERE run_id = $1`, first.ID),
		"a row that the file lacks stays")

	clean := pgtest.New(t)
	ingest(t, clean, allRows(text))
	missing := queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`) - rep.Read
	require.Len(t, tableRows(t, clean.Owner), int(rep.Read))
	require.Len(t, tableRows(t, db.Owner), int(rep.Read+missing))
	require.Subset(t, tableRows(t, db.Owner), tableRows(t, clean.Owner))
}

// The last of several rows with one UEN counts, in the same batch or not, and a second load changes nothing.
func TestLastRowOfAUENWins(t *testing.T) {
	t.Parallel()
	text := registerCSV("uen entity_name entity_status_description",
		uen(1)+"|ONE A|Live", uen(1)+"|ONE B|Live", uen(2)+"|TWO|Live", uen(3)+"|THREE A|Live",
		uen(1)+"|ONE C|Live", uen(3)+"|THREE B|Live", uen(3)+"|THREE A|Live", uen(2)+"|TWO|Live")
	want := "ONE C,TWO,THREE A"
	const names = `SELECT string_agg(entity_name, ',' ORDER BY uen) FROM staging_acra_companies`
	for _, size := range []int{1, 2, 3, 100} {
		db := pgtest.New(t)
		opts := allRows(text)
		opts.BatchRows = size
		rep := ingest(t, db, opts)
		require.Equal(t, acra.Counts{Read: 8, Inserted: 3, Duplicates: 5}, rep.Counts, "batches of %d", size)
		require.Equal(t, want, queryOne[string](t, db.Owner, names))
		before := queryOne[string](t, db.Owner, versions)
		opts = allRows(text)
		opts.BatchRows = size
		rep = ingest(t, db, opts)
		require.Equal(t, acra.Counts{Read: 8, Unchanged: 3, Duplicates: 5}, rep.Counts, "batches of %d, again", size)
		require.Equal(t, want, queryOne[string](t, db.Owner, names))
		require.Equal(t, before, queryOne[string](t, db.Owner, versions),
			"the second load changes nothing")
	}
}

func TestStatusFilter(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	live := func(text []byte, status ...string) acra.Options {
		opts := allRows(text)
		opts.Status = status
		return opts
	}
	rep := ingest(t, db, live(registerCSV("uen entity_name entity_status_description",
		uen(1)+"|A|Live", uen(2)+"|B|Live Company", uen(3)+"|C|Live (Receiver or Receiver and Manager appointed)",
		uen(4)+"|D|LIVE COMPANY", uen(5)+"|E|Struck Off", uen(6)+"|F|na")))
	require.Equal(t, acra.Counts{Read: 6, Inserted: 4, Filtered: 2}, rep.Counts)

	// A row in the table is kept up to date whatever its status; a row of another status is not added.
	rep = ingest(t, db,
		live(registerCSV("uen entity_name entity_status_description", uen(1)+"|A|Ceased Registration",
			uen(5)+"|E|Cancelled")))
	require.Equal(t, acra.Counts{Read: 2, Updated: 1, Filtered: 1}, rep.Counts)
	require.Equal(t, "Ceased Registration",
		queryOne[string](t, db.Owner, `SELECT entity_status_description FROM staging_acra_companies WHERE uen = $1`,
			uen(1)))

	rep = ingest(t, db,
		live(registerCSV("uen entity_name entity_status_description", uen(7)+"|G|struck off", uen(8)+"|H|Live"),
			"Struck Off"))
	require.Equal(t, acra.Counts{Read: 2, Inserted: 1, Filtered: 1}, rep.Counts)
}

func TestSinceAndLimit(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text := registerCSV("uen entity_name registration_incorporation_date uen_issue_date",
		uen(1)+"|A|2020-01-01|na", uen(2)+"|B|2019-12-31|2024-01-01", uen(3)+"|C|na|2020-05-01", uen(4)+"|D|na|na",
		uen(5)+"|E|31/12/2021|na")
	opts := allRows(text)
	opts.Since = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	rep := ingest(t, db, opts)
	require.Equal(t, acra.Counts{Read: 5, Inserted: 3, Filtered: 2}, rep.Counts)
	opts = allRows(text)
	opts.Limit = 2
	rep = ingest(t, db, opts)
	require.Equal(t, acra.Counts{Read: 2, Unchanged: 1, Inserted: 1}, rep.Counts)
}

// A database of the platform's other services has rows without a hash, and "na" instead of NULL.
func TestAdoptedRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO staging_acra_companies (uen, entity_name, block, postal_code)
		VALUES ($1, 'OLD NAME', 'na', '18982')`, uen(1))
	require.NoError(t, err)
	rep := ingest(t, db,
		allRows(registerCSV("uen entity_name entity_status_description postal_code", uen(1)+"|NEW NAME|Live|018982")))
	require.EqualValues(t, 1, rep.Updated)
	require.Equal(t, "NEW NAME/018982/true", queryOne[string](t, db.Owner,
		`SELECT entity_name || '/' || postal_code || '/' || (block IS NULL) FROM staging_acra_companies`))
}

func TestTooManyRejectsLeaveTheOldData(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 3000, acragen.Options{})
	ingest(t, db, allRows(text))
	before, where := tableRows(t, db.Owner), queryOne[string](t, db.Owner, versions)

	text, _ = generate(t, 3000,
		acragen.Options{Changed: 0.2, New: 0.2, Dirty: 0.08, Traps: []acragen.Trap{acragen.BadSSIC}})
	rep, err := acra.Ingest(t.Context(), db.App, allRows(text))
	require.True(t, fault.Is(err, fault.Unprocessable), "%v", err)
	require.ErrorContains(t, err, "rejected, more than 5 %")
	require.NotEmpty(t, fault.Hint(err))
	require.Equal(t, acra.StateAborted, rep.State)
	addsUp(t, rep.Counts)
	require.Equal(t, before, tableRows(t, db.Owner))
	require.Equal(t, where, queryOne[string](t, db.Owner, versions), "old rows were not written")
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_pending`))
	require.Equal(t, rep.Rejected,
		queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_rejects WHERE run_id = $1`, rep.ID))

	again, err := acra.Ingest(t.Context(), db.App, withResume(allRows(text)))
	require.Error(t, err)
	require.NotEqual(t, rep.ID, again.ID, "an aborted run is not resumed")
}

func withResume(o acra.Options) acra.Options {
	o.Resume = true
	return o
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 1000, acragen.Options{})
	ingest(t, db, allRows(text))
	before := queryOne[string](t, db.Owner, versions)
	text, tally := generate(t, 1000,
		acragen.Options{Changed: 0.1, New: 0.1, Dirty: 0.02, Traps: []acragen.Trap{acragen.BlankUEN}})
	opts := allRows(text)
	opts.DryRun = true
	rep := ingest(t, db, opts)
	require.InDelta(t, tally.Changed, rep.Updated, float64(tally.Traps[acragen.BlankUEN]),
		"a changed row may be dirty too")
	require.EqualValues(t, tally.Traps[acragen.BlankUEN], rep.Rejected)
	require.Len(t, rep.FirstRejects, min(20, tally.Traps[acragen.BlankUEN]))
	require.InDelta(t, 100, rep.Inserted, 10)
	require.Equal(t, before, queryOne[string](t, db.Owner, versions))
	require.EqualValues(t, 1, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_runs`))
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_rejects`))
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_pending`))
}

func TestFilesOfEveryKind(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 900, acragen.Options{CRLF: true})
	other, _ := generate(t, 1200, acragen.Options{})
	dir := t.TempDir()
	write := func(name string, body []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, body, 0o600))
		return path
	}
	var packed bytes.Buffer
	gz := gzip.NewWriter(&packed)
	_, err := gz.Write(text)
	require.NoError(t, err)
	require.NoError(t, gz.Close())
	var archive bytes.Buffer
	zw := zip.NewWriter(&archive)
	for name, body := range map[string][]byte{"a/B.CSV": other, "a/A.csv": text, "README.txt": []byte("no rows")} {
		w, err := zw.Create(name)
		require.NoError(t, err)
		_, err = w.Write(body)
		require.NoError(t, err)
	}
	require.NoError(t, zw.Close())

	db := pgtest.New(t)
	run := func(s acra.Source) acra.Report {
		return ingest(t, db, acra.Options{Source: s, Status: []string{acra.All}})
	}
	require.EqualValues(t, 900, run(acra.File(write("plain.csv", text))).Inserted)
	require.EqualValues(t, 900, run(acra.File(write("packed.csv", packed.Bytes()))).Unchanged,
		"the format does not depend on the name")
	require.EqualValues(t, 900, run(acra.Stream("packed", bytes.NewReader(packed.Bytes()))).Unchanged)
	rep := run(acra.File(write("both.zip", archive.Bytes())))
	require.Equal(t, acra.Counts{Read: 2100, Inserted: 300, Unchanged: 900, Duplicates: 900}, rep.Counts)

	for name, c := range map[string]struct {
		source acra.Source
		kind   fault.Kind
		says   string
	}{
		"cut gzip": {acra.File(write("cut.gz", packed.Bytes()[:packed.Len()/2])), fault.Unprocessable,
			"cut.gz: truncated or damaged"},
		"no gzip": {acra.File(write("no.gz", append([]byte{0x1f, 0x8b}, text...))), fault.Unprocessable,
			"no.gz: truncated or damaged"},
		"cut zip": {acra.File(write("cut.zip", archive.Bytes()[:archive.Len()/2])), fault.Unprocessable,
			"cut.zip: truncated or damaged"},
		"zip as a pipe": {acra.Stream("stdin", bytes.NewReader(archive.Bytes())), fault.Unsupported,
			"cannot be read as a stream"},
		"a folder": {acra.File(dir), fault.Invalid, "is not a readable file"},
		"no file":  {acra.File(filepath.Join(dir, "none")), fault.NotFound, "does not exist"},
	} {
		_, err := acra.Ingest(t.Context(), db.App, acra.Options{Source: c.source})
		require.ErrorContains(t, err, c.says, name)
		require.True(t, fault.Is(err, c.kind), "%s: %v", name, fault.KindOf(err))
	}
}

// pausingReader returns text, then waits for release and fails.
type pausingReader struct {
	text    []byte
	reached chan struct{}
	release chan struct{}
	once    bool
}

func (s *pausingReader) Read(p []byte) (int, error) {
	if len(s.text) == 0 {
		if !s.once {
			s.once = true
			close(s.reached)
			<-s.release
		}
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, s.text)
	s.text = s.text[n:]
	return n, nil
}

func testOneAtATime(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 1000, acragen.Options{})
	src := &pausingReader{text: text, reached: make(chan struct{}), release: make(chan struct{})}
	first := make(chan error, 1)
	go func() {
		_, err := acra.Ingest(context.WithoutCancel(t.Context()), db.App,
			acra.Options{Source: acra.Stream("slow", src), Status: []string{acra.All}})
		first <- err
	}()
	<-src.reached
	_, err := acra.Ingest(t.Context(), db.App, allRows(text))
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	require.ErrorContains(t, err, "already running (run 1 from stream slow")
	runs, err := acra.Runs(t.Context(), db.App, 5)
	require.NoError(t, err)
	require.Equal(t, acra.StateRunning, runs[0].State)
	close(src.release)
	require.Error(t, <-first)

	runs, err = acra.Runs(t.Context(), db.App, 5)
	require.NoError(t, err)
	require.Equal(t, acra.StateFailed, runs[0].State)
	require.True(t, strings.Contains(runs[0].Error, "slow"), runs[0].Error)
	ingest(t, db, allRows(text)) // the lock is free again
}
