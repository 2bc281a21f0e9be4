package sso_test

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func startCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-044": trailingSlash,
		"A-054": func(t *testing.T) {
			_, err := sso.NewVerifier(sso.Config{})
			require.Equal(t, fault.Operator, fault.KindOf(err))
			require.Contains(t, fault.Text(err), "NEXIUS_ISSUER")
		},
		"A-115": func(t *testing.T) {
			for _, issuer := range []string{
				"http://sso.example", "http://127.0.0.1:8080", "sso.example", "https://", "https://u:p@sso.example",
				"https://sso.example?x=1", "https://sso.example#x", "ftp://sso.example", "//sso.example",
			} {
				_, err := sso.NewVerifier(sso.Config{Issuer: issuer})
				require.Equal(t, fault.Operator, fault.KindOf(err), issuer)
			}
			for issuer, ok := range map[string]bool{
				"http://127.0.0.1:8080": true, "http://localhost:8080/realms/a": true, "http://[::1]:8080": true,
				"http://sso.example": false, "http://localhost.evil.example": false, "http://10.0.0.1": false,
			} {
				_, err := sso.NewVerifier(sso.Config{Issuer: issuer, AllowInsecure: true})
				require.Equal(t, ok, err == nil, issuer)
			}
			untrusted := newFixture(t, func(c *sso.Config) { c.HTTPClient = nil })
			untrusted.unavailable(t, untrusted.token()) // a self-signed certificate
			foreign := newFixture(t)
			plain := strings.Replace(foreign.URL, "https", "http", 1) + keysPath
			for _, keys := range []string{"https://evil.example/keys", plain, "/realms/a/keys", "file:///etc/passwd"} {
				f := newFixture(t)
				if strings.HasPrefix(keys, "http://") {
					keys = strings.Replace(f.URL, "https", "http", 1) + keysPath
				}
				f.set(discoveryPath, answer{body: f.discovery(f.issuer(), keys)})
				_, err := f.v.Verify(t.Context(), f.token())
				require.Equal(t, fault.Operator, fault.KindOf(err), keys)
				require.Equal(t, fault.Operator, fault.KindOf(f.v.Ready(t.Context())))
				require.Zero(t, f.count(keysPath))
			}
		},
		"P3": func(t *testing.T) { // unusable keys that A-013 does not cover
			f := newFixture(t)
			off := jwk(f.e1, "off-curve")
			off["x"] = []byte(`"` + b64(make([]byte, 32)) + `"`)
			even := jwk(f.k2, "even")
			even["e"] = []byte(`"Ag"`)
			oct := map[string]json.RawMessage{"kty": []byte(`"oct"`), "kid": []byte(`"oct"`), "k": []byte(`"AAAA"`)}
			x448 := map[string]json.RawMessage{"kty": []byte(`"OKP"`), "kid": []byte(`"x448"`), "crv": []byte(`"X448"`)}
			f.publish(jwk(f.k1, "k1"), jwk(f.weak, "weak"), off, even, jwk(f.e384, "e384"),
				oct, x448, map[string]json.RawMessage{})
			d, err := sso.Discover(t.Context(), f.cfg)
			require.NoError(t, err)
			for _, k := range d.Keys {
				require.Equal(t, k.ID == "k1", k.Unusable == "", "%s: %s", k.ID, k.Unusable)
			}
			require.Len(t, d.Keys, 8)
			f.refused(t, sign(f.weak, "RS256", header("kid", `"weak"`), f.claims()), sso.ReasonUnknownKey)
			f.accepted(t, f.token())
		},
	}
}

// trailingSlash tests both directions: the slash is only in the configuration, or only at the provider and in tokens.
func trailingSlash(t *testing.T) {
	for own, foreign := range map[string]string{"": "/", "/": ""} {
		withSlash := func(c *sso.Config) { c.Issuer += own }
		f := newFixture(t, withSlash)
		plain := f.issuer()
		f.set(discoveryPath, answer{body: f.discovery(plain+own, f.URL+keysPath)})
		f.accepted(t, f.token("iss", quoted(plain+own)))
		wrong := f.token("iss", quoted(plain+foreign))
		f.refused(t, wrong, sso.ReasonIssuer)
		require.Contains(t, hintOf(f.v.Explain(t.Context(), wrong), "issuer"), "slash")

		f = newFixture(t, withSlash)
		f.set(discoveryPath, answer{body: f.discovery(f.issuer()+foreign, f.URL+keysPath)})
		err := f.v.Ready(t.Context())
		require.Equal(t, fault.Operator, fault.KindOf(err), "the discovery document has another issuer: %v", err)
		require.Equal(t, 3, fault.ExitCode(err))
		require.Zero(t, f.count(keysPath))
	}
}

