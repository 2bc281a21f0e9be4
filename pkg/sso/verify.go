// Package sso owns the question "whose token is this?": it turns a bearer token into an Identity, or into a reason why not.
//
// It owns the strict reading of tokens, the issuer's keys and how they are kept fresh, the roles' order, and the
// explanation of every refusal. It does not own HTTP: where a token stands in a request is package httpapi's business,
// and which tenant an Identity belongs to is package tenant's. Signatures are checked by coreos/go-oidc.
package sso

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Verifier checks tokens of one issuer. It is safe for concurrent use and should live as long as the process,
// because it holds the issuer's keys.
type Verifier struct {
	cfg     Config
	parties []string // audiences and clients
	roles   []claimPath
	tenants tenantReader
	keys    *keySet
	steps   []step

	claimNames, headerNames knownNames // whose misspellings are rejected
	product                 Product    // for hints
}

// NewVerifier checks the configuration and touches no network. A bad configuration is a fault.Operator that lists
// every problem.
func NewVerifier(cfg Config) (*Verifier, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, parties: cfg.acceptedParties(), steps: tokenSteps(), product: ProductOf(cfg.Issuer)}
	v.roles, _ = expandPaths(cfg.Claims.Roles, v.parties)
	tenantPaths, _ := expandPaths(cfg.Claims.Tenant, v.parties)
	v.tenants = newTenantReader(tenantPaths)
	v.claimNames, v.headerNames = newKnownNames(claimNames(slices.Concat(tenantPaths, v.roles))), newKnownNames(headerNames())
	v.keys = newKeySet(cfg, newBackChannel(cfg))
	return v, nil
}

// Close stops a running refresh of the keys and drops idle connections. The Verifier must not be used afterwards.
func (v *Verifier) Close() { v.keys.close() }

// ChecksAudience is false when neither audience nor client is configured: then any client of the issuer is accepted,
// which `serve` warns about and `doctor` fails.
func (v *Verifier) ChecksAudience() bool { return len(v.cfg.Audiences) > 0 }

// Ready reports whether tokens can be checked now, reading the keys first when there are none or they are old.
// It returns fault.Unavailable while the identity provider cannot be reached and fault.Operator when it names another
// issuer or publishes no usable address for its keys.
func (v *Verifier) Ready(ctx context.Context) error { return v.keys.checkReady(ctx) }

// KeyAge is how long ago the keys were read; false when they never were.
func (v *Verifier) KeyAge() (time.Duration, bool) { return v.keys.keyAge() }

// Verify proves a raw compact token and reads it.
//
// A token that proves nothing is a fault.Unauthenticated whose text is always the same; errors.As finds the *TokenError
// that says why. While there are no keys to judge by it is a fault.Unavailable (or fault.Operator, see Ready), never
// Unauthenticated. Tenant and roles claims of the wrong shape do not fail Verify: see Identity.ClaimFault.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (Identity, error) {
	in := &inspection{raw: rawToken}
	for _, s := range v.steps {
		if err := s.check(ctx, v, in); err != nil && !isAdvice(err) {
			return Identity{}, publicError(err)
		}
	}
	return in.id, nil
}

// publicError hides the reason of a refusal from callers and keeps faults as they are.
func publicError(err error) error {
	var rejected *TokenError
	if errors.As(err, &rejected) {
		return rejected.publicFault()
	}
	return err
}
