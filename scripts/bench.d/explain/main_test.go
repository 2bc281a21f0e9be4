package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrapLine(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 100), strings.Repeat("b", 80)
	for name, c := range map[string]struct{ line, want string }{
		"short":          {"  Buffers: shared hit=3\n", "  Buffers: shared hit=3\n"},
		"before AND":     {"  (" + a + " AND (x " + b + "))\n", "  (" + a + "\n      AND (x " + b + "))\n"},
		"before a word":  {"  " + a + " x " + b + "\n", "  " + a + " x\n      " + b + "\n"},
		"without spaces": {"  " + a + b + "\n", "  " + a + b + "\n"},
		"into three": {"  " + a + " OR " + a + " OR " + b + "\n",
			"  " + a + "\n      OR " + a + "\n      OR " + b + "\n"},
	} {
		require.Equal(t, c.want, wrapLine(c.line), name)
	}
}
