package sso_test

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

func structureCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-022": func(t *testing.T) {
			f := newFixture(t)
			f.eachRefused(t, sso.ReasonHeader, map[string]string{
				"known": f.headed("crit", `["exp"]`), "unknown": f.headed("crit", `["unknown"]`),
				"empty": f.headed("crit", `[]`),
			})
			twice := strings.Replace(header(), "{", `{"crit":["exp"],"crit":["exp"],`, 1)
			f.refused(t, sign(f.k1, "RS256", twice, f.claims()), sso.ReasonMalformed)
			require.Zero(t, f.count(keysPath)+f.count(discoveryPath), "a refused header must not cause a fetch")
		},
		"A-023": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, f.headed("b64", "false", "crit", `["b64"]`), sso.ReasonHeader)
			f.refused(t, f.headed("b64", "true"), sso.ReasonHeader)
		},
		"A-024": encryptedTokens,
		"A-025": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, sign(f.k1, "RS256", header("cty", `"JWT"`), f.token()), sso.ReasonMalformed)
			f.refused(t, f.headed("cty", `"JWT"`), sso.ReasonHeader)
		},
		"A-027": func(t *testing.T) {
			f := newFixture(t)
			parts := strings.Split(f.token(), ".")
			f.eachRefused(t, sso.ReasonOpaque, map[string]string{
				"empty": "", "one": parts[0], "two": parts[0] + "." + parts[1], "four": f.token() + ".x",
				"six": strings.Repeat("a.", 5) + "a", "16 KiB of dots": strings.Repeat(".", 16<<10),
			})
			f.eachRefused(t, sso.ReasonMalformed, map[string]string{
				"no header": "." + parts[1] + "." + parts[2], "no payload": parts[0] + ".." + parts[2],
				"no signature": parts[0] + "." + parts[1] + ".",
			})
			f.refused(t, strings.Repeat(".", 10<<20), sso.ReasonTooLarge)
		},
		"A-028": func(t *testing.T) {
			f := newFixture(t)
			good := f.token()
			parts := strings.Split(good, ".")
			last := parts[2][len(parts[2])-1]
			altered := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			other := altered[(strings.IndexByte(altered, last)+1)%64]
			f.eachRefused(t, sso.ReasonMalformed, map[string]string{
				"padding": parts[0] + "=." + parts[1] + "." + parts[2], "padded signature": good + "==",
				"plus":    good[:len(good)-4] + "+" + good[len(good)-3:],
				"slash":   good[:len(good)-4] + "/" + good[len(good)-3:],
				"newline": good[:20] + "\n" + good[20:], "return": good[:20] + "\r" + good[20:],
				"tab": good[:20] + "\t" + good[20:], "space": good[:20] + " " + good[20:],
				"trailing bits": good[:len(good)-1] + string(other),
			})
		},
		"A-035": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, f.token("pad", fmt.Sprintf("%q", strings.Repeat("x", 16<<10))), sso.ReasonTooLarge)
			require.Zero(t, f.count(keysPath)+f.count(discoveryPath))
			exact := f.token("pad", `""`)
			grow := (16<<10 - len(exact)) * 3 / 4
			f.accepted(t, f.token("pad", fmt.Sprintf("%q", strings.Repeat("x", grow-4))))
		},
		"A-036": func(t *testing.T) {
			f := newFixture(t)
			deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
			f.refused(t, f.token("x", deep(5_000)), sso.ReasonMalformed)
			f.refused(t, f.token("x", deep(200)), sso.ReasonMalformed)
			f.accepted(t, f.token("x", deep(199)))
			many := strings.Builder{}
			for i := range 1_200 {
				fmt.Fprintf(&many, `,"m%d":1`, i)
			}
			f.accepted(t, sign(f.k1, "RS256", header(), strings.TrimSuffix(f.claims(), "}")+many.String()+"}"))
		},
		"A-037": func(t *testing.T) {
			f := newFixture(t)
			raw := func(payload string) string { return sign(f.k1, "RS256", header(), payload) }
			f.eachRefused(t, sso.ReasonMalformed, map[string]string{
				"invalid UTF-8":   f.token("sub", "\"\xff\xfe\""),
				"lone surrogate":  f.token("sub", `"\ud800"`),
				"NUL in sub":      f.token("sub", `"a\u0000b"`),
				"NUL in tenant":   f.token("tenant_id", `"a\u0000b"`),
				"NUL in a role":   f.token("roles", `["admin\u0000"]`),
				"raw NUL":         f.token("sub", "\"a\x00b\""),
				"byte order mark": raw("\ufeff" + f.claims()),
				"trailing text":   raw(f.claims() + "x"),
				"second object":   raw(f.claims() + f.claims()),
				"comment":         raw("/**/" + f.claims()),
			})
			f.accepted(t, f.token("note", `"a backslash and digits: \\u0000"`))
			f.accepted(t, raw(" "+f.claims()+"\n"))
		},
		"A-038": func(t *testing.T) {
			f := newFixture(t)
			for _, payload := range []string{"[]", `"text"`, "1", "null", "true", " ", "{"} {
				f.refused(t, sign(f.k1, "RS256", header(), payload), sso.ReasonMalformed)
			}
		},
		"A-039": func(t *testing.T) {
			f := newFixture(t)
			for _, twin := range []string{`"alg":"none"`, `"alg":"RS256"`, `"kid":"k1"`, `"kid":"other"`} {
				doubled := strings.Replace(header(), "{", "{"+twin+",", 1)
				f.refused(t, sign(f.k1, "RS256", doubled, f.claims()), sso.ReasonMalformed)
			}
		},
		"A-040": func(t *testing.T) {
			f := newFixture(t)
			for _, twin := range []string{
				`"tenant_id":7`, `"aud":"other"`, `"iss":"https://evil.example"`, `"exp":1`, `"roles":["admin"]`,
				`"tenant\u005fid":7`, `"x":{"a":1,"a":2}`,
			} {
				doubled := strings.Replace(f.claims(), "{", "{"+twin+",", 1)
				f.refused(t, sign(f.k1, "RS256", header(), doubled), sso.ReasonMalformed)
			}
		},
		"A-041": func(t *testing.T) {
			f := newFixture(t)
			f.eachRefused(t, sso.ReasonMalformed, map[string]string{
				"TENANT_ID":         f.token("TENANT_ID", "7"),
				"TENANT_ID alone":   f.token("tenant_id", "", "TENANT_ID", "42"),
				"Aud":               f.token("Aud", `"x"`),
				"AUD alone":         f.token("aud", "", "AUD", fmt.Sprintf("%q", audience)),
				"EXP":               f.token("EXP", seconds(0)),
				"Roles":             f.token("Roles", `["admin"]`),
				"long s in iss":     f.token("iſs", `"https://evil.example"`),
				"long s in roles":   f.token("roleſ", `["admin"]`),
				"kelvin in groups":  f.token("realm_acceſs", `{}`),
				"Email_Verified":    f.token("Email_Verified", "true"),
				"namespaced claims": f.token("https://CLAIMS/roles", `["admin"]`),
			})
			f.refused(t, f.headed("ALG", `"none"`), sso.ReasonHeader)
			f.refused(t, f.headed("Kid", `"k2"`), sso.ReasonHeader)
		},
		"A-069": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, "bwOpbx_CEkFz9D2GIu5SL0g9BLpL4nYc", sso.ReasonOpaque)
			checks := f.v.Explain(t.Context(), "bwOpbx_CEkFz9D2GIu5SL0g9BLpL4nYc")
			require.Contains(t, checks[0].Hint, "audience")
		},
	}
}

