package sso_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// tenantOf returns the tenant claim of a valid token with these changes.
func (f *fixture) tenantOf(t *testing.T, changes ...string) sso.TenantClaim {
	t.Helper()
	return f.accepted(t, f.token(changes...)).Tenant
}

// tenantInvalid requires that a token with each of the claims is accepted and its tenant is invalid.
func (f *fixture) tenantInvalid(t *testing.T, claims ...string) {
	t.Helper()
	for _, c := range claims {
		id := f.accepted(t, f.token("tenant_id", c))
		require.Equal(t, sso.TenantInvalid, id.Tenant.Kind, "%.60s", c)
		require.Empty(t, id.Tenant.Value)
		require.Equal(t, 403, fault.HTTPStatus(id.ClaimFault()))
		require.Equal(t, "TENANT_INVALID", fault.Code(id.ClaimFault()))
		require.Less(t, len(fault.Text(id.ClaimFault())), 600, "a long claim must be cut")
	}
}

func claimCases() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"A-070": func(t *testing.T) {
			f := newFixture(t)
			for _, c := range []string{"", "null", `""`} {
				claim := f.tenantOf(t, "tenant_id", c)
				require.Equal(t, sso.TenantAbsent, claim.Kind)
				require.NoError(t, claim.Err())
			}
		},
		"A-071": func(t *testing.T) {
			f := newFixture(t)
			number, text := f.tenantOf(t, "tenant_id", "1"), f.tenantOf(t, "tenant_id", `"1"`)
			require.Equal(t, number, text)
			id, ok := number.ID()
			require.True(t, ok)
			require.EqualValues(t, 1, id)
			external := sso.TenantClaim{Kind: sso.TenantExternalID, Value: "acme-SG_1", Source: "tenant_id"}
			require.Equal(t, external, f.tenantOf(t, "tenant_id", `"acme-SG_1"`))
			large := f.tenantOf(t, "tenant_id", "9007199254740993")
			require.Equal(t, "9007199254740993", large.Value, "no digit may be lost in a float")
		},
		"A-072": func(t *testing.T) {
			newFixture(t).tenantInvalid(t, "1.0", "1e0", "1.5", "-0", "0", "-1", "true", "false")
		},
		"A-075": func(t *testing.T) {
			newFixture(t).tenantInvalid(t,
				`"01"`, `"+1"`, `" 1"`, `"1 "`, `"1\n"`, `"0x1"`, `"1_0"`, `"1.0"`, `"0"`, `"-1"`)
		},
		"A-076": func(t *testing.T) {
			newFixture(t).tenantInvalid(t, `"１"`, `"١"`, `"1\u200d"`, `"\u202e1"`, `"a\u0301"`, `"аcme"`)
		},
		"A-077": func(t *testing.T) {
			f := newFixture(t)
			f.tenantInvalid(t, strings.Repeat("9", 20), strings.Repeat("9", 400), `"`+strings.Repeat("9", 19)+`"`)
			beyond := f.tenantOf(t, "tenant_id", "99999999999")
			require.Equal(t, sso.TenantNumber, beyond.Kind)
			_, ok := beyond.ID()
			require.False(t, ok, "too large for a tenant_id")
		},
		"A-078": func(t *testing.T) {
			nested := strings.Repeat("[", 100) + strings.Repeat("]", 100)
			newFixture(t).tenantInvalid(t, `["1"]`, "[1,2]", `{"id":1}`, nested)
		},
		"A-079": func(t *testing.T) {
			f := newFixture(t)
			f.tenantInvalid(t, `"*"`, `"%"`, `"all"`, `"null"`, `"Public"`, `"undefined"`,
				`"1 OR 1=1"`, `"1'; RESET ROLE;--"`, `"`+strings.Repeat("a", 10<<10)+`"`)
			f.refused(t, f.token("tenant_id", `"a\u0000"`), sso.ReasonMalformed)
		},
		"A-080": func(t *testing.T) {
			f := newFixture(t, func(c *sso.Config) {
				c.Claims.Tenant = []string{"tenant_id", "https://app.example/tenant_id", "org.tenant"}
			})
			const other = "https://app.example/tenant_id"
			require.Equal(t, "42", f.tenantOf(t, other, `"42"`).Value)
			require.Equal(t, "42", f.tenantOf(t, other, "null").Value)
			require.Equal(t, other, f.tenantOf(t, "tenant_id", "", other, `"42"`).Source)
			require.Equal(t, "7", f.tenantOf(t, "tenant_id", "", "org", `{"tenant":7}`).Value)
			for _, c := range []string{"43", `"acme"`, `"01"`, "[42]"} {
				require.Equal(t, sso.TenantInvalid, f.tenantOf(t, other, c).Kind, c)
			}
			require.Equal(t, sso.TenantInvalid, f.tenantOf(t, "org", `"42"`).Kind, "a string in place of an object")
		},
		"A-085": func(t *testing.T) {
			f := newFixture(t)
			f.rolesAre(t, `"admin"`, sso.Admin)
			f.rolesAre(t, `["admin"]`, sso.Admin)
			f.rolesAre(t, `"viewer admin"`)
			f.rolesAre(t, `"viewer,admin"`)
			spaced := newFixture(t, func(c *sso.Config) { c.Claims.RoleDelimiter = " " })
			spaced.rolesAre(t, `"admin viewer"`, sso.Viewer, sso.Admin)
			spaced.rolesAre(t, `"not-admin viewer,admin"`)
			comma := newFixture(t, func(c *sso.Config) { c.Claims.RoleDelimiter = "," })
			comma.rolesAre(t, `"ops,admin"`, sso.Ops, sso.Admin)
		},
		"A-086": func(t *testing.T) {
			f := newFixture(t)
			for _, role := range []string{
				"not-admin", "administrator", "Admin", "admin ", "аdmin", "ADMIN", "/admin", "admin\u200b", "",
			} {
				f.rolesAre(t, fmt.Sprintf("[%q]", role))
			}
		},
		"A-087": func(t *testing.T) {
			f := newFixture(t)
			for _, roles := range []string{`["admin",1,null,{}]`, `{"admin":true}`, "1", `[["admin"]]`, "true"} {
				f.rolesMalformed(t, "roles", roles)
			}
		},
		"A-088": func(t *testing.T) {
			f := newFixture(t)
			id := f.accepted(t, f.token("roles", "", "realm_access", `{"roles":["offline_access","admin"]}`))
			require.Equal(t, []sso.Role{sso.Admin}, id.Roles)
			id = f.accepted(t, f.token("roles", "", "realm_access", `{"roles":"admin"}`))
			require.Equal(t, []sso.Role{sso.Admin}, id.Roles)
			f.rolesMalformed(t, "realm_access", `["admin"]`)
			f.rolesMalformed(t, "realm_access", `"admin"`)
			id = f.accepted(t, f.token("roles", "", "realm_access", "null"))
			require.False(t, id.RolesClaimPresent)
			require.NoError(t, id.ClaimFault())
		},
		"A-090": func(t *testing.T) {
			f := newFixture(t)
			id := f.accepted(t, f.token("roles", `["viewer","admin","viewer"]`, "realm_access", `{"roles":["admin"]}`,
				"https://claims/roles", `["ops"]`, "groups", `["sales"]`))
			require.Equal(t, []sso.Role{sso.Viewer, sso.Ops, sso.Admin}, id.Roles)
			clients := `{"console":{"roles":["ops"]},"spa2":{"roles":["admin"]}}`
			id = f.accepted(t, f.token("roles", "", "resource_access", clients))
			require.Equal(t, []sso.Role{sso.Ops}, id.Roles, "only the roles of configured clients count")
		},
		"A-091": func(t *testing.T) {
			f := newFixture(t)
			roles := `["ops"` + strings.Repeat(`,"r"`, 2_500) + `,"viewer"]`
			f.rolesAre(t, roles, sso.Viewer, sso.Ops)
		},
		"A-130": func(t *testing.T) { // the token's part: only the boolean true verifies the address
			f := newFixture(t)
			for _, v := range []string{"false", "", `"false"`, `"true"`, "1", "null", "[true]"} {
				id := f.accepted(t, f.token("email_verified", v))
				require.False(t, id.EmailVerified, v)
				require.Equal(t, "ann@acme.com", id.Email)
			}
		},
		"A-133": func(t *testing.T) { // the token's part: an address is returned unchanged or not at all
			f := newFixture(t)
			for mail, want := range map[string]string{
				"ann@acme.com": "ann@acme.com", "Ann@ACME.com": "Ann@ACME.com",
				"ann@bücher.example": "ann@bücher.example",
				"ann@acme.com.":      "", "a@b@acme.com": "", "ann": "", "@acme.com": "", "ann@": "",
				"ann@localhost": "",
				"a n@acme.com":  "", "ann@acme..com": "", "ann@acme.com\n": "", "ann\u200b@acme.com": "",
				`"a@b"@acme.com`: "", "Ann <ann@acme.com>": "",
				strings.Repeat("a", 65) + "@acme.com": "", "a@" + strings.Repeat("a.", 130) + "com": "",
			} {
				id := f.accepted(t, f.token("email", fmt.Sprintf("%q", mail)))
				require.Equal(t, want, id.Email, "%q", mail)
				require.Equal(t, want != "", id.EmailVerified)
			}
			id := f.accepted(t, f.token("email", "", "preferred_username", `"ann@acme.com"`))
			require.Equal(t, "ann@acme.com", id.Email)
			require.False(t, id.EmailVerified, "email_verified does not apply to a user name")
		},
		"A-136": func(t *testing.T) { // the token's part: the message is the same
			f := newFixture(t)
			f.refused(t, "x", sso.ReasonOpaque)
			f.refused(t, f.token("exp", seconds(-2*60e9), "iat", seconds(-3*60e9)), sso.ReasonExpired)
		},
	}
}

func (f *fixture) rolesAre(t *testing.T, claim string, want ...sso.Role) {
	t.Helper()
	id := f.accepted(t, f.token("roles", claim))
	require.Equal(t, want, id.Roles, "%.60s", claim)
	require.True(t, id.RolesClaimPresent)
	require.NoError(t, id.RolesErr)
	require.Equal(t, len(want) > 0 && want[len(want)-1] == sso.Admin, id.HasRole(sso.Admin))
}

func (f *fixture) rolesMalformed(t *testing.T, name, claim string) {
	t.Helper()
	id := f.accepted(t, f.token(name, claim))
	require.Error(t, id.RolesErr, claim)
	require.Empty(t, id.Roles, "a malformed claim must not give any role")
	require.True(t, id.RolesClaimPresent, "the stored roles must not apply")
	require.Equal(t, 403, fault.HTTPStatus(id.ClaimFault()))
	require.Equal(t, "INSUFFICIENT_ROLE", fault.Code(id.ClaimFault()))
}
