package sso_test

import (
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

// BenchmarkVerify is what one request pays: all steps and one RS256 signature, keys at hand.
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

// BenchmarkBareVerify is the same token through go-oidc alone, set up as its documentation shows.
// scripts/bench auth holds the two against each other with a token of Keycloak's shape.
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
