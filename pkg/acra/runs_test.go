package acra_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, _ := generate(t, 10, acragen.Options{})
	for says, change := range map[string]func(*acra.Options){
		"no source": func(o *acra.Options) { o.Source = nil },
		"limit -1":  func(o *acra.Options) { o.Limit = -1 },
		"between 0": func(o *acra.Options) { o.MaxRejects = 5 },
	} {
		opts := allRows(text)
		change(&opts)
		_, err := acra.Ingest(t.Context(), db.App, opts)
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
		require.ErrorContains(t, err, says)
	}
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM acra_runs`))
}

// A negative MaxRejects allows no reject; 0 means the default.
func TestNoRejectAllowed(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text := registerCSV("uen entity_name entity_status_description", "53000001E|A|Live", "53000002D|B|Live",
		"bad|C|Live")
	opts := allRows(text)
	opts.MaxRejects = -1
	_, err := acra.Ingest(t.Context(), db.App, opts)
	require.ErrorContains(t, err, "1 of 3 rows rejected, more than 0 %")
	require.Zero(t, queryOne[int64](t, db.Owner, `SELECT count(*) FROM staging_acra_companies`))
}

func TestStatusesAmongOthers(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text := registerCSV("uen entity_name entity_status_description", "53000001E|A|Live", "200000001K|B|Live Company",
		"53000002D|C|Struck Off", "53000003C|D|Cancelled")
	opts := allRows(text)
	opts.Status = []string{"struck off", " live ", "Live"}
	rep := ingest(t, db, opts)
	require.Equal(t, acra.Counts{Read: 4, Inserted: 3, Filtered: 1}, rep.Counts)

	opts = allRows(text)
	opts.Status = []string{"Struk Off"}
	rep = ingest(t, pgtest.New(t), opts)
	require.Equal(t, acra.Counts{Read: 4, Filtered: 4}, rep.Counts)
	require.Equal(t, []string{"none of 4 rows matched the filter; check the spelling of the status, and the date"},
		rep.Detail.Notes)
}

// The age of the register counts from when a run last found it to be as published.
func TestAge(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	age, err := acra.ReadAge(t.Context(), db.App)
	require.NoError(t, err)
	require.Equal(t, acra.Age{}, age)

	text, _ := generate(t, 200, acragen.Options{})
	site := collection(t, text, 2)
	bulk := acra.Options{Source: acra.Bulk(site.Service(), nil)}
	ingest(t, db, bulk)
	lastWeek := time.Now().Add(-7 * 24 * time.Hour)
	_, err = db.Owner.Exec(t.Context(), `UPDATE acra_runs SET updated_at = $1, finished_at = $1`, lastWeek)
	require.NoError(t, err)
	age, err = acra.ReadAge(t.Context(), db.App)
	require.NoError(t, err)
	require.WithinDuration(t, lastWeek, age.Current, time.Millisecond)
	require.Equal(t, "2026-09-16T10:04:13+08:00", age.Released)

	rep, err := acra.Ingest(t.Context(), db.App, bulk)
	require.NoError(t, err)
	require.True(t, rep.NothingToDo)
	age, err = acra.ReadAge(t.Context(), db.App)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), age.Current, time.Minute, "a run with nothing to do counts too")

	bad := registerCSV("uen entity_name", "bad|x")
	_, err = acra.Ingest(t.Context(), db.App, allRows(bad))
	require.Error(t, err)
	after, err := acra.ReadAge(t.Context(), db.App)
	require.NoError(t, err)
	require.Equal(t, age, after, "an aborted run does not change the age")
}

// Watch follows a run to its end and returns its final state.
func TestWatch(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := acra.Watch(t.Context(), db.App, nil)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)

	text, _ := generate(t, 1000, acragen.Options{})
	src := &pausingReader{text: text, reached: make(chan struct{}), release: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		_, err := acra.Ingest(context.WithoutCancel(t.Context()), db.App,
			acra.Options{Source: acra.Stream("slow", src), Status: []string{acra.All}})
		ended <- err
	}()
	<-src.reached
	var seen []string
	run, err := acra.Watch(t.Context(), db.App, func(r acra.Run) {
		if seen = append(seen, r.State); len(seen) == 1 {
			close(src.release)
		}
	})
	require.NoError(t, err)
	require.Error(t, <-ended)
	require.Equal(t, acra.StateRunning, seen[0])
	require.Equal(t, acra.StateFailed, run.State)
	require.NotEmpty(t, run.Error)

	ctx, cancel := context.WithCancel(t.Context())
	release, ok, err := db.App.Lock(t.Context(), 0x61637261, 1)
	require.NoError(t, err)
	require.True(t, ok)
	defer release()
	_, err = db.Owner.Exec(t.Context(), `INSERT INTO acra_runs (source, state) VALUES ('bulk', 'running')`)
	require.NoError(t, err)
	_, err = acra.Watch(ctx, db.App, func(acra.Run) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
}

func TestRejectsOfNoRun(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := acra.Rejects(t.Context(), db.App, 0, 10)
	require.True(t, fault.Is(err, fault.NotFound))
	require.ErrorContains(t, err, "none exists yet")
	_, err = acra.Rejects(t.Context(), db.App, 7, 10)
	require.ErrorContains(t, err, "run 7: does not exist")
}
