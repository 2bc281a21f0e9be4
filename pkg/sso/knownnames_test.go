package sso

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzKnownNames compares the map lookup with a comparison with every known name.
func FuzzKnownNames(f *testing.F) {
	known := []string{"iss", "tenant_id", "kid", "https://claims/roles", "Rôle", "K"}
	seeds := []string{
		"ISS", "iſs", "ſub", "Kid", "tenant_ID", "HTTPS://claims/roles", "RÔLE", "rôle", "k", "\xff", "", "issuer",
	}
	for _, seed := range append(seeds, known...) {
		f.Add(seed)
	}
	names := newKnownNames(known)
	f.Fuzz(func(t *testing.T, have string) {
		wrong := false
		for _, k := range known {
			wrong = wrong || have != k && strings.EqualFold(have, k)
		}
		found, meant := names.findMisspelling(members{{name: []byte(have)}})
		if wrong {
			require.Equal(t, have, found)
			require.True(t, strings.EqualFold(have, meant))
		} else if found != "" {
			require.NotContains(t, known, have, "a known name must not be a misspelling")
		}
	})
}
