package keycloak

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMerge: merge sets the wanted members, keeps all others, and changes nothing the second time.
func TestMerge(t *testing.T) {
	t.Parallel()
	var have rep
	require.NoError(t, json.Unmarshal([]byte(`{
		"id":"1","publicClient":true,"redirectUris":["https://b/*","https://a/"],"unknown":{"x":1},
		"attributes":{"post.logout.redirect.uris":"https://b##https://c","other":"kept"},
		"edit":["user","admin"],"view":["b","a"]
	}`), &have))
	want := rep{
		"publicClient": false, "redirectUris": atLeast{"https://a/", "https://n/"},
		"webOrigins": atLeast(nil), "name": "",
		"attributes": rep{"post.logout.redirect.uris": joinedAtLeast{"https://a", "https://b"}, "pkce": "S256"},
		"edit":       exactly{"admin"}, "view": exactly{"a", "b"},
	}
	merged, changed := merge(have, want)
	require.Equal(t, []string{
		`attributes.pkce: [] → "S256"`,
		`attributes.post.logout.redirect.uris: "https://b##https://c" → "https://b##https://c##https://a"`,
		`edit: ["user","admin"] → ["admin"]`, `publicClient: true → false`,
		`redirectUris: ["https://b/*","https://a/"] → ["https://b/*","https://a/","https://n/"]`,
	}, changed)
	require.Equal(t, "1", merged.stringMember("id"))
	require.Equal(t, "kept", merged["attributes"].(map[string]any)["other"])
	require.Equal(t, map[string]any{"x": 1.0}, merged["unknown"])
	require.Equal(t, true, have["publicClient"], "merge must not modify have")

	sent, err := json.Marshal(merged)
	require.NoError(t, err)
	var back rep
	require.NoError(t, json.Unmarshal(sent, &back))
	_, changed = merge(back, want)
	require.Empty(t, changed)

	fresh, changed := merge(nil, want)
	require.NotEmpty(t, changed)
	sent, err = json.Marshal(fresh)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"publicClient":false,"redirectUris":["https://a/","https://n/"],"webOrigins":[],"name":"",
		"edit":["admin"],"view":["a","b"],
		"attributes":{"post.logout.redirect.uris":"https://a##https://b","pkce":"S256"}
	}`, string(sent))
}

func TestIsWildcardRedirect(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"*": true, "https://a/*": true, "http://localhost:3000/*": true,
		"https://a/callback": false, "http://127.0.0.1/*": false, "/*": false,
	} {
		require.Equal(t, want, isWildcardRedirect(uri), uri)
	}
}
