package acra_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

func generated(t testing.TB, rows int, opts acragen.Options) (*bytes.Reader, acragen.Tally) {
	t.Helper()
	var b bytes.Buffer
	tally, err := acragen.Write(&b, rows, 1, opts)
	require.NoError(t, err)
	return bytes.NewReader(b.Bytes()), tally
}

func TestFirstLoadThenTheSameAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	src, tally := generated(t, 5000, acragen.Options{})
	rep, err := acra.Ingest(t.Context(), db.App, acra.Options{Source: acra.Stream("gen", src), BatchRows: 700})
	require.NoError(t, err)
	require.Equal(t, acra.Counts{Read: 5000, Inserted: int64(tally.Live), Filtered: int64(5000 - tally.Live)}, rep.Counts)

	src, _ = generated(t, 5000, acragen.Options{})
	rep, err = acra.Ingest(t.Context(), db.App, acra.Options{Source: acra.Stream("gen", src), Status: []string{acra.All}, BatchRows: 700})
	require.NoError(t, err)
	require.Equal(t, acra.Counts{Read: 5000, Unchanged: int64(tally.Live), Inserted: int64(5000 - tally.Live)}, rep.Counts)
}
