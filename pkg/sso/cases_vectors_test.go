package sso_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

// Where Project Wycheproof's vectors for JSON Web Signatures are. The module is fetched for this test alone, through the same
// door as every other: imported, its 100 MB of vectors for other algorithms would be linked into the test.
const (
	vectorModule = "github.com/c2sp/wycheproof@v0.0.0-20260105152342-fca0d3ba9f12"
	vectorFile   = "testvectors_v1/json_web_signature_test.json"
	vectorSum    = "8e687a06fe8359f4ec51480f1a9f73c8faebd6f4c01b818b843b44eee54fd5d9"
)

type vectors struct {
	TestGroups []struct {
		Comment         string
		Public, Private json.RawMessage
		Tests           []struct {
			ID      int `json:"tcId"`
			Comment string
			JWS     json.RawMessage
			Result  string
		}
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", vectorModule)
	download.Dir = t.TempDir() // outside this module, whose go.sum stays as it is
	said, err := download.Output()
	require.NoError(t, err, "%s", said)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(said, &module))
	raw, err := os.ReadFile(filepath.Join(module.Dir, vectorFile))
	require.NoError(t, err)
	sum := sha256.Sum256(raw)
	require.Equal(t, vectorSum, hex.EncodeToString(sum[:]))
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

// stricterHere are the valid vectors that are rejected all the same, and the rule that refuses them.
func stricterHere() map[string][]int {
	return map[string][]int{
		"a shared secret is no key":                 {1, 348, 352, 357, 358, 359, 376, 377},
		"base64url with characters outside it":      {372, 373},
		"a token says something":                    {259, 264, 268, 272, 320, 325}, // empty payloads
		"a key's own alg counts: PS384 under PS256": {346, 350},
		"a key's own alg counts: ES512 under ES521": {347, 351},
	}
}

// publishedVectors holds the verifier to vectors that others made to break verifiers. None of the bad ones passes, whatever is
// allowed; all good ones pass but those that a rule of ours refuses; by default those of RS256 and ES256 alone.
func publishedVectors(t *testing.T) {
	f := newFixture(t)
	all := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	rejected, accepted, byDefault := 0, 0, 0
	var strict []int
	for _, group := range readVectors(t).TestGroups {
		key := group.Public
		if key == nil {
			key = group.Private // a shared secret
		}
		keySet := []byte(`{"keys":[` + string(key) + `]}`)
		for _, c := range group.Tests {
			var raw string
			if json.Unmarshal(c.JWS, &raw) != nil {
				raw = string(c.JWS) // not a compact one
			}
			_, err := f.v.Verify(t.Context(), raw)
			require.Error(t, err, "nothing here is an identity")
			loose, usual := sso.VerifyJWS(raw, keySet, all), sso.VerifyJWS(raw, keySet, []string{"RS256", "ES256"})
			switch {
			case c.Result == "invalid":
				require.Error(t, loose, "%d %s: %s", c.ID, group.Comment, c.Comment)
				require.Error(t, usual, "%d %s: %s", c.ID, group.Comment, c.Comment)
				rejected++
			case loose == nil:
				accepted++
			default:
				strict = append(strict, c.ID)
			}
			if usual == nil {
				byDefault++
			}
		}
	}
	require.Equal(t, 355, rejected)
	require.ElementsMatch(t, slices.Concat(slices.Collect(maps.Values(stricterHere()))...), strict)
	require.Equal(t, 26, accepted)
	require.Equal(t, 9, byDefault, "RS256 and ES256 alone")
}
