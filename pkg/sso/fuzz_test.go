package sso_test

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

// FuzzVerify checks for any input that Verify does not panic and agrees with Explain, and that go-jose verifies every
// accepted token with the published key.
func FuzzVerify(f *testing.F) {
	fix := newFixture(f)
	good := fix.token()
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, good + ".", "", "..", "a.b.c", parts[0] + "." + parts[1] + ".", fix.headed("alg", `"none"`),
		fix.token("exp", "1e400"), fix.token("tenant_id", `"01"`), fix.token("roles", `{"admin":1}`),
		fix.token("sub", `"\ud800"`), parts[0] + "." + parts[1] + "." + parts[0],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := fix.v.Verify(t.Context(), raw)
		require.Equal(t, err == nil, firstReason(fix.v.Explain(t.Context(), raw)) == "")
		if err == nil {
			jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
			require.NoError(t, err)
			_, err = jws.Verify(&fix.k1.PublicKey)
			require.NoError(t, err)
		}
	})
}

// FuzzClaims signs any payload and checks the properties of accepted tokens that other packages rely on.
func FuzzClaims(f *testing.F) {
	fix := newFixture(f)
	for _, seed := range []string{
		fix.claims(), fix.claims("tenant_id", `"acme"`), fix.claims("tenant_id", "1.0"),
		fix.claims("roles", `["admin","x"]`), fix.claims("email", `"a@b@c"`), fix.claims("aud", `["x"]`),
		"{", "null", `{"a":{"a":1,"a":2}}`,
	} {
		f.Add([]byte(seed))
	}
	es256 := header("alg", `"ES256"`, "kid", `"e1"`)
	f.Fuzz(func(t *testing.T, payload []byte) {
		id, err := fix.v.Verify(t.Context(), sign(fix.e1, "ES256", es256, string(payload)))
		if err != nil {
			return
		}
		require.Equal(t, fix.issuer(), id.Issuer)
		require.NotEmpty(t, strings.TrimSpace(id.Subject))
		require.NotContains(t, id.Subject+id.Email+id.Tenant.Value, "\x00")
		require.True(t, id.Email != "" || !id.EmailVerified)
		require.True(t, fix.clock.Now().Before(id.Expiry.Add(60e9)))
		for _, r := range id.Roles {
			require.True(t, r.Valid())
		}
		named := id.Tenant.Kind == sso.TenantNumber || id.Tenant.Kind == sso.TenantExternalID
		require.Equal(t, named, id.Tenant.Value != "")
	})
}
