package acragen_test

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
)

func generate(t *testing.T, rows int, seed uint64, opts acragen.Options) (string, acragen.Tally) {
	t.Helper()
	var b bytes.Buffer
	tally, err := acragen.Write(&b, rows, seed, opts)
	require.NoError(t, err)
	return b.String(), tally
}

// The test reads the rows with the standard library, not with package acra.
func TestRowsLookLikeTheRegister(t *testing.T) {
	t.Parallel()
	text, tally := generate(t, 20_000, 1, acragen.Options{})
	rows, err := csv.NewReader(bytes.NewBufferString(text)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, acra.Columns(), rows[0])
	rows = rows[1:]
	require.Len(t, rows, 20_000)
	require.Equal(t, 20_000, tally.Rows)

	met := map[string]bool{}
	for _, r := range rows {
		require.Len(t, r, 53)
		uen := r[0]
		require.False(t, met[uen], uen)
		met[uen] = true
		require.Equal(t, acra.CheckLetter(uen[:len(uen)-1]), uen[len(uen)-1], uen)
		require.Equal(t, acragen.Agency, r[1])
	}
	bytesPerRow := float64(len(text)) / 20_000
	require.InDelta(t, 328, bytesPerRow, 40)
	require.InDelta(t, 0.30, float64(tally.Live)/20_000, 0.03, "share of live entities")
}

func TestRowsDependOnSeedAndNumberAlone(t *testing.T) {
	t.Parallel()
	first, _ := generate(t, 2000, 7, acragen.Options{})
	again, _ := generate(t, 2000, 7, acragen.Options{})
	other, _ := generate(t, 2000, 8, acragen.Options{})
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)

	later, tally := generate(t, 2000, 7, acragen.Options{Changed: 0.05, New: 0.01})
	a, b := bytes.Split([]byte(first), []byte("\n")), bytes.Split([]byte(later), []byte("\n"))
	differ := 0
	for i := range a[:2001] {
		if !bytes.Equal(a[i], b[i]) {
			differ++
		}
	}
	require.Equal(t, tally.Changed, differ)
	require.InDelta(t, 100, differ, 40)
	require.Equal(t, 2020, tally.Rows)
}
