package sso_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

func algorithmCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-001": func(t *testing.T) {
			f := newFixture(t)
			id := f.accepted(t, f.token("jti", `"j1"`, "sid", `"s1"`, "scope", `"openid"`))
			require.Equal(t, f.issuer(), id.Issuer)
			require.Equal(t, "user-1", id.Subject)
			require.Equal(t, sso.TenantNumber, id.Tenant.Kind)
			require.Equal(t, "42", id.Tenant.Value)
			require.Equal(t, []sso.Role{sso.Ops}, id.Roles)
			require.Equal(t, "ann@acme.com", id.Email)
			require.True(t, id.EmailVerified)
			require.Equal(t, []string{audience}, id.Audience)
			require.Equal(t, "console", id.AuthorizedParty)
			require.Equal(t, sso.KindUnknown, id.Kind)
			require.Equal(t, t0().Add(300e9), id.Expiry)
			require.Equal(t, "j1", id.TokenID)
			require.Equal(t, "s1", id.SessionID)
			require.NoError(t, id.ClaimFault())
			require.Equal(t, 1, f.count(keysPath))
		},
		"A-002": func(t *testing.T) {
			f := newFixture(t)
			f.accepted(t, sign(f.e1, "ES256", header("alg", `"ES256"`, "kid", `"e1"`), f.claims()))
		},
		"A-004": func(t *testing.T) {
			f := newFixture(t)
			parts := strings.Split(f.headed("alg", `"none"`), ".")
			f.refused(t, parts[0]+"."+parts[1]+".", sso.ReasonMalformed)
			require.Zero(t, f.count(keysPath))
		},
		"A-005": func(t *testing.T) {
			f := newFixture(t)
			for _, alg := range []string{`"None"`, `"NONE"`, `"nOnE"`, `"none "`, `""`, ``, `null`, `["RS256"]`} {
				f.refused(t, f.headed("alg", alg), sso.ReasonAlgorithm)
			}
			require.Zero(t, f.count(keysPath))
		},
		"A-006": func(t *testing.T) {
			f := newFixture(t)
			parts := strings.Split(f.token(), ".")
			f.refused(t, b64([]byte(header("alg", `"none"`)))+"."+parts[1]+"."+parts[2], sso.ReasonAlgorithm)
		},
		"A-007": func(t *testing.T) {
			f := newFixture(t)
			spki, err := x509.MarshalPKIXPublicKey(&f.k1.PublicKey)
			require.NoError(t, err)
			pkcs1 := x509.MarshalPKCS1PublicKey(&f.k1.PublicKey)
			block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
			text, err := json.Marshal(jwk(f.k1, "k1"))
			require.NoError(t, err)
			f.eachRefused(t, sso.ReasonAlgorithm, map[string]string{
				"SPKI PEM": f.hmac(block), "PEM without newline": f.hmac(block[:len(block)-1]),
				"PKCS#1 PEM": f.hmac(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})),
				"DER":        f.hmac(spki), "n": f.hmac([]byte(b64(f.k1.N.Bytes()))), "JWK": f.hmac(text),
			})
		},
		"A-008": func(t *testing.T) {
			f := newFixture(t)
			point, err := f.e1.PublicKey.Bytes()
			require.NoError(t, err)
			f.eachRefused(t, sso.ReasonAlgorithm, map[string]string{
				"empty": f.hmac(nil), "EC point": f.hmac(point), "kid": f.hmac([]byte("k1")),
			})
		},
		"A-010": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, f.headed("kid", `"e1"`), sso.ReasonUnknownKey)
			f.refused(t, sign(f.e1, "ES256", header("alg", `"ES256"`), f.claims()), sso.ReasonUnknownKey)
			require.Equal(t, 1, f.count(keysPath), "known kids must not cause a fetch")
		},
		"A-011": func(t *testing.T) {
			f := newFixture(t)
			f.publish(jwk(f.k1, "k1"), jwk(f.e384, "e384"))
			f.eachRefused(t, sso.ReasonAlgorithm, map[string]string{
				"RS512": sign(f.k1, "RS512", header("alg", `"RS512"`), f.claims()),
				"PS256": sign(f.k1, "PS256", header("alg", `"PS256"`), f.claims()),
				"ES384": sign(f.e384, "ES384", header("alg", `"ES384"`, "kid", `"e384"`), f.claims()),
				"EdDSA": f.headed("alg", `"EdDSA"`),
			})
		},
		"A-012": func(t *testing.T) {
			f := newFixture(t, func(c *sso.Config) { c.Algorithms = []string{"RS256", "RS384"} })
			f.refused(t, sign(f.k1, "RS384", header("alg", `"RS384"`), f.claims()), sso.ReasonUnknownKey)
			f.accepted(t, f.token())
		},
		"A-020": func(t *testing.T) {
			f, evil := newFixture(t), newIDP(t)
			evil.publish(jwk(f.attacker, "k1"))
			jku := `"` + evil.URL + keysPath + `"`
			f.refused(t, sign(f.attacker, "RS256", header("jku", jku), f.claims()), sso.ReasonHeader)
			f.refused(t, f.headed("jku", jku), sso.ReasonHeader)
			require.Zero(t, evil.count(keysPath))
		},
		"A-021": func(t *testing.T) {
			f, evil := newFixture(t), newIDP(t)
			key, err := json.Marshal(jwk(f.attacker, "k1"))
			require.NoError(t, err)
			forged := func(name, value string) string {
				return sign(f.attacker, "RS256", header(name, value), f.claims())
			}
			f.eachRefused(t, sso.ReasonHeader, map[string]string{
				"x5u": forged("x5u", `"`+evil.URL+keysPath+`"`), "x5c": forged("x5c", `["MIIB"]`),
				"jwk": forged("jwk", string(key)),
			})
			f.refused(t, forged("x5t", `"AAAA"`), sso.ReasonSignature)
			require.Zero(t, evil.count(keysPath))
		},
		"A-030": signatureForms,
		"A-031": func(t *testing.T) {
			f := newFixture(t)
			good := f.token()
			f.accepted(t, good)
			for i := range len(good) {
				flipped := []byte(good)
				flipped[i] ^= 1 << (i % 8)
				if _, err := f.v.Verify(t.Context(), string(flipped)); err == nil {
					t.Fatalf("bit %d of byte %d flipped: accepted", i%8, i)
				}
			}
		},
		"A-032": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, sign(f.attacker, "RS256", header(), f.claims()), sso.ReasonSignature)
			for range 100 {
				f.refused(t, sign(f.attacker, "RS256", header(), f.claims()), sso.ReasonSignature)
			}
			require.Equal(t, 1, f.count(keysPath), "a bad signature under a known kid must not cause a fetch")
		},
	}
}

