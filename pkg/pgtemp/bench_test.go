//go:build unix

package pgtemp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkStartStop(b *testing.B) {
	for b.Loop() {
		s, err := Start(b.Context(), Options{})
		require.NoError(b, err)
		require.NoError(b, s.Stop())
	}
}
