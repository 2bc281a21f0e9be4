package leads

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRationale(t *testing.T) {
	t.Parallel()
	for rationale, want := range map[string][]Reason{
		"":                                       nil,
		"another service's words (5 of 6); more": {{Text: "another service's words (5 of 6); more"}},
		`Fits "A; B" at 93 of 100: activities of head offices; management (SSIC 70201) matches the profile ` +
			`(50 of 50); no website known (0 of 7).`: {
			{"activities of head offices; management (SSIC 70201) matches the profile", 50, 50},
			{"no website known", 0, 7}},
		`Fits "A" at 9 of 100: cut off; here`: {{Text: "cut off; here"}},
	} {
		require.Equal(t, want, ParseRationale(rationale), rationale)
	}
}
