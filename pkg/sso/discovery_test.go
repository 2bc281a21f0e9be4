package sso_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.set(discoveryPath, answer{
		body:   f.discovery(f.issuer(), f.URL+keysPath),
		header: http.Header{"Date": {t0().Add(95 * time.Second).UTC().Format(http.TimeFormat)}},
	})
	d, err := sso.Discover(t.Context(), f.cfg)
	require.NoError(t, err)
	require.Equal(t, f.issuer(), d.Issuer)
	require.Equal(t, f.issuer()+"/token", d.TokenURL)
	require.Equal(t, []string{"RS256", "ES256"}, d.Algorithms)
	require.Equal(t, 95*time.Second, d.ClockDifference)
	require.True(t, d.ClockDifferenceSeen)
	require.Len(t, d.Keys, 2)
	require.Equal(t, "RSA", d.Keys[0].Type)
	require.Equal(t, 2048, d.Keys[0].Bits)
	require.Equal(t, "sig", d.Keys[0].Use)
	require.False(t, d.FromFallback)

	f.set(discoveryPath, answer{body: f.discovery(f.issuer()+"x", f.URL+keysPath)})
	d, err = sso.Discover(t.Context(), f.cfg)
	require.Equal(t, fault.Operator, fault.KindOf(err))
	require.Equal(t, f.issuer()+"x", d.Issuer, "the result must hold the provider's issuer")
	f.set(discoveryPath, answer{status: 500})
	_, err = sso.Discover(t.Context(), f.cfg)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}

func TestFallbackKeysAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.set(fallbackPath, answer{body: keySetJSON(jwk(f.k1, "k1"))})
	f.set(discoveryPath, answer{body: `{"issuer":` + quoted(f.issuer()) + `}`})
	f.accepted(t, f.token())
	without := newFixture(t)
	without.set(fallbackPath, answer{body: keySetJSON(jwk(f.k1, "k1"))})
	without.set(discoveryPath, answer{status: 404})
	without.accepted(t, without.token())
	d, err := sso.Discover(t.Context(), without.cfg)
	require.NoError(t, err)
	require.True(t, d.FromFallback)
	require.Equal(t, without.URL+fallbackPath, d.KeysURL)
}

// TestInternalURL: tokens contain the public issuer; only leadctl's own requests go to the internal URL.
func TestInternalURL(t *testing.T) {
	t.Parallel()
	const public = "https://sso.acme.example/auth/realms/a"
	for name, keys := range map[string]string{
		"below the public issuer": public + "/keys", "on the internal host": "INTERNAL/realms/a/keys",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *sso.Config) { c.InternalURL, c.Issuer = c.Issuer, public })
			f.set(discoveryPath, answer{body: f.discovery(public, strings.Replace(keys, "INTERNAL", f.URL, 1))})
			f.accepted(t, f.token("iss", quoted(public)))
			f.refused(t, f.token(), sso.ReasonIssuer)
			d, err := sso.Discover(t.Context(), f.cfg)
			require.NoError(t, err)
			require.Equal(t, f.URL+"/realms/a/token", d.TokenURL, "called by leadctl")
			require.Equal(t, public+"/auth", d.AuthorizationURL, "called by browsers")
		})
	}
	f := newFixture(t, func(c *sso.Config) { c.InternalURL, c.Issuer = c.Issuer, public })
	f.set(discoveryPath, answer{body: f.discovery(public, "https://third.example/keys")})
	require.Equal(t, fault.Operator, fault.KindOf(f.v.Ready(t.Context())))
}
