//go:build unix && network

package pgtemp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRealFetchServes downloads real binaries and starts a server with them. It needs the network, so it runs only with
// go test -tags network.
func TestRealFetchServes(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	if who, err := serverAccount(); err == nil && who.credential != nil {
		cache = "" // the server's user can read root's default directory, but not a test's directory
	}
	b, err := findBinaries(t.Context(), Options{CacheDir: cache, Log: t.Logf}, nil)
	require.NoError(t, err)
	s := start(t, Options{BinDir: b.dir})
	require.Contains(t, show(t, connect(t, s.DSN("postgres")), "server_version"), s.Version())
}
