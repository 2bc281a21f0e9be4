package sso_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

func registeredCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-043": func(t *testing.T) {
			f := newFixture(t)
			other := fmt.Sprintf("%q", f.URL+"/realms/b")
			for _, iss := range []string{`"https://evil.example/realms/a"`, other, "", "null", `["x"]`, "1"} {
				f.refused(t, f.token("iss", iss), sso.ReasonIssuer)
			}
			require.Zero(t, f.count(keysPath), "another issuer must not cause a fetch")
		},
		"A-046": func(t *testing.T) {
			f := newFixture(t)
			for _, aud := range []string{`"other"`, "", `""`, "[]", `["other"]`, "null"} {
				f.refused(t, f.token("aud", aud), sso.ReasonAudience)
			}
		},
		"A-047": func(t *testing.T) {
			f := newFixture(t)
			f.accepted(t, f.token("aud", fmt.Sprintf("%q", audience)))
			f.accepted(t, f.token("aud", fmt.Sprintf(`["account",%q]`, audience)))
			f.accepted(t, f.token("aud", fmt.Sprintf(`["account",%q]`, audience), "azp", ""))
			f.refused(t, f.token("aud", fmt.Sprintf(`["account",%q]`, audience), "azp", `"spa2"`), sso.ReasonParty)
		},
		"A-048": func(t *testing.T) {
			f := newFixture(t)
			for _, aud := range []string{`[AUD,1]`, `{AUD:1}`, "1", `[[AUD]]`, "true"} {
				aud = strings.ReplaceAll(aud, "AUD", `"`+audience+`"`)
				f.refused(t, f.token("aud", aud), sso.ReasonAudience)
			}
		},
		"A-049": func(t *testing.T) {
			f := newFixture(t)
			for _, aud := range []string{"account", "leadctl", audience + "2", strings.ToUpper(audience),
				" " + audience} {
				f.refused(t, f.token("aud", fmt.Sprintf("%q", aud)), sso.ReasonAudience)
			}
		},
		"A-050": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, f.token("azp", `"spa2"`, "aud", `"account"`), sso.ReasonAudience)
			f.refused(t, f.token("azp", `"spa2"`), sso.ReasonParty)
			f.refused(t, f.token("azp", `["console"]`), sso.ReasonParty)
			f.accepted(t, f.token("azp", `"leadctl-cli"`))
			f.accepted(t, f.token("azp", fmt.Sprintf("%q", audience)))
		},
		"A-052": func(t *testing.T) {
			f := newFixture(t, func(c *sso.Config) { c.Audiences = nil })
			f.refused(t, f.token("typ", `"ID"`, "aud", `"spa2"`, "azp", `"spa2"`), sso.ReasonAudience)
			require.Equal(t, sso.KindID, f.accepted(t, f.token("typ", `"ID"`, "aud", `"console"`)).Kind)
		},
		"A-053": func(t *testing.T) {
			f := newFixture(t, func(c *sso.Config) { c.Audiences = []string{audience, "console"} })
			several := fmt.Sprintf(`["console",%q]`, audience)
			for _, mark := range [][]string{{"typ", `"ID"`}, {"nonce", `"n"`}, {"at_hash", `"h"`}} {
				f.refused(t, f.token("aud", several, "azp", "", mark[0], mark[1]), sso.ReasonParty)
				f.refused(t, f.token("aud", several, "azp", `"leadctl-cli"`, mark[0], mark[1]), sso.ReasonParty)
				f.accepted(t, f.token("aud", several, mark[0], mark[1]))
			}
		},
		"A-055": func(t *testing.T) {
			f := newFixture(t)
			f.refused(t, f.token("exp", ""), sso.ReasonLifetime)
			f.refused(t, f.token("iat", ""), sso.ReasonLifetime)
		},
		"A-056": func(t *testing.T) {
			for after, reason := range map[time.Duration]sso.Reason{
				30 * time.Second: "", 59 * time.Second: "", 60 * time.Second: sso.ReasonExpired,
				61 * time.Second: sso.ReasonExpired, time.Hour: sso.ReasonExpired,
			} {
				f := newFixture(t)
				raw := f.token("exp", seconds(0), "iat", seconds(-time.Minute))
				f.clock.advance(after)
				if reason == "" {
					f.accepted(t, raw)
				} else {
					f.refused(t, raw, reason)
				}
			}
		},
		"A-057": func(t *testing.T) {
			f := newFixture(t)
			for _, exp := range []string{
				`"1764000300"`, "true", "null", "[1764000300]", "-1", "1e400", "9000000000000000000", "1.764000300e9",
				"99999999999999999999", "253402300800", "-0",
			} {
				f.refused(t, f.token("exp", exp), sso.ReasonLifetime)
			}
			f.refused(t, f.token("exp", "NaN"), sso.ReasonMalformed)
			f.accepted(t, f.token("exp", seconds(time.Minute)+".75", "iat", seconds(0)+".123456789012"))
		},
		"A-059": func(t *testing.T) {
			f := newFixture(t)
			f.accepted(t, f.token("nbf", seconds(30*time.Second)))
			f.accepted(t, f.token("nbf", seconds(60*time.Second)))
			f.refused(t, f.token("nbf", seconds(61*time.Second)), sso.ReasonNotYetValid)
			f.refused(t, f.token("nbf", seconds(4*time.Minute)), sso.ReasonNotYetValid)
			f.refused(t, f.token("nbf", `"`+seconds(0)+`"`), sso.ReasonLifetime)
			f.refused(t, f.token("nbf", "null"), sso.ReasonLifetime)
		},
		"P4": func(t *testing.T) { // rules for iat, exp and aud that list A does not cover
			f := newFixture(t)
			f.accepted(t, f.token("iat", seconds(time.Minute)))
			f.refused(t, f.token("iat", seconds(61*time.Second)), sso.ReasonIssuedAhead)
			f.accepted(t, f.token("exp", seconds(24*time.Hour)))
			f.refused(t, f.token("exp", seconds(24*time.Hour+time.Second)), sso.ReasonLifetime)
			f.refused(t, f.token("iat", seconds(30*time.Second), "exp", seconds(20*time.Second)), sso.ReasonLifetime)
			open := newFixture(t, func(c *sso.Config) { c.Audiences, c.ClientIDs = nil, nil })
			require.False(t, open.v.ChecksAudience())
			require.True(t, f.v.ChecksAudience())
			open.accepted(t, open.token("aud", `"account"`, "azp", `"spa2"`))
			open.refused(t, open.token("aud", "1"), sso.ReasonAudience)
		},
		"A-061": func(t *testing.T) {
			f := newFixture(t)
			long := `"` + strings.Repeat("s", 300) + `"`
			for _, sub := range []string{"", `""`, "1", long, `"   "`, `"\u00a0\t"`, "null", `["u"]`} {
				f.refused(t, f.token("sub", sub), sso.ReasonSubject)
			}
			f.refused(t, f.token("sub", `"\u0000"`), sso.ReasonMalformed)
			f.accepted(t, f.token("sub", `"`+strings.Repeat("ß", 255)+`"`))
			f.refused(t, f.token("sub", `"`+strings.Repeat("ß", 256)+`"`), sso.ReasonSubject)
		},
		"A-062": func(t *testing.T) {
			f := newFixture(t)
			for _, typ := range []string{"", `"JWT"`, `"jwt"`, `"at+jwt"`, `"application/at+jwt"`, `"AT+JWT"`} {
				f.accepted(t, f.headed("typ", typ))
			}
			for _, typ := range []string{
				`"logout+jwt"`, `"dpop+jwt"`, `"secevent+jwt"`, `"entity-statement+jwt"`, `"JWE"`,
				"1", `""`, "null", `"JWT "`,
			} {
				f.refused(t, f.headed("typ", typ), sso.ReasonTokenKind)
			}
		},
		"A-063": func(t *testing.T) {
			f := newFixture(t)
			events := `{"http://schemas.openid.net/event/backchannel-logout":{}}`
			logout := f.claims("events", events, "aud", `"console"`)
			f.refused(t, sign(f.k1, "RS256", header("typ", ""), logout), sso.ReasonTokenKind)
			f.refused(t, f.token("events", "null"), sso.ReasonTokenKind)
			f.refused(t, f.token("cnf", `{"jkt":"x"}`), sso.ReasonTokenKind)
		},
		"A-064": func(t *testing.T) {
			f := newFixture(t)
			for _, typ := range []string{"Refresh", "Offline", "Logout", "Serialized-ID", "UMA", "bearer", "DPoP", ""} {
				f.refused(t, f.token("typ", fmt.Sprintf("%q", typ)), sso.ReasonTokenKind)
			}
			f.refused(t, f.token("typ", "null"), sso.ReasonTokenKind)
			f.refused(t, f.token("typ", `["Bearer"]`), sso.ReasonTokenKind)
			require.Equal(t, sso.KindAccess, f.accepted(t, f.token("typ", `"Bearer"`, "nonce", `"n"`)).Kind)
		},
		"A-067": func(t *testing.T) {
			f := newFixture(t)
			actor := `{"sub":"root","roles":["admin"],"tenant_id":1}`
			id := f.accepted(t, f.token("act", actor, "may_act", actor))
			require.Equal(t, "user-1", id.Subject)
			require.Equal(t, []sso.Role{sso.Ops}, id.Roles)
			require.Equal(t, "42", id.Tenant.Value)
		},
	}
}
