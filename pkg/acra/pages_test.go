package acra_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/acra/acratest"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// pagedOptions returns the options of a run over a site's pages.
func pagedOptions(site *acratest.Site, size int) acra.Options {
	return acra.Options{Source: acra.Pages(site.Service(), nil, size), Status: []string{acra.All}}
}

// testSourceTrouble: whatever the service answers, in the end the table holds the published rows.
func testSourceTrouble(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 1000, acragen.Options{})
	clean := pgtest.New(t)
	ingest(t, clean, allRows(text))
	want := tableRows(t, clean.Owner)

	for name, c := range map[string]struct {
		faults []acratest.Fault
		waited time.Duration // minimum of the longest wait
	}{
		"429 without Retry-After": {[]acratest.Fault{nil, acratest.TooMany("")}, 10 * time.Second},
		"429 with seconds":        {[]acratest.Fault{acratest.TooMany("17"), acratest.TooMany("17")}, 17 * time.Second},
		"429 with a date":         {[]acratest.Fault{tooManyUntilTime}, 30 * time.Second},
		"429 with an absurd time": {[]acratest.Fault{nil, acratest.TooMany("86400")}, 2 * time.Minute},
		"500, 502, 503 as HTML": {[]acratest.Fault{acratest.HTML(500), acratest.HTML(502), nil, acratest.HTML(503)},
			0},
		"503 with Retry-After": {[]acratest.Fault{acratest.Reply(503, "", "Retry-After", "25")}, 25 * time.Second},
		"200 as HTML":          {[]acratest.Fault{nil, nil, acratest.HTML(200)}, 0},
		"success: false":       {[]acratest.Fault{nil, acratest.Unsuccessful(), acratest.Unsuccessful()}, 0},
		"cut in the middle":    {[]acratest.Fault{nil, acratest.Cut(0.5), acratest.Cut(0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, site := pgtest.New(t), collection(t, text, 2)
			site.Script(acratest.Search, c.faults...)
			rep := ingest(t, db, pagedOptions(site, 100))
			require.Equal(t, acra.Counts{Read: 1000, Inserted: 1000}, rep.Counts)
			require.Equal(t, want, tableRows(t, db.Owner))
			longest := time.Duration(0)
			for _, w := range site.Waits() {
				longest = max(longest, w)
			}
			require.GreaterOrEqual(t, longest, c.waited)
			require.LessOrEqual(t, longest, 2*time.Minute, "waits are bounded")
		})
	}
}

// tooManyUntilTime is a 429 whose Retry-After is a date one minute ahead.
func tooManyUntilTime(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
	acratest.TooMany(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))(w, r, answer)
}

// testDrift: pages overlap, skip rows, change their order or announce a wrong total.
func testDrift(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 1000, acragen.Options{})
	clean := pgtest.New(t)
	ingest(t, clean, allRows(text))
	want := tableRows(t, clean.Owner)
	for name, faults := range map[string][]acratest.Fault{
		"a page again":  {nil, nil, acratest.Shift(-100)},
		"an overlap":    {nil, acratest.Shift(-7), nil, acratest.Shift(-3)},
		"rows left out": {nil, acratest.Shift(5)},
		"left out twice": {nil, acratest.Shift(5), nil, nil, nil, nil, nil, nil, nil, nil, nil,
			acratest.Shift(9)},
		"a total that moves": {nil, nil, acratest.WrongTotal(2)},
		"a total that is too high": {acratest.WrongTotal(3), acratest.WrongTotal(3), acratest.WrongTotal(3),
			acratest.WrongTotal(3), acratest.WrongTotal(3), acratest.WrongTotal(3), acratest.WrongTotal(3),
			acratest.WrongTotal(3), acratest.WrongTotal(3), acratest.WrongTotal(3), acratest.WrongTotal(3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, site := pgtest.New(t), collection(t, text, 1)
			site.Script(acratest.Search, faults...)
			rep := ingest(t, db, pagedOptions(site, 100))
			require.Equal(t, want, tableRows(t, db.Owner))
			require.EqualValues(t, 1000, rep.Inserted)
			require.Greater(t, site.Calls(acratest.Search), 10, "the dataset was read again")
		})
	}
}

