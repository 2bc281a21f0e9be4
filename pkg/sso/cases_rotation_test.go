package sso_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// rotationUnderLoad has two verifiers verify tokens all the time while the provider rotates its keys from k1 to k2 to
// k3. It signs with a new key at once and keeps the previous one published. No valid token may be refused. A token of a
// removed key must be refused by both verifiers as soon as the keys have expired.
func rotationUnderLoad(t *testing.T) {
	f := newFixture(t)
	second, err := sso.NewVerifier(f.cfg)
	require.NoError(t, err)
	t.Cleanup(second.Close)
	replicas := []*sso.Verifier{f.v, second}
	claims := f.claims("exp", seconds(4*time.Hour))
	signWith := func(key *rsa.PrivateKey, kid string) string {
		return sign(key, "RS256", header("kid", `"`+kid+`"`), claims)
	}
	k3 := f.attacker // a valid key once it is published
	tokens := []string{signWith(f.k1, "k1"), signWith(f.k2, "k2"), signWith(k3, "k3")}
	sets := [][]map[string]json.RawMessage{
		{jwk(f.k1, "k1")}, {jwk(f.k1, "k1"), jwk(f.k2, "k2")}, {jwk(f.k2, "k2"), jwk(k3, "k3")},
	}

	for stage, set := range sets {
		f.publish(set...)
		f.clock.advance(11 * time.Minute) // since the last rotation
		valid := tokens[max(stage-1, 0) : stage+1]
		var wg sync.WaitGroup
		var refused atomic.Int32
		for range 20 {
			wg.Go(func() {
				for i := range 10 * len(valid) {
					for _, v := range replicas {
						if _, err := v.Verify(context.Background(), valid[i%len(valid)]); err != nil {
							refused.Add(1)
						}
					}
				}
			})
		}
		wg.Wait()
		require.Zero(t, refused.Load(), "stage %d", stage)
	}
	for _, v := range replicas {
		_, err := v.Verify(t.Context(), tokens[0])
		require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "k1 is no longer published")
	}
	require.LessOrEqual(t, f.count(keysPath), 2*2*len(sets))
}

// keyExpiry tests when keys expire: the limits of their lifetime, and that removed keys are refused afterwards.
func keyExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		cacheControl string
		life         time.Duration
	}{
		"none": {"", 10 * time.Minute}, "long": {"max-age=86400", 10 * time.Minute},
		"short": {"public, max-age=5", time.Minute}, "between": {"max-age=300", 5 * time.Minute},
		"no-store": {"no-store", time.Minute}, "nonsense": {"max-age=soon", 10 * time.Minute},
		"negative": {"max-age=-1", time.Minute}, "overflow": {"max-age=99999999999999999999", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.set(keysPath, answer{
				body:   keySetJSON(jwk(f.k1, "k1"), jwk(f.k2, "k2")),
				header: http.Header{"Cache-Control": {c.cacheControl}},
			})
			_, ok := f.v.KeyAge()
			require.False(t, ok)
			f.accepted(t, f.token("exp", seconds(time.Hour)))
			f.publish(jwk(f.k2, "k2"))
			f.clock.advance(c.life * 7 / 10)
			f.accepted(t, f.token("exp", seconds(time.Hour)))
			age, ok := f.v.KeyAge()
			require.True(t, ok)
			require.Equal(t, c.life*7/10, age)
			require.Equal(t, 1, f.count(keysPath))
			f.clock.advance(c.life - c.life*7/10)
			f.refused(t, f.token("exp", seconds(time.Hour)), sso.ReasonUnknownKey)
			f.accepted(t, sign(f.k2, "RS256", header("kid", `"k2"`), f.claims("exp", seconds(time.Hour))))
		})
	}
}
