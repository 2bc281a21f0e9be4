package sso_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestProductOf(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]sso.Product{
		"https://id.example.com/realms/acme":         sso.Keycloak,
		"http://127.0.0.1:8080/auth/realms/acme":     sso.Keycloak,
		"https://acme.okta.com/oauth2/default":       sso.Okta,
		"https://login.acme.example/oauth2/aus12345": sso.Okta,
		"https://acme.oktapreview.com":               sso.Okta,
		"https://acme.eu.auth0.com/":                 sso.Auth0,
		"https://okta.com.evil.example/":             sso.Other,
		"http://127.0.0.1:9000":                      sso.Other,
		"://":                                        sso.Other,
	} {
		require.Equal(t, want, sso.ProductOf(issuer), issuer)
	}
}

// TestHintsUseProductTerms: each product's hints name its own mapper, claim or action.
func TestHintsUseProductTerms(t *testing.T) {
	t.Parallel()
	for issuer, words := range map[string]map[string]string{
		"https://id.example.com/realms/acme": {
			"audience": "leadctl audience", "tenant": "leadctl tenant",
			"roles": "leadctl roles", "e-mail": "Email verified",
		},
		"https://acme.okta.com/oauth2/default": {
			"audience": "Authorization Servers", "tenant": "user.tenant_id", "roles": "Groups", "e-mail": "user.email",
		},
		"https://acme.auth0.com/": {
			"audience": "audience=leadctl-api", "tenant": "https://claims/tenant_id",
			"roles": "https://claims/roles", "e-mail": "ID token",
		},
		"https://id.example.com": {
			"audience": "NEXIUS_AUDIENCE", "tenant": "tenant_id",
			"roles": "viewer, ops or admin", "e-mail": "email_verified",
		},
	} {
		v, err := sso.NewVerifier(sso.Config{Issuer: issuer, Audiences: []string{audience}, Now: t0})
		require.NoError(t, err)
		defer v.Close()
		raw := sign(testKeys().k1, "RS256", header(), object(map[string]string{
			"iss": `"` + issuer + `x"`, "aud": `"account"`, "azp": `"spa2"`, "sub": `"s"`,
			"iat": seconds(0), "exp": seconds(60e9), "roles": "[1]",
		}))
		found := map[string]sso.Check{}
		for _, c := range v.Explain(t.Context(), raw) {
			found[c.Name] = c
		}
		for check, word := range words {
			require.False(t, found[check].OK, check)
			require.Contains(t, found[check].Hint, word, "%s %s", issuer, check)
		}
		require.Contains(t, found["audience"].Detail, `issued to client "spa2"`)
		require.Contains(t, found["azp"].Hint, "LEADCTL_SSO_EXTRA_CLIENTS")
	}
}

func TestCheckTenant(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"1", "42", "acme", "Acme_SG-1"} {
		require.NoError(t, sso.CheckTenant(good), good)
	}
	for _, bad := range []string{"", "0", "01", "1.5", "null", "a b", "ä", "1000000000000000000"} {
		require.Equal(t, fault.Invalid, fault.KindOf(sso.CheckTenant(bad)), bad)
	}
}

func TestRegistrations(t *testing.T) {
	t.Parallel()
	p := sso.Addresses{
		UI:  []string{"https://app.example.com/", "http://localhost:3000/ui"},
		API: "https://api.example.com/", Odoo: []string{"https://odoo.example.com/"},
	}
	ui := p.RegisterUI("ui")
	require.Equal(t, []string{
		"https://app.example.com/api/auth/callback/nexius", "http://localhost:3000/ui/api/auth/callback/nexius",
		"https://api.example.com/auth/callback",
	}, ui.RedirectURIs)
	require.Equal(t, []string{
		"https://app.example.com", "http://localhost:3000/ui", "https://api.example.com/",
	}, ui.PostLogoutURIs)
	require.Equal(t, []string{"https://app.example.com", "http://localhost:3000"}, ui.WebOrigins)
	require.Equal(t, []string{"https://odoo.example.com/auth_oauth/signin"}, p.RegisterOdoo("odoo").RedirectURIs)
	require.Empty(t, sso.Addresses{}.RegisterUI("ui").RedirectURIs)
}

// TestKeySince: a missing or broken certificate leaves Since zero and the key usable.
func TestKeySince(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d, err := sso.Discover(t.Context(), f.cfg)
	require.NoError(t, err)
	require.True(t, d.Keys[0].Since.IsZero())
	for _, x5c := range []string{`[]`, `["%"]`, `["AAAA"]`, `"text"`, `[1]`} {
		f.publish(jwk(f.k1, "k1", "x5c", x5c))
		d, err := sso.Discover(t.Context(), f.cfg)
		require.NoError(t, err)
		require.Empty(t, d.Keys[0].Unusable, x5c)
		require.True(t, d.Keys[0].Since.IsZero(), x5c)
	}
}
