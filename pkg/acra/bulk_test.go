package acra_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

func bulkOptions(site *acratest.Site) acra.Options {
	return acra.Options{Source: acra.Bulk(site.Service(), nil), Status: []string{acra.All}}
}

func TestDownloadGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 3000, acragen.Options{})
	for name, set := range map[string]func(*acratest.Site){
		"cut several times": func(s *acratest.Site) {
			s.Script(acratest.File, acratest.Cut(0.3), acratest.Cut(0.5), nil, acratest.Cut(0.9))
		},
		"cut before the first byte": func(s *acratest.Site) {
			s.Script(acratest.File, acratest.Cut(0),
				acratest.Cut(0))
		},
		"errors of the storage": func(s *acratest.Site) {
			s.Script(acratest.File, acratest.Reply(500, "<Error/>"), acratest.HTML(200), acratest.Cut(0.2),
				acratest.TooMany("1"))
		},
		"a server that knows no ranges": func(s *acratest.Site) {
			s.Script(acratest.File, acratest.Cut(0.4), acratest.NoRange(), acratest.Cut(0.5), acratest.NoRange())
		},
		"a link that expires": func(s *acratest.Site) {
			s.Script(acratest.File, acratest.Cut(0.4), acratest.Meanwhile(s.ExpireLinks))
		},
		"calls that fail": func(s *acratest.Site) {
			s.Script(acratest.Initiate, acratest.HTML(500), acratest.TooMany(""))
			s.Script(acratest.Poll, nil, acratest.Reply(200, `{"code":9}`), acratest.HTML(502))
			s.Pending = 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, site := pgtest.New(t), collection(t, text, 2)
			set(site)
			rep := ingest(t, db, bulkOptions(site))
			require.Equal(t, acra.Counts{Read: 3000, Inserted: 3000}, rep.Counts)
		})
	}
}

func TestStorageThatStaysDown(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 500, acragen.Options{})
	db, site := pgtest.New(t), collection(t, text, 2)
	down := make([]acratest.Fault, 50)
	for i := range down {
		down[i] = acratest.HTML(500)
	}
	site.Script(acratest.File, append([]acratest.Fault{nil}, down...)...)
	rep, err := acra.Ingest(t.Context(), db.App, bulkOptions(site))
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.NotContains(t, err.Error(), "signature", "a link is a credential")
	require.EqualValues(t, 250, rep.Read, "the first dataset is committed")

	site.Script(acratest.File)
	opts := bulkOptions(site)
	opts.Resume = true
	again := ingest(t, db, opts)
	require.Equal(t, rep.ID, again.ID)
	require.True(t, again.Resumed)
	require.Equal(t, acra.Counts{Read: 500, Inserted: 500}, again.Counts)
}

// A connection closed without an answer looks like the end of a file. It must not count as one.
func TestHangingUpIsNotTheEnd(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 600, acragen.Options{})
	hangUps := make([]acratest.Fault, 50)
	for i := range hangUps {
		hangUps[i] = acratest.HangUp()
	}
	for name, start := range map[string]func(*acratest.Site) acra.Options{
		"the second file": func(s *acratest.Site) acra.Options {
			s.Script(acratest.File, append([]acratest.Fault{nil}, hangUps...)...)
			return bulkOptions(s)
		},
		"the middle of a file": func(s *acratest.Site) acra.Options {
			s.Script(acratest.File, append([]acratest.Fault{acratest.Cut(0.5)}, hangUps...)...)
			return bulkOptions(s)
		},
		"the call for a link": func(s *acratest.Site) acra.Options {
			s.Script(acratest.Poll, append([]acratest.Fault{nil}, hangUps...)...)
			return bulkOptions(s)
		},
		"the second page": func(s *acratest.Site) acra.Options {
			s.Script(acratest.Search, append([]acratest.Fault{nil}, hangUps...)...)
			return pagedOptions(s, 100)
		},
		"a page of another part": func(s *acratest.Site) acra.Options {
			s.Script(acratest.Search, append([]acratest.Fault{nil, nil, nil}, hangUps...)...)
			return pagedOptions(s, 100)
		},
	} {
		db, site := pgtest.New(t), collection(t, text, 2)
		rep, err := acra.Ingest(t.Context(), db.App, start(site))
		require.True(t, fault.Is(err, fault.Unavailable), "%s: %v", name, err)
		require.Equal(t, acra.StateFailed, rep.State, name)
	}
	db, site := pgtest.New(t), collection(t, text, 2)
	site.Script(acratest.File, acratest.HangUp(), acratest.HangUp(), nil, acratest.HangUp())
	require.EqualValues(t, 600, ingest(t, db, bulkOptions(site)).Inserted)
}

// A release published during a download is never mixed with the one before. The run stops, and the next run starts
// over, including the datasets that were complete.
func TestPublishedWhileItWasRead(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 4000, acragen.Options{})
	later, _ := generate(t, 4000, acragen.Options{Changed: 0.1})
	site, next := collection(t, text, 2), collection(t, later, 2)
	site.Script(acratest.File, nil, acratest.Cut(0.7), acratest.Meanwhile(func() {
		site.Datasets = next.Datasets
		for i := range site.Datasets {
			site.Datasets[i].Updated = "2026-10-15"
		}
	}))
	opts := bulkOptions(site)
	opts.BatchRows = 500
	first, err := acra.Ingest(t.Context(), db.App, opts)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "republished while it was read")
	require.Greater(t, first.Read, int64(2000), "the first dataset is read")

	opts = bulkOptions(site)
	opts.Resume = true
	rep := ingest(t, db, opts)
	require.False(t, rep.Resumed)
	require.EqualValues(t, 4000, rep.Read)
	clean := pgtest.New(t)
	ingest(t, clean, allRows(later))
	require.Equal(t, tableRows(t, clean.Owner), tableRows(t, db.Owner))
	require.True(t, ingestAny(t, db, bulkOptions(site)).NothingToDo)
}

