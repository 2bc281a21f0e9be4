//go:build unix && network

package pgtemp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The real download, and a server on it. It needs the network, so it runs only when asked for: go test -tags network.
func TestRealFetchServes(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	if who, err := serverAccount(); err == nil && who.credential != nil {
		cache = "" // root's default is readable by the server's user, a test's own directory is not
	}
	b, err := findBinaries(t.Context(), Options{CacheDir: cache, Log: t.Logf}, nil)
	require.NoError(t, err)
	s := start(t, Options{BinDir: b.dir})
	require.Contains(t, show(t, connect(t, s.DSN("postgres")), "server_version"), s.Version())
}
