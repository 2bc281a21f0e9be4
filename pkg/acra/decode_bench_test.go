package acra_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
)

// BenchmarkDecode measures reading and decoding a register, without the database.
func BenchmarkDecode(b *testing.B) {
	const rows = 200_000
	var text bytes.Buffer
	_, err := acragen.Write(&text, rows, 1, acragen.Options{})
	require.NoError(b, err)
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, acra.DecodeOnly(bytes.NewReader(text.Bytes())))
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
