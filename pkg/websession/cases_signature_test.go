package websession_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func indexDot(token string) int { return strings.IndexByte(token, '.') }

// ellipticKey is published as es256 beside the provider's own keys.
func ellipticKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// signES256 returns both valid forms of the token's claims signed with ES256.
func signES256(t *testing.T, key *ecdsa.PrivateKey, token string) (one, other string) {
	t.Helper()
	signed := encode(`{"alg":"ES256","kid":"es256","typ":"JWT"}`) +
		token[indexDot(token):strings.LastIndexByte(token, '.')]
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	require.NoError(t, err)
	form := func(s *big.Int) string {
		return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)),
			s.FillBytes(make([]byte, 32))...))
	}
	return form(s), form(new(big.Int).Sub(key.Params().N, s))
}

// otherSignatureAfterSignOut: a signed-out ES256 token with n-s in place of s is the same token.
func otherSignatureAfterSignOut(t *testing.T) {
	t.Parallel()
	for _, sid := range []string{"", "s-1"} {
		r := newRig(t)
		r.elliptic = ellipticKey(t)
		var twin string
		r.forge = func(a map[string]any) {
			plain := r.reissue(t, a["id_token"].(string), func(c map[string]any) {
				if c["sid"] = sid; sid == "" {
					delete(c, "sid")
				}
			})
			a["id_token"], twin = signES256(t, r.elliptic, plain)
		}
		tokens := r.signIn(t)
		require.False(t, r.revoked(t, twin))
		exchanged, err := r.Exchange(t.Context(), twin)
		require.NoError(t, err, "the same token: it is valid")
		_, err = r.End(t.Context(), exchanged.Handle, "")
		require.NoError(t, err)
		for _, form := range []string{tokens.ID, twin} {
			require.True(t, r.revoked(t, form))
			_, err = r.Exchange(t.Context(), form)
			require.Equal(t, 401, fault.HTTPStatus(err), "%v", err)
		}
		r.forge = nil
		r.age(t, time.Minute)
		_, err = r.EndAll(t.Context(), "", twin, tester)
		require.Equal(t, 401, fault.HTTPStatus(err), "%v", err)
	}
}
