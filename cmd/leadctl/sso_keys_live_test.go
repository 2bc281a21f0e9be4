//go:build live

package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// rotateKeys adds a signing key and later removes the old one, while tokens are being verified.
func (r *realm) rotateKeys(t *testing.T) {
	now := newShiftedClock()
	v, err := sso.NewVerifier(
		sso.Config{
			Issuer:        os.Getenv("NEXIUS_ISSUER"),
			Audiences:     []string{liveClient},
			ClientIDs:     []string{defaultCLIClient},
			AllowInsecure: true,
			Now:           now.Now,
		},
	)
	require.NoError(t, err)
	defer v.Close()
	_, s := savedSession(t)
	before := s["access_token"]
	stop, verifying := make(chan struct{}), sync.WaitGroup{}
	verified := 0
	verifying.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				_, err := v.Verify(t.Context(), before)
				assert.NoError(t, err)
				verified++
			}
		}
	})
	old := r.keyProvider(t)
	require.Equal(t, 201, r.callAdmin(t, http.MethodPost, "/components", map[string]any{
		"name": "rsa-next", "providerId": "rsa-generated",
		"providerType": "org.keycloak.keys.KeyProvider", "parentId": r.id(t),
		"config": map[string][]string{
			"priority":  {"200"},
			"enabled":   {"true"},
			"active":    {"true"},
			"algorithm": {"RS256"},
			"keySize":   {"2048"},
		},
	}, nil))
	answer := r.requestToken(
		t,
		r.name,
		url.Values{
			"client_id":     {defaultCLIClient},
			"grant_type":    {"refresh_token"},
			"refresh_token": {s["refresh_token"]},
		},
	)
	after := answer["access_token"]
	require.NotEmpty(t, after, answer["error_description"])
	require.NotEqual(t, keyIDOf(t, before), keyIDOf(t, after))
	_, err = v.Verify(t.Context(), after)
	require.NoError(t, err, "the new key is accepted at once")
	close(stop)
	verifying.Wait()
	require.Positive(t, verified)

	require.Equal(t, 204, r.callAdmin(t, http.MethodDelete, "/components/"+old, nil, nil))
	now.advance(11 * time.Minute)
	_, err = v.Verify(t.Context(), before)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "a removed key is not accepted")
	r.expireSession(t)
	require.Equal(t, alice, whoAmI(t).Email, "the renewed session is signed with the new key")
}

func (r *realm) id(t *testing.T) string {
	var realm struct{ ID string }
	require.Equal(t, 200, r.callAdmin(t, http.MethodGet, "", nil, &realm))
	return realm.ID
}

func (r *realm) keyProvider(t *testing.T) string {
	var list []struct{ ID, ProviderID string }
	require.Equal(t, 200, r.callAdmin(t, http.MethodGet, "/components?type=org.keycloak.keys.KeyProvider", nil, &list))
	for _, c := range list {
		if c.ProviderID == "rsa-generated" {
			return c.ID
		}
	}
	t.Fatal("no key provider")
	return ""
}

func keyIDOf(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	return head
}

// keysRotateUnderLoad adds a new signing key to the realm while tokens signed with the old key are in use. No request
// may be rejected, with tokens of either key.
func (s *site) keysRotateUnderLoad(t *testing.T) {
	tokens := func() http.Header { return s.cookieHeader(t) }
	other := newPerson(t, alice) // in another browser, whose session the sign-in below does not replace
	other.signInAt(t, s.api+"/auth/login?return_to=/profiles")
	home, err := url.Parse(s.api)
	require.NoError(t, err)
	var pairs []string
	for _, c := range other.Jar.Cookies(home) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	old := http.Header{"Cookie": {strings.Join(pairs, "; ")}}
	require.Equal(t, http.StatusOK, s.getStatus(t, "/whoami", old))

	stop, using := make(chan struct{}), sync.WaitGroup{}
	var asked, refused atomic.Int64
	use := func(header http.Header) {
		using.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				asked.Add(1)
				if s.getStatus(t, "/whoami", header) != http.StatusOK {
					refused.Add(1)
				}
			}
		})
	}
	use(old)
	use(old)
	require.Equal(t, 201, s.callAdmin(t, http.MethodPost, "/components", map[string]any{
		"name": "rsa-next", "providerId": "rsa-generated",
		"providerType": "org.keycloak.keys.KeyProvider", "parentId": s.id(t),
		"config": map[string][]string{
			"priority":  {"200"},
			"enabled":   {"true"},
			"active":    {"true"},
			"algorithm": {"RS256"},
			"keySize":   {"2048"},
		},
	}, nil))
	s.open(t, s.api+"/auth/login?return_to=/profiles")
	s.waitForPage(t)
	renewed := tokens()
	require.NotEqual(t, headOf(t, old), headOf(t, renewed), "the new token has another key")
	require.Equal(t, http.StatusOK, s.getStatus(t, "/whoami", renewed), "the new key is accepted at once")
	use(renewed)
	use(renewed)
	before := asked.Load()
	require.Eventually(
		t,
		func() bool { return asked.Load() > before+1000 },
		time.Minute,
		10*time.Millisecond,
		"requests continue",
	)
	close(stop)
	using.Wait()
	t.Logf("%d requests while the keys rotated, %d refused", asked.Load(), refused.Load())
	require.Zero(t, refused.Load())
}

// headOf returns the header of the token in a cookie.
func headOf(t *testing.T, h http.Header) string {
	t.Helper()
	_, token, found := strings.Cut(h.Get("Cookie"), "nx_access=")
	require.True(t, found)
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(t, err)
	return string(raw)
}

// shiftedClock is a clock that can be advanced.
type shiftedClock struct {
	mu sync.Mutex
	by time.Duration
}

func newShiftedClock() *shiftedClock { return &shiftedClock{} }

func (s *shiftedClock) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.by)
}

func (s *shiftedClock) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by += d
}
