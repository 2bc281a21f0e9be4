package acra_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/acra"
	"github.com/leadctl/leadctl/pkg/acra/acragen"
)

// BenchmarkDecode is the cost of one row before the database sees it.
func BenchmarkDecode(b *testing.B) {
	var text bytes.Buffer
	_, err := acragen.Write(&text, 20_000, 1, acragen.Options{})
	require.NoError(b, err)
	b.SetBytes(int64(text.Len()) / 20_000)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		if rows == 0 {
			b.StopTimer()
			b.StartTimer()
			require.NoError(b, acra.DecodeOnly(bytes.NewReader(text.Bytes())))
			rows = 20_000
		}
		rows--
	}
}

// BenchmarkGenerate is the cost of making one.
func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	var text bytes.Buffer
	_, err := acragen.Write(&text, b.N, 1, acragen.Options{})
	require.NoError(b, err)
}
