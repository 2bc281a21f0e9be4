package sso_test

import (
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

// BenchmarkVerify measures the verification in one request: all checks and one RS256 signature, with known keys.
func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	raw := f.token()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareVerify measures go-oidc alone with the same token, configured as in its documentation. scripts/bench
// auth compares both with a token like Keycloak's.
func BenchmarkBareVerify(b *testing.B) {
	f := newFixture(b)
	raw := f.token()
	ctx := oidc.ClientContext(b.Context(), f.Client())
	provider, err := oidc.NewProvider(ctx, f.issuer())
	if err != nil {
		b.Fatal(err)
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: audience, Now: f.clock.Now})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.Verify(ctx, raw); err != nil {
			b.Fatal(err)
		}
	}
}
