package leads

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The weights are explained to people; the explanation must not drift from them.
func TestDocumentedWeights(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/scoring.md")
	require.NoError(t, err)
	w := DefaultWeights()
	for _, f := range w.scoreFeatures() {
		require.Regexp(t, fmt.Sprintf(`(?m)^\| %s( ○)? \| %v \|`, f.name, f.weight), string(text))
	}
	require.Contains(t, string(text), fmt.Sprintf("`high` from %v, `medium` from %v", w.High, w.Medium))
}
