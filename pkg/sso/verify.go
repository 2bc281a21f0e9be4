// Package sso verifies bearer tokens. It returns the Identity in a token, or the reason why the token is refused.
//
// It owns the strict parsing of tokens, the issuer's keys and their renewal, the order of the roles, and the
// explanation of every refusal. It does not own HTTP: package httpapi takes the token from the request, and package
// tenant finds the Identity's tenant. coreos/go-oidc verifies the signatures.
package sso

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Verifier verifies the tokens of one issuer. It is safe for concurrent use and should live as long as the process,
// because it holds the issuer's keys.
type Verifier struct {
	cfg     Config
	parties []string // audiences and clients
	roles   []claimPath
	tenants tenantReader
	keys    *keySet
	steps   []step

	claimNames, headerNames knownNames // names whose misspellings are refused
	product                 Product    // for hints
}

// NewVerifier checks the configuration and returns a Verifier. It sends no request. It fails with a fault.Operator that
// lists all problems of the configuration.
func NewVerifier(cfg Config) (*Verifier, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, parties: cfg.acceptedParties(), steps: tokenSteps(), product: ProductOf(cfg.Issuer)}
	v.roles, _ = expandPaths(cfg.Claims.Roles, v.parties)
	tenantPaths, _ := expandPaths(cfg.Claims.Tenant, v.parties)
	v.tenants = newTenantReader(tenantPaths)
	v.claimNames = newKnownNames(claimNames(slices.Concat(tenantPaths, v.roles)))
	v.headerNames = newKnownNames(headerNames())
	v.keys = newKeySet(cfg, newBackChannel(cfg))
	return v, nil
}

// Close stops a running fetch of the keys and closes idle connections. The Verifier must not be used afterwards.
func (v *Verifier) Close() { v.keys.close() }

// ChecksAudience reports whether the aud of tokens is checked. It is false if neither audiences nor clients are
// configured. Then tokens of every client of the issuer are accepted, `serve` logs a warning and `doctor` fails.
func (v *Verifier) ChecksAudience() bool { return len(v.cfg.Audiences) > 0 }

// Ready reports whether tokens can be verified now; it fetches the keys first if needed. It returns fault.Unavailable
// while the provider's keys are unavailable, and fault.Operator if the provider has another issuer name or no usable
// address for its keys.
func (v *Verifier) Ready(ctx context.Context) error { return v.keys.checkReady(ctx) }

// KeyAge returns the time since the keys were fetched; false if they never were.
func (v *Verifier) KeyAge() (time.Duration, bool) { return v.keys.keyAge() }

// Verify verifies a token and returns its content.
//
// For a refused token it returns a fault.Unauthenticated with the same text for every reason; errors.As finds the
// *TokenError with the reason. While the keys are unavailable it returns fault.Unavailable (or fault.Operator, see
// Ready). A tenant or roles claim of the wrong type does not make Verify fail: see Identity.ClaimFault.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (Identity, error) {
	return v.verify(ctx, &inspection{raw: rawToken})
}

// Reread returns the content of a token that Verify accepted earlier. exp may be in the past, and the provider may have
// withdrawn the key: the caller must know the token by its Fingerprint. A wrong signature is refused.
func (v *Verifier) Reread(ctx context.Context, rawToken string) (Identity, error) {
	return v.verify(ctx, &inspection{raw: rawToken, verified: true})
}

// Leeway returns the clock difference that Verify tolerates.
func (v *Verifier) Leeway() time.Duration { return v.cfg.Leeway }

func (v *Verifier) verify(ctx context.Context, in *inspection) (Identity, error) {
	for _, s := range v.steps {
		if in.withdrawn && s.name == "signature" {
			continue
		}
		err := s.check(ctx, v, in)
		var refused *TokenError
		if in.verified && errors.As(err, &refused) && refused.Reason == ReasonUnknownKey {
			in.withdrawn = true
			continue
		}
		if err != nil && !isAdvice(err) {
			return Identity{}, publicError(err)
		}
	}
	return in.id, nil
}

// publicError hides the reason of a refusal from callers. It returns faults unchanged.
func publicError(err error) error {
	var refused *TokenError
	if errors.As(err, &refused) {
		return refused.publicFault()
	}
	return err
}