// Nothing of a damaged answer remains in the next try. Here the second answer lacks a column that the first had.
func TestATryLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 100, acragen.Options{})
	site := collection(t, text, 1)
	odd := `{"success": true, "result": {"records": [{"street_name": "INVENTED STREET"}], "total": "many"}}`
	site.Script(acratest.Search, acratest.Reply(http.StatusOK, odd, "Content-Type", "application/json"),
		acratest.Without("street_name"))
	opts := pagedOptions(site, 100)
	opts.MaxRejects = 1
	rep := ingest(t, db, opts)
	require.Equal(t, acra.Counts{Read: 100, Rejected: 100}, rep.Counts)
}

func TestATotalThatNeverComesTrueFails(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 300, acragen.Options{})
	site := collection(t, text, 1)
	lies := make([]acratest.Fault, 100)
	for i := range lies {
		lies[i] = acratest.WrongTotal(50)
	}
	site.Script(acratest.Search, lies...)
	rep, err := acra.Ingest(t.Context(), db.App, pagedOptions(site, 100))
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "350 rows announced, 300 found")
	require.Equal(t, acra.StateFailed, rep.State)
}

func TestPageSizeHalvesWhenRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 3000, acragen.Options{})
	site := collection(t, text, 1)
	site.MaxPage = 600
	rep := ingest(t, db, pagedOptions(site, 0))
	require.EqualValues(t, 3000, rep.Inserted)
	require.Equal(t, 2+6, site.Calls(acratest.Search), "2000 and 1000 are refused, then 500 at a time")
	site.MaxPage = 10
	_, err := acra.Ingest(t.Context(), db.App,
		acra.Options{Source: acra.Pages(site.Service(), nil, 0), Force: true, Status: []string{acra.All}})
	require.ErrorContains(t, err, "rejects even 50 rows")
}

func TestTheServiceFiltersByStatus(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, tally := generate(t, 1000, acragen.Options{})
	site := collection(t, text, 2)
	rep := ingest(t, db, acra.Options{Source: acra.Pages(site.Service(), nil, 500)})
	require.EqualValues(t, tally.Live, rep.Inserted)
	require.Equal(t, rep.Inserted, rep.Read, "the service sent only matching rows")
}

func TestTheKeyGoesToTheServiceAlone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 50, acragen.Options{})
	site, storage := collection(t, text, 1), collection(t, text, 1)
	service := site.Service()
	service.Key = "secret-key"
	ingest(t, db, acra.Options{Source: acra.Pages(service, nil, 0), Status: []string{acra.All}})
	for _, key := range site.Keys() {
		require.Equal(t, "secret-key", key)
	}
	service.Download = storage.URL // another origin than the search URL's, as in reality
	service.Metadata = site.URL
	storage.LinksTo(site.URL)
	ingest(t, db, acra.Options{Source: acra.Bulk(service, nil), Status: []string{acra.All}, Force: true})
	require.Contains(t, storage.Keys(), "secret-key")

	foreign := collection(t, text, 1)
	storage.LinksTo(foreign.URL)
	ingest(t, db, acra.Options{Source: acra.Bulk(service, nil), Status: []string{acra.All}, Force: true})
	require.Equal(t, []string{""}, foreign.Keys(), "the storage behind a download link must not get the key")
}

func TestUnknownDataset(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 50, acragen.Options{})
	site := collection(t, text, 1)
	for _, source := range []acra.Source{acra.Pages(site.Service(), []string{"d_none"}, 0),
		acra.Bulk(site.Service(), []string{"d_none"})} {
		_, err := acra.Ingest(t.Context(), db.App, acra.Options{Source: source})
		require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	}
}

// Without metadata, the built-in dataset ids are used, and no dataset counts as unchanged.
func TestUnavailableMetadata(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 50, acragen.Options{})
	site := collection(t, text, 1)
	site.Datasets[0].ID = "d_8575e84912df3c28995b8e6e0e05205a"
	down := make([]acratest.Fault, 100)
	for i := range down {
		down[i] = acratest.HTML(503)
	}
	site.Script(acratest.Metadata, down...)
	for range 2 {
		rep := ingest(t, db,
			acra.Options{Source: acra.Bulk(site.Service(), []string{site.Datasets[0].ID}), Status: []string{acra.All}})
		require.EqualValues(t, 50, rep.Read)
		require.False(t, rep.Complete)
	}
}