func TestOnlyWhatWasPublishedIsRead(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 900, acragen.Options{})
	site := collection(t, text, 3)
	first := ingest(t, db, bulkOptions(site))

	rep := ingestAny(t, db, bulkOptions(site))
	require.True(t, rep.NothingToDo)
	require.Equal(t, first.ID, rep.ID)
	require.Equal(t, 3, site.Calls(acratest.File))

	site.Datasets[1].Updated = "2026-10-15T09:00:00+08:00"
	site.Datasets[1].CSV = []byte(strings.Replace(string(site.Datasets[1].CSV), "Live", "Struck Off", 1))
	rep = ingest(t, db, bulkOptions(site))
	require.Equal(t, 4, site.Calls(acratest.File), "only the new dataset is downloaded")
	require.Equal(t, acra.Counts{Read: 300, Updated: 1, Unchanged: 299}, rep.Counts)
	require.False(t, rep.Complete)
	require.True(t, ingestAny(t, db, bulkOptions(site)).NothingToDo)

	opts := bulkOptions(site)
	opts.Force = true
	require.EqualValues(t, 900, ingest(t, db, opts).Read)
}

// ingestAny is ingest for a run that may find nothing to do.
func ingestAny(t *testing.T, db *pgtest.DB, opts acra.Options) acra.Report {
	t.Helper()
	rep, err := acra.Ingest(t.Context(), db.App, opts)
	require.NoError(t, err)
	return rep
}

// testShrunkSource: an empty or halved source changes nothing. Rows missing from a complete source are marked, not
// deleted.
func testShrunkSource(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 3000, acragen.Options{})
	site := collection(t, text, 1)
	whole := site.Datasets[0].CSV
	lines := strings.SplitAfter(string(whole), "\n")
	publish := func(version string, lines []string) acra.Options {
		site.Datasets[0].CSV, site.Datasets[0].Updated = []byte(strings.Join(lines, "")), version
		return bulkOptions(site)
	}
	ingest(t, db, bulkOptions(site))
	before := queryOne[string](t, db.Owner, versions)
	absent := func() int64 {
		return queryOne[int64](t, db.Owner,
			`SELECT count(*) FROM staging_acra_companies WHERE absent_since IS NOT NULL`)
	}

	_, err := acra.Ingest(t.Context(), db.App, publish("2026-10-01", lines[:1]))
	require.ErrorContains(t, err, "no rows")
	rep, err := acra.Ingest(t.Context(), db.App, publish("2026-10-02", lines[:1400]))
	require.ErrorContains(t, err, "only 1399 rows, run 1 read 3000")
	require.Equal(t, acra.StateAborted, rep.State)
	require.Equal(t, before, queryOne[string](t, db.Owner, versions))

	// A fifth is missing: less than half, but implausibly many. No row is marked, and the run is incomplete.
	rep, err = acra.Ingest(t.Context(), db.App, publish("2026-10-03", lines[:2400]))
	require.ErrorContains(t, err, "incomplete: 2399 rows, 20.0 % fewer than the 3000 of run 1")
	require.Contains(t, fault.Hint(err), "--force")
	require.Equal(t, acra.StateIncomplete, rep.State)
	require.Zero(t, absent())

	rep = ingest(t, db, publish("2026-10-04", append(append([]string{}, lines[:1500]...), lines[1503:]...)))
	require.EqualValues(t, 3, rep.Absent)
	require.EqualValues(t, 3, absent())
	require.EqualValues(t, 3000, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`),
		"absence is not deletion")

	rep = ingest(t, db, publish("2026-10-05", lines))
	require.Zero(t, rep.Absent)
	require.Zero(t, absent(), "the rows are present again")
	require.EqualValues(t, 3000, rep.Unchanged)
}

// Companies that earlier runs marked absent do not make a later run implausible: it marks the newly missing ones, and
// has no note.
func TestAbsentCompaniesAddUp(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 3000, acragen.Options{})
	site := collection(t, text, 1)
	lines := strings.SplitAfter(string(site.Datasets[0].CSV), "\n")
	ingest(t, db, bulkOptions(site))
	for i, missing := range []int{100, 101, 101, 200} {
		rest := append([]string{lines[0]}, lines[1+missing:]...)
		site.Datasets[0].CSV, site.Datasets[0].Updated = []byte(strings.Join(rest, "")), fmt.Sprint("2026-10-0", 1+i)
		rep := ingest(t, db, bulkOptions(site))
		require.EqualValues(t, missing, rep.Absent)
		require.Empty(t, rep.Detail.Notes, "%d companies missing", missing)
		require.EqualValues(t, missing, queryOne[int64](t, db.Owner,
			`SELECT count(*) FROM staging_acra_companies WHERE absent_since IS NOT NULL`))
	}
}

// A source of half the size is compared with the last complete run, also when a partial run came in between.
func TestHalvedAfterAPartOfItCame(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 2000, acragen.Options{})
	site := collection(t, text, 2)
	ingest(t, db, bulkOptions(site))
	site.Datasets[1].Updated = "2026-10-01"
	require.False(t, ingest(t, db, bulkOptions(site)).Complete)
	for i := range site.Datasets {
		lines := strings.SplitAfter(string(site.Datasets[i].CSV), "\n")
		site.Datasets[i].CSV, site.Datasets[i].Updated = []byte(strings.Join(lines[:400], "")), "2026-11-01"
	}
	_, err := acra.Ingest(t.Context(), db.App, bulkOptions(site))
	require.ErrorContains(t, err, "only 798 rows, run 1 read 2000")
}
