package acra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

func TestFirstLoadThenTheSameAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	text, tally := generate(t, 5000, acragen.Options{})
	live := int64(tally.Live)

	opts := allRows(text)
	opts.Status = nil
	rep := ingest(t, db, opts)
	require.Equal(t, acra.Counts{Read: 5000, Inserted: live, Filtered: 5000 - live}, rep.Counts)

	rep = ingest(t, db, allRows(text))
	require.Equal(t, acra.Counts{Read: 5000, Unchanged: live, Inserted: 5000 - live}, rep.Counts)

	before := tableRows(t, db.Owner)
	rep = ingest(t, db, allRows(text))
	require.Equal(t, acra.Counts{Read: 5000, Unchanged: 5000}, rep.Counts)
	require.Equal(t, before, tableRows(t, db.Owner))
}

func TestBulkAndPagesReadTheSame(t *testing.T) {
	t.Parallel()
	text, _ := generate(t, 3000, acragen.Options{})
	site := collection(t, text, 5)
	site.Pending = 2

	bulk := pgtest.New(t)
	rep := ingest(t, bulk, acra.Options{Source: acra.Bulk(site.Service(), nil), Status: []string{acra.All}})
	require.Equal(t, acra.Counts{Read: 3000, Inserted: 3000}, rep.Counts)
	require.True(t, rep.Complete)

	paged := pgtest.New(t)
	rep = ingest(t, paged, acra.Options{Source: acra.Pages(site.Service(), nil, 200), Status: []string{acra.All}})
	require.Equal(t, acra.Counts{Read: 3000, Inserted: 3000}, rep.Counts)
	require.Equal(t, tableRows(t, bulk.Owner), tableRows(t, paged.Owner))

	again, err := acra.Ingest(t.Context(), bulk.App,
		acra.Options{Source: acra.Bulk(site.Service(), nil), Status: []string{acra.All}})
	require.NoError(t, err)
	require.True(t, again.NothingToDo)
}
