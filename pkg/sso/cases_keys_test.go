package sso_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func keyCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-013": func(t *testing.T) {
			for name, member := range map[string][]string{
				"use enc": {"use", `"enc"`}, "RSA-OAEP": {"alg", `"RSA-OAEP"`},
				"key_ops":           {"key_ops", `["encrypt","wrapKey"]`},
				"ill-typed key_ops": {"key_ops", `"verify"`},
				"ill-typed use":     {"use", `["sig"]`}, "private part": {"d", `"AAAA"`},
			} {
				t.Run(name, func(t *testing.T) {
					f := newFixture(t)
					f.publish(jwk(f.k1, "k1"), jwk(f.k2, "enc", member...))
					f.refused(t, sign(f.k2, "RS256", header("kid", `"enc"`), f.claims()), sso.ReasonUnknownKey)
					f.accepted(t, f.token())
					require.Equal(t, 1, f.count(keysPath), "the kid of an unusable key must not cause a fetch")
				})
			}
			f := newFixture(t)
			f.publish(jwk(f.k1, "k1"), jwk(f.k2, "ops", "key_ops", `["verify"]`, "use", `"sig"`))
			f.accepted(t, sign(f.k2, "RS256", header("kid", `"ops"`), f.claims()))
		},
		"A-015": func(t *testing.T) {
			f := newFixture(t)
			f.publish(jwk(f.k1, "k1"), jwk(f.weak, "weak"), jwk(f.attacker, "enc", "use", `"enc"`))
			f.accepted(t, f.headed("kid", ""))
			two := newFixture(t)
			two.publish(jwk(two.k1, "k1"), jwk(two.k2, "k2"))
			two.refused(t, two.headed("kid", ""), sso.ReasonUnknownKey)
			require.Equal(t, 1, two.count(keysPath))
		},
		"A-016": invalidKeyIDs,
		"A-017": unknownKeyFlood,
		"A-019": func(t *testing.T) {
			f := newFixture(t)
			f.publish(jwk(f.e1, "k1"), jwk(f.k2, "k1"), jwk(f.k1, "k1"))
			f.accepted(t, f.token())
			f.accepted(t, sign(f.k2, "RS256", header(), f.claims()))
			f.accepted(t, sign(f.e1, "ES256", header("alg", `"ES256"`), f.claims()))
			f.refused(t, sign(f.attacker, "RS256", header(), f.claims()), sso.ReasonSignature)
		},
	}
}

func invalidKeyIDs(t *testing.T) {
	f := newFixture(t)
	f.accepted(t, f.token())
	for name, kid := range map[string]string{
		"number": "1", "array": `["k1"]`, "object": `{"k":1}`, "null": "null", "empty": `""`,
		"10 KB": `"` + strings.Repeat("k", 10<<10) + `"`, "CRLF": `"k1\r\nlevel=ERROR msg=fake"`,
		"beyond ASCII": `"k１"`,
	} {
		t.Run(name, func(t *testing.T) { f.refused(t, f.headed("kid", kid), sso.ReasonHeader) })
	}
	f.refused(t, f.headed("kid", `"k\u0000"`), sso.ReasonMalformed)
	for _, kid := range []string{`"../../etc/passwd"`, `"' OR 1=1--"`, `"K1"`, `"k1 "`} {
		f.refused(t, f.headed("kid", kid), sso.ReasonUnknownKey)
	}
	require.Equal(t, 2, f.count(keysPath), "one fetch at the start, one for all unknown kids")
	require.NotContains(t, f.log.String(), "msg=fake")
}

// unknownKeyFlood sends 20,000 tokens, each with another unknown kid, from 50 goroutines while the clock advances by
// one minute. Valid tokens must be accepted all the time.
func unknownKeyFlood(t *testing.T) {
	f := newFixture(t)
	good, parts := f.token(), strings.Split(f.token(), ".")
	f.accepted(t, good)
	var wg sync.WaitGroup
	for g := range 50 {
		wg.Go(func() {
			for i := range 400 {
				kid := fmt.Sprintf(`"kid-%d-%d"`, g, i)
				raw := b64([]byte(header("kid", kid))) + "." + parts[1] + "." + parts[2]
				if _, err := f.v.Verify(t.Context(), raw); err == nil {
					t.Error("accepted a token with an unknown kid")
				}
				if g == 0 && i < 399 {
					f.clock.advance(150 * time.Millisecond)
				}
				if i%20 != 0 {
					continue
				}
				if _, err := f.v.Verify(t.Context(), good); err != nil {
					t.Errorf("refused a valid token during the flood: %v", err)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, f.count(keysPath), 3, "one fetch at the start, then one in 30 seconds")
}

// TestBadTokensCauseFewFetches: invalid tokens cannot make leadctl flood the identity provider
// with requests, and do not affect users with valid tokens.
func TestBadTokensCauseFewFetches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good, parts := f.token(), strings.Split(f.token(), ".")
	other := f.token("sub", `"user-2"`)
	badSignature := parts[0] + "." + parts[1] + other[strings.LastIndexByte(other, '.'):]
	var accepted, refused atomic.Int64
	var wg sync.WaitGroup
	for g := range 20 {
		wg.Go(func() {
			for i := range 25 {
				kid := fmt.Sprintf(`"kid-%d-%d"`, g, i)
				unknown := b64([]byte(header("kid", kid))) + "." + parts[1] + "." + parts[2]
				for _, bad := range []string{unknown, badSignature} {
					if _, err := f.v.Verify(t.Context(), bad); fault.Is(err, fault.Unauthenticated) {
						refused.Add(1)
					}
					if _, err := f.v.Verify(t.Context(), good); err == nil {
						accepted.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1000, refused.Load())
	require.EqualValues(t, 1000, accepted.Load(), "all valid tokens must be accepted")
	require.LessOrEqual(t, f.count(keysPath), 5)
	t.Logf("%d invalid tokens, %d fetches of the keys", refused.Load(), f.count(keysPath))
}
