package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

// A million sources take no more room than those that are kept, and the busy one is not forgotten for them.
func TestPacesAreBounded(t *testing.T) {
	t.Parallel()
	p, now := NewPace(1, 2), time.Unix(1_700_000_000, 0)
	require.NoError(t, p.Take("busy", now))
	require.NoError(t, p.Take("busy", now))
	for n := range 1_000_000 {
		_ = p.Take(strconv.Itoa(n), now)
		if n%1000 == 0 {
			require.Error(t, p.Take("busy", now))
		}
	}
	require.Equal(t, sourcesKept, p.sources.Len())
}

func TestAPaceIsABurstAndThenARate(t *testing.T) {
	t.Parallel()
	p, now := NewPace(0.5, 3), time.Unix(1_700_000_000, 0)
	for range 3 {
		require.True(t, p.HasRoom("a", now))
		require.NoError(t, p.Take("a", now))
	}
	require.False(t, p.HasRoom("a", now))
	err := p.Take("a", now)
	require.Equal(t, fault.TooMany, fault.KindOf(err))
	require.Equal(t, 2*time.Second, fault.RetryAfter(err))
	require.NoError(t, p.Take("b", now), "another source has a share of its own")
	require.Error(t, p.Take("a", now.Add(time.Second)), "half a time is none")
	require.NoError(t, p.Take("a", now.Add(2*time.Second)), "as told")
}

// Where a request comes from is the peer's to say, and a proxy's only where it is trusted (C-017).
func TestSourceOfARequest(t *testing.T) {
	t.Parallel()
	trusting := &Door{cfg: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("127.0.0.1/32")}}}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
		server     *Door
	}{
		{"no proxy is trusted", "10.0.0.1:4000", []string{"203.0.113.9"}, "10.0.0.1", &Door{}},
		{"a stranger", "192.0.2.1:4000", []string{"203.0.113.9"}, "192.0.2.1", trusting},
		{"a proxy that says nothing", "10.0.0.1:4000", nil, "10.0.0.1", trusting},
		{"a proxy", "10.0.0.1:4000", []string{"203.0.113.9"}, "203.0.113.9", trusting},
		{"two proxies", "127.0.0.1:4000", []string{"203.0.113.9, 10.9.9.9"}, "203.0.113.9", trusting},
		{"in two headers", "127.0.0.1:4000", []string{"203.0.113.9", "10.9.9.9"}, "203.0.113.9", trusting},
		{"what the client made up", "10.0.0.1:4000", []string{"198.51.100.7, 127.0.0.1, 203.0.113.9"}, "203.0.113.9",
			trusting},
		{"only proxies", "10.0.0.1:4000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", trusting},
		{"garbage", "10.0.0.1:4000", []string{"203.0.113.9, unknown"}, "10.0.0.1", trusting},
		{"a port", "10.0.0.1:4000", []string{"203.0.113.9:80"}, "10.0.0.1", trusting},
		{"a network of IPv6", "[2001:db8:1:2:3:4:5:6]:4000", nil, "2001:db8:1:2::/64", trusting},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:4000", []string{"::ffff:203.0.113.9"}, "203.0.113.9", trusting},
		{"no address", "@", []string{"203.0.113.9"}, "@", trusting},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/auth/login", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded
			r.Header.Set("X-Real-IP", "198.51.100.1")
			r.Header.Set("Forwarded", "for=198.51.100.1")
			require.Equal(t, c.want, c.server.SourceOf(r))
		})
	}
}
