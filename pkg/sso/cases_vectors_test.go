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

// The vectors of Project Wycheproof for JSON Web Signatures. The test downloads the module with the go command,
// like any other module. It does not import the module, because that would link 100 MB of vectors into the test.
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
	download.Dir = t.TempDir() // outside this module, so that its go.sum does not change
	output, err := download.Output()
	require.NoError(t, err, "%s", output)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(output, &module))
	raw, err := os.ReadFile(filepath.Join(module.Dir, vectorFile))
	require.NoError(t, err)
	sum := sha256.Sum256(raw)
	require.Equal(t, vectorSum, hex.EncodeToString(sum[:]))
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

// refusedValid returns the valid vectors that leadctl refuses, by the rule that refuses them.
func refusedValid() map[string][]int {
	return map[string][]int{
		"symmetric keys are not allowed":            {1, 348, 352, 357, 358, 359, 376, 377},
		"only base64url characters are allowed":     {372, 373},
		"the payload must not be empty":             {259, 264, 268, 272, 320, 325},
		"the key's alg must match: PS384 and PS256": {346, 350},
		"the key's alg must match: ES512 and ES521": {347, 351},
	}
}

// publishedVectors runs vectors that were made to find errors in verifiers. All invalid ones are refused, whichever
// algorithms are allowed. All valid ones are accepted, except those in refusedValid. By default only those for RS256
// and ES256 are accepted.
func publishedVectors(t *testing.T) {
	f := newFixture(t)
	all := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	refused, accepted, byDefault := 0, 0, 0
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
				raw = string(c.JWS) // not in compact form
			}
			_, err := f.v.Verify(t.Context(), raw)
			require.Error(t, err, "the vectors have no claims")
			loose := sso.VerifyJWS(raw, keySet, all)
			usual := sso.VerifyJWS(raw, keySet, []string{"RS256", "ES256"})
			switch {
			case c.Result == "invalid":
				require.Error(t, loose, "%d %s: %s", c.ID, group.Comment, c.Comment)
				require.Error(t, usual, "%d %s: %s", c.ID, group.Comment, c.Comment)
				refused++
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
	require.Equal(t, 355, refused)
	require.ElementsMatch(t, slices.Concat(slices.Collect(maps.Values(refusedValid()))...), strict)
	require.Equal(t, 26, accepted)
	require.Equal(t, 9, byDefault, "RS256 and ES256 only")
}