func hintOf(checks []sso.Check, name string) string {
	for _, c := range checks {
		if c.Name == name {
			return c.Hint
		}
	}
	return ""
}

func quoted(s string) string { return `"` + s + `"` }

// TestOtherAlgorithms: algorithms that are not allowed by default work once they are allowed, each with its own
// type of key only.
func TestOtherAlgorithms(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *sso.Config) { c.Algorithms = []string{"PS256", "RS512", "ES384", "EdDSA"} })
	_, ed, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	f.publish(jwk(f.k1, "rsa"), jwk(f.e1, "p256"), jwk(f.e384, "p384"), jwk(ed, "ed"))
	keys := map[string]crypto.Signer{"rsa": f.k1, "p256": f.e1, "p384": f.e384, "ed": ed}
	fits := map[string]string{"PS256": "rsa", "RS512": "rsa", "ES384": "p384", "EdDSA": "ed"}
	for alg, fit := range fits {
		head := func(kid string) string { return header("alg", quoted(alg), "kid", quoted(kid)) }
		f.accepted(t, sign(keys[fit], alg, head(fit), f.claims()))
		for kid := range keys {
			if kid != fit {
				f.refused(t, sign(keys[fit], alg, head(kid), f.claims()), sso.ReasonUnknownKey)
			}
		}
	}
	f.refused(t, f.headed("kid", `"rsa"`), sso.ReasonAlgorithm)
}

func TestConfigListsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := sso.NewVerifier(sso.Config{
		Issuer: "http://sso.example", InternalURL: "keycloak:8080", Algorithms: []string{"RS256", "HS256", "none"},
		Audiences: []string{""}, Claims: sso.ClaimPaths{Tenant: []string{"a..b"}},
		Leeway: time.Hour, MaxLifetime: 48 * time.Hour, KeyMaxAge: time.Hour,
	})
	require.Equal(t, fault.Operator, fault.KindOf(err))
	for _, part := range []string{
		"http://sso.example", "keycloak:8080", "HS256", `"none"`, "audience", "a..b", "leeway", "lifetime", "key age",
	} {
		require.Contains(t, fault.Text(err), part)
	}
}

// TestExplainRunsAllChecks: Explain reports all problems of a token in order, and the checks that could not run.
func TestExplainRunsAllChecks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	raw := sign(f.attacker, "RS256", header(), f.claims("aud", `"account"`,
		"exp", seconds(-3600e9), "iat", seconds(-3700e9),
		"email_verified", "false", "tenant_id", `"01"`, "roles", "[1]"))
	var names, failed, skipped []string
	for _, c := range f.v.Explain(t.Context(), raw) {
		names = append(names, c.Name)
		if c.Skipped {
			skipped = append(skipped, c.Name)
		} else if !c.OK {
			failed = append(failed, c.Name+" "+string(c.Reason))
			require.NotEmpty(t, c.Hint, c.Name)
		}
		require.NotEmpty(t, c.Detail, c.Name)
	}
	require.Equal(t, []string{
		"structure", "header", "kind", "algorithm", "issuer", "audience", "azp", "lifetime", "subject",
		"key", "signature", "e-mail", "tenant", "roles",
	}, names)
	require.Equal(t, []string{
		"audience wrong_audience", "lifetime expired", "signature bad_signature", "e-mail ", "tenant ", "roles ",
	}, failed)
	require.Empty(t, skipped, "azp must be checked even if the audience is wrong")

	foreign := f.v.Explain(t.Context(), f.token("iss", `"https://evil.example"`))
	require.True(t, foreign[9].Skipped && foreign[10].Skipped,
		"the signature of another issuer's token must not be checked")
}