func encryptedTokens(t *testing.T) {
	f := newFixture(t)
	encrypt := func(alg jose.KeyAlgorithm, key any, zip jose.CompressionAlgorithm, payload []byte) string {
		recipient := jose.Recipient{Algorithm: alg, Key: key}
		enc, err := jose.NewEncrypter(jose.A256GCM, recipient, &jose.EncrypterOptions{Compression: zip})
		require.NoError(t, err)
		obj, err := enc.Encrypt(payload)
		require.NoError(t, err)
		raw, err := obj.CompactSerialize()
		require.NoError(t, err)
		return raw
	}
	direct := make([]byte, 32)
	_, _ = rand.Read(direct)
	bomb := bytes.Repeat([]byte{'a'}, 4<<20)
	f.eachRefused(t, sso.ReasonEncrypted, map[string]string{
		"dir":      encrypt(jose.DIRECT, direct, jose.NONE, []byte(f.claims())),
		"RSA-OAEP": encrypt(jose.RSA_OAEP, &f.k1.PublicKey, jose.NONE, []byte(f.claims())),
		"zip bomb": encrypt(jose.DIRECT, direct, jose.DEFLATE, bomb),
		"PBES2": b64([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAA"}`)) +
			".AA.AA.AA.AA",
	})
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestCompression)
	require.NoError(t, err)
	_, _ = w.Write([]byte(f.claims()))
	require.NoError(t, w.Close())
	f.refused(t, sign(f.k1, "RS256", header("zip", `"DEF"`), deflated.String()), sso.ReasonMalformed)
	f.refused(t, f.headed("zip", `"DEF"`), sso.ReasonHeader)
	f.refused(t, f.headed("p2c", "2147483648"), sso.ReasonHeader)
	require.Zero(t, f.count(keysPath))
}