// hmac returns an HS256 token with valid claims.
func (f *fixture) hmac(secret []byte) string {
	input := b64([]byte(header("alg", `"HS256"`))) + "." + b64([]byte(f.claims()))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

func signatureForms(t *testing.T) {
	f := newFixture(t)
	input := b64([]byte(header("alg", `"ES256"`, "kid", `"e1"`))) + "." + b64([]byte(f.claims()))
	raw := signature(f.e1, "ES256", input)
	r, s := new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])
	n := f.e1.Curve.Params().N
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	require.NoError(t, err)
	join := func(r, s *big.Int) string {
		return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	zero := new(big.Int)
	f.eachRefused(t, sso.ReasonSignature, map[string]string{
		"DER": input + "." + b64(der), "zero": join(zero, zero), "r zero": join(zero, s), "s zero": join(r, zero),
		"r is n": join(n, s), "s is n": join(r, n),
		"too long": input + "." + b64(append(raw, 0)), "too short": input + "." + b64(raw[:63]),
	})
	f.accepted(t, input+"."+b64(raw))
	mirrored := new(big.Int).Sub(n, s)
	require.True(t, ecdsa.Verify(&f.e1.PublicKey, digest(input), r, mirrored), "(r, n-s) is valid if (r, s) is")
	f.accepted(t, join(r, mirrored))
}

func digest(input string) []byte {
	d := sha256.Sum256([]byte(input))
	return d[:]
}
