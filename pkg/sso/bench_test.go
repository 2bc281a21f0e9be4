package sso_test

import "testing"

// BenchmarkVerify is what one request pays: all steps and one RS256 signature, keys at hand.
func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	raw := f.token()
	for b.Loop() {
		if _, err := f.v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}
