package sso_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

// TestSharedRolesClaims: stored roles apply unless a shared claim contains a leadctl role. So neither the claims that
// Keycloak adds to every access token nor a directory's groups make a first sign-in fail with 403. If a dedicated claim
// is present without a leadctl role, the user has none.
func TestSharedRolesClaims(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const defaults = `{"roles":["default-roles-acme","offline_access","uma_authorization"]}`
	account := `{"account":{"roles":["manage-account"]},"console":{"roles":["billing"]}}`
	for name, c := range map[string]struct {
		claims  []string
		present bool
		roles   []sso.Role
	}{
		"plain Keycloak": {[]string{"roles", "", "realm_access", defaults, "resource_access", account}, false, nil},
		"other groups":   {[]string{"roles", "", "groups", `["/sales","staff"]`}, false, nil},
		"empty lists":    {[]string{"roles", "", "groups", `[]`, "realm_access", `{"roles":[]}`}, false, nil},
		"leadctl realm role": {
			[]string{"roles", "", "realm_access", `{"roles":["offline_access","ops"]}`}, true, []sso.Role{sso.Ops},
		},
		"leadctl client role": {
			[]string{"roles", "", "realm_access", defaults, "resource_access", `{"console":{"roles":["admin"]}}`},
			true, []sso.Role{sso.Admin},
		},
		"leadctl group":      {[]string{"roles", "", "groups", `["staff","viewer"]`}, true, []sso.Role{sso.Viewer}},
		"dedicated, other":   {[]string{"roles", `["sales"]`, "realm_access", defaults}, true, nil},
		"dedicated, empty":   {[]string{"roles", `[]`, "realm_access", defaults}, true, nil},
		"namespaced, other":  {[]string{"roles", "", "https://claims/roles", `["sales"]`}, true, nil},
		"empty and in realm": {[]string{"roles", `[]`, "realm_access", `{"roles":["ops"]}`}, true, []sso.Role{sso.Ops}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := f.accepted(t, f.token(c.claims...))
			require.Equal(t, c.present, id.RolesClaimPresent)
			require.Equal(t, c.roles, id.Roles)
			require.NoError(t, id.ClaimFault())
		})
	}
}

// TestConfiguredRolesClaimIsDedicated: a configured path is dedicated even if its name contains groups.
func TestConfiguredRolesClaimIsDedicated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *sso.Config) { c.Claims.Roles = []string{"https://acme.example/groups", "app.groups"} })
	for _, claim := range []string{"https://acme.example/groups", "app"} {
		value := map[bool]string{true: `["staff"]`, false: `{"groups":["staff"]}`}[claim != "app"]
		id := f.accepted(t, f.token("roles", "", claim, value))
		require.True(t, id.RolesClaimPresent, claim)
		require.Empty(t, id.Roles)
	}
}

func TestRoleOrder(t *testing.T) {
	t.Parallel()
	order := []sso.Role{"", sso.Viewer, sso.Ops, sso.Admin}
	for i, have := range order {
		for j, least := range order {
			require.Equal(t, j > 0 && i >= j, have.AtLeast(least), "%q at least %q", have, least)
		}
	}
	require.False(t, sso.Role("Admin").AtLeast(sso.Viewer))
	require.False(t, sso.Admin.AtLeast("root"))
}
