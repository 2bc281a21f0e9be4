package sso_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func keyLifeCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-105": func(t *testing.T) {
			f := newFixture(t)
			f.accepted(t, f.token())
			f.publish(jwk(f.k1, "k1"), jwk(f.k2, "k2"))
			f.accepted(t, sign(f.k2, "RS256", header("kid", `"k2"`), f.claims()))
			require.Equal(t, 2, f.count(keysPath), "an unknown kid must cause exactly one fetch")
			f.accepted(t, f.token())
			require.Equal(t, 2, f.count(keysPath))
		},
		"A-108": rotationUnderLoad,
		"A-109": providerDownWithKnownKeys,
		"A-110": func(t *testing.T) {
			f := newFixture(t)
			good := answer{body: f.discovery(f.issuer(), f.URL+keysPath)}
			for _, path := range []string{discoveryPath, keysPath} {
				f.set(path, answer{status: 503, body: "{}"})
			}
			for range 20 {
				f.unavailable(t, f.token())
				require.Equal(t, 503, fault.HTTPStatus(f.v.Ready(t.Context())))
				f.refused(t, "garbage", sso.ReasonOpaque) // checks without a key still give their own reason
				f.clock.advance(250 * time.Millisecond)
			}
			require.Less(t, f.count(discoveryPath), 8, "the delay between fetches must grow")
			f.set(discoveryPath, good)
			f.publish(jwk(f.k1, "k1"))
			f.clock.advance(5 * time.Second)
			f.accepted(t, f.token())
			require.NoError(t, f.v.Ready(t.Context()))
		},
		"A-034": publishedVectors,
		"A-112": providerHangs,
		"D-060": func(t *testing.T) { // the provider fails under load: both of these cases
			t.Run("failing", providerDownWithKnownKeys)
			t.Run("slow", providerHangs)
		},
		"A-114": redirectsAreNotFollowed,
		"P10":   keyExpiry,
	}
}

func (f *fixture) unavailable(t *testing.T, raw string) {
	t.Helper()
	_, err := f.v.Verify(t.Context(), raw)
	require.Equal(t, 503, fault.HTTPStatus(err), "%v", err)
	require.GreaterOrEqual(t, fault.RetryAfter(err), time.Second)
	require.Equal(t, sso.ReasonNoKeys, firstReason(f.v.Explain(t.Context(), raw)))
}

// failingTransport fails before any response.
type failingTransport struct{ err error }

func (f failingTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// unreachable tests a provider that cannot be reached, for each kind of network failure.
func unreachable(t *testing.T) {
	for name, why := range map[string]error{
		"DNS":     &net.DNSError{Err: "no such host", Name: "id.example", IsNotFound: true},
		"TLS":     &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"timeout": os.ErrDeadlineExceeded, "refused": syscall.ECONNREFUSED, "reset": syscall.ECONNRESET,
	} {
		t.Run(name, func(t *testing.T) {
			var down atomic.Bool
			f := newFixture(t, func(c *sso.Config) {
				good := c.HTTPClient.Transport
				c.HTTPClient = &http.Client{Transport: switchedTransport{&down, failingTransport{why}, good}}
			})
			good := f.token("exp", seconds(4*time.Hour))
			f.accepted(t, good)
			down.Store(true)
			unknown := sign(f.k2, "RS256", header("kid", `"k2"`), f.claims("exp", seconds(4*time.Hour)))
			for range 11 {
				f.clock.advance(5 * time.Minute)
				f.accepted(t, good)
				f.refused(t, unknown, sso.ReasonUnknownKey)
			}
			f.clock.advance(6 * time.Minute)
			f.unavailable(t, good)
			down.Store(false)
			f.clock.advance(5 * time.Second)
			f.accepted(t, good)
		})
	}
}

// switchedTransport uses the first transport while on is true, else the second.
type switchedTransport struct {
	on            *atomic.Bool
	first, second http.RoundTripper
}

func (e switchedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if e.on.Load() {
		return e.first.RoundTrip(r)
	}
	return e.second.RoundTrip(r)
}

func providerDownWithKnownKeys(t *testing.T) {
	unreachable(t)
	sound := []map[string]json.RawMessage{jwk(testKeys().k1, "k1")}
	broken := map[string]answer{
		"500": {status: 500}, "503": {status: 503}, "cut short": {body: `{"keys":[{"kty":"RSA"`},
		"empty set": {body: `{"keys":[]}`}, "no set": {body: `{}`}, "html": {body: "<html>"},
		"keys is an object": {body: `{"keys":{}}`},
		"101 keys":          {body: keySetJSON(slices.Repeat(sound, 101)...)},
		"over 1 MiB":        {body: keySetJSON(sound...) + strings.Repeat(" ", 1<<20)},
	}
	for name, down := range broken {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(c *sso.Config) { c.MaxLifetime = 24 * time.Hour })
			good := f.token("exp", seconds(4*time.Hour))
			f.accepted(t, good)
			f.set(keysPath, down)
			unknown := sign(f.k2, "RS256", header("kid", `"k2"`), f.claims("exp", seconds(4*time.Hour)))
			for range 11 {
				f.clock.advance(5 * time.Minute)
				f.accepted(t, good)
				require.NoError(t, f.v.Ready(t.Context()))
				f.refused(t, unknown, sso.ReasonUnknownKey)
			}
			f.clock.advance(6 * time.Minute) // 61 min
			f.unavailable(t, good)
			require.Equal(t, 503, fault.HTTPStatus(f.v.Ready(t.Context())))
			f.publish(jwk(f.k1, "k1"))
			f.clock.advance(5 * time.Second)
			f.accepted(t, good)
		})
	}
}

// providerHangs tests a provider whose responses never come: tokens with known keys must not wait for the fetch.
func providerHangs(t *testing.T) {
	f := newFixture(t)
	good := f.token("exp", seconds(4*time.Hour))
	f.accepted(t, good)
	release := make(chan struct{})
	f.set(keysPath, answer{status: 503, wait: release})
	f.clock.advance(9 * time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 500 {
		_, err := f.v.Verify(ctx, good)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, f.count(keysPath), 2, "all requests must share one fetch")
	close(release)
}

func redirectsAreNotFollowed(t *testing.T) {
	var hits atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(target.Close)
	for _, path := range []string{discoveryPath, keysPath} {
		for _, to := range []string{target.URL, "http://169.254.169.254/latest/meta-data", "http://localhost/keys"} {
			f := newFixture(t)
			f.set(path, answer{status: 302, header: http.Header{"Location": {to}}})
			f.unavailable(t, f.token())
		}
	}
	require.Zero(t, hits.Load())
}
