package sso_test

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// secondCases are the cases of what was found from outside.
func secondCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-140": otherSignatureSameToken, "A-142": knownKeysOutliveAStranger, "A-145": foreignClientClaims,
		"A-146": oneOddKey, "A-150": addressesByASCII,
	}
}

// otherSignatureSameToken: (r, s) and (r, n-s) are both valid ECDSA signatures, and providers make both. What is known
// of a token therefore depends on what is signed only. Any other encoding of the same token is refused.
func otherSignatureSameToken(t *testing.T) {
	f := newFixture(t)
	low := f.accepted(t, sign(f.e1, "ES256", header("alg", `"ES256"`, "kid", `"e1"`), f.claims()))
	raw := sign(f.e1, "ES256", header("alg", `"ES256"`, "kid", `"e1"`), f.claims())
	other := f.accepted(t, otherSignature(raw))
	require.Equal(t, low.Fingerprint, other.Fingerprint)
	require.NotZero(t, low.Fingerprint)
	require.NotEqual(t, low.Fingerprint, f.accepted(t, f.token("jti", `"2"`)).Fingerprint)
	for name, same := range map[string]string{
		"padding": raw + "=", "line break": raw[:10] + "\n" + raw[10:], "space": raw + " ",
		"standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(raw[:len(raw)-1]) + "+",
		"DER signature":     raw[:strings.LastIndexByte(raw, '.')+1] + b64([]byte("0D\x02\x20")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.v.Verify(t.Context(), same)
			require.Equal(t, 401, fault.HTTPStatus(err), "%v", err)
		})
	}
}

// otherSignature returns the ES256 token with n-s in place of s.
func otherSignature(raw string) string {
	cut := strings.LastIndexByte(raw, '.') + 1
	sig, err := base64.RawURLEncoding.DecodeString(raw[cut:])
	if err != nil {
		panic(err)
	}
	n := testKeys().e1.Params().N
	s := new(big.Int).Sub(n, new(big.Int).SetBytes(sig[32:]))
	return raw[:cut] + b64(append(sig[:32:32], s.FillBytes(make([]byte, 32))...))
}

// knownKeysOutliveAStranger: a stranger's unknown kid starts the pause between two fetches. Tokens of a new key are
// refused as unknown_key until it ends, which tells a caller to try again, and accepted afterwards.
func knownKeysOutliveAStranger(t *testing.T) {
	f := newFixture(t)
	f.accepted(t, f.token())
	f.refused(t, f.headed("kid", `"stranger"`), sso.ReasonUnknownKey)
	f.publish(jwk(f.k1, "k1"), jwk(f.k2, "k2"))
	rotated := sign(f.k2, "RS256", header("kid", `"k2"`), f.claims())
	f.refused(t, rotated, sso.ReasonUnknownKey)
	f.accepted(t, f.token())
	f.clock.advance(31 * time.Second)
	f.accepted(t, rotated)
}

func foreignClientClaims(t *testing.T) {
	f := newFixture(t)
	admits := newFixture(t, func(c *sso.Config) { c.ClientIDs = append(c.ClientIDs, "spa2") })
	for _, name := range []string{"azp", "client_id", "cid"} {
		for _, azp := range []string{"", `"console"`} {
			if name == "azp" && azp != "" {
				continue
			}
			f.refused(t, f.token("azp", azp, name, `"spa2"`), sso.ReasonParty)
			require.Contains(t, []string{"console", "spa2"}, admits.accepted(t,
				admits.token("azp", azp, name, `"spa2"`)).AuthorizedParty)
			require.Equal(t, "console", f.accepted(t, f.token("azp", azp, name, `"console"`)).AuthorizedParty)
		}
		for _, odd := range []string{"null", "1", `["console"]`, `""`, `"CONSOLE"`} {
			f.refused(t, f.token("azp", "", name, odd), sso.ReasonParty)
		}
	}
	f.refused(t, f.token("azp", "", "CID", `"spa2"`), sso.ReasonMalformed)
	f.accepted(t, f.token("azp", ""))
}

// oneOddKey: an entry of the key set that is not strict JSON is dropped alone.
func oneOddKey(t *testing.T) {
	for name, members := range map[string]string{
		"duplicate member": `"kid":"odd-key","x":1,"x":2`, "lone surrogate": `"kid":"odd-key","x":"\ud800"`,
		"NUL": `"kid":"odd-key","x":"\u0000"`, "invalid UTF-8": "\"kid\":\"odd-key\",\"x\":\"\xff\"",
		"two kids": `"kid":"odd-key","kid":"k1"`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			good, err := json.Marshal(jwk(f.k1, "k1"))
			require.NoError(t, err)
			odd, err := json.Marshal(jwk(f.k2, "")) // its public part is valid
			require.NoError(t, err)
			entry := "{" + members + "," + string(odd[1:])
			f.set(keysPath, answer{body: `{"keys":[` + entry + `,` + string(good) + `]}`})
			f.accepted(t, f.token())
			f.refused(t, sign(f.k2, "RS256", header("kid", `"odd-key"`), f.claims()), sso.ReasonUnknownKey)
			more, err := json.Marshal(jwk(f.e1, "e1"))
			require.NoError(t, err)
			f.set(keysPath, answer{body: `{"keys":[` + entry + `,` + string(good) + `,` + string(more) + `]}`})
			f.clock.advance(11 * time.Minute)
			renewed := []string{"iat", seconds(11 * time.Minute), "exp", seconds(15 * time.Minute)}
			f.accepted(t, f.token(renewed...))
			f.accepted(t, sign(f.e1, "ES256", header("alg", `"ES256"`, "kid", `"e1"`), f.claims(renewed...)))
			require.Equal(t, 1, strings.Count(f.log.String(), "kid=odd-key"), f.log.String())
		})
	}
}

// addressesByASCII: only A to Z have a lower case in addresses. A locale's rules would make strangers equal.
func addressesByASCII(t *testing.T) {
	require.Equal(t, "kate@acme.example", sso.CanonicalEmail(" KATE@Acme.Example "))
	for invited, verified := range lookalikes() {
		require.NotEqual(t, sso.CanonicalEmail(invited), sso.CanonicalEmail(verified))
	}
}

// lookalikes returns pairs of addresses that are equal in some locale, but belong to different people: Kelvin sign,
// dotted and dotless i, sharp s, full-width letters.
func lookalikes() map[string]string {
	return map[string]string{
		"kate@acme.example": "\u212aate@acme.example", "ann@acmeinc.example": "ann@acme\u0130nc.example",
		"ann@inc.example": "ann@\u0131nc.example", "ann@strasse.example": "ann@stra\u1e9ee.example",
		"bob@strasse.example": "bob@straße.example", "ann@acme.example": "ann@ａｃｍｅ.example",
	}
}
