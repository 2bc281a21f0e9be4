package sso

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// inspection is the state of one token while it is checked. A step reads the results of earlier steps from it.
type inspection struct {
	raw        string
	verified   bool // earlier: exp and a withdrawn key do not count
	withdrawn  bool // the key of a token that was verified earlier
	token      parsedToken
	header     header
	keys       []Key // the candidate keys for the signature
	roleClaims roleSet
	id         Identity // complete after the last step
}

// step is one check of a token. If check returns a *TokenError or a fault, the token is refused. If it returns an
// *advice, the token is accepted, but its use is limited. describe returns, for Explain, what a passed check found.
type step struct {
	name     string
	needs    []string // steps that must pass before this one can run
	check    func(context.Context, *Verifier, *inspection) error
	describe func(*Verifier, *inspection) string
}

// tokenSteps returns the checks in order. Verify stops at the first refusal; Explain runs them all. Checks without a
// key come first, so that a token that fails them costs neither a fetch nor a signature.
func tokenSteps() []step {
	parsed := []string{"structure"}
	trusted := []string{"structure", "header", "algorithm", "issuer"}
	return []step{
		{"structure", nil, checkStructure, describeStructure},
		{"header", parsed, checkHeader, describeHeader},
		{"kind", parsed, checkKind, describeKind},
		{"algorithm", append(parsed, "header"), checkAlgorithm, describeAlgorithm},
		{"issuer", parsed, checkIssuer, describeIssuer},
		{"audience", parsed, checkAudience, describeAudience},
		{"azp", append(parsed, "kind"), checkParty, describeParty},
		{"lifetime", parsed, checkLifetime, describeLifetime},
		{"subject", parsed, checkSubject, describeSubject},
		{"key", trusted, checkKey, describeKey},
		{"signature", append(trusted, "key"), checkSignature, describeSignature},
		{"e-mail", parsed, checkEmail, describeEmail},
		{"tenant", parsed, checkTenant, describeTenant},
		{"roles", parsed, checkRoles, describeRoles},
	}
}

// advice is a finding that limits the use of a token but does not refuse it.
type advice struct{ detail, hint string }

// Error returns the finding.
func (a *advice) Error() string { return a.detail }

func isAdvice(err error) bool {
	var a *advice
	return errors.As(err, &a)
}

// asError converts a nil *TokenError to a nil error.
func asError(e *TokenError) error {
	if e == nil {
		return nil
	}
	return e
}

func checkStructure(_ context.Context, v *Verifier, in *inspection) error {
	p, refused := parseCompact(in.raw)
	if refused != nil {
		return refused
	}
	if refused := v.checkNames(p.claims); refused != nil {
		return refused
	}
	in.token = p
	in.id.Fingerprint = sha256.Sum256([]byte(p.signed))
	return nil
}

func checkHeader(_ context.Context, v *Verifier, in *inspection) error {
	h, refused := readHeader(in.token.headers, v.headerNames)
	in.header = h
	return asError(refused)
}

func checkKind(_ context.Context, _ *Verifier, in *inspection) error {
	kind, refused := tokenKind(in.token.claims, in.header)
	in.id.Kind = kind
	return asError(refused)
}

func checkAlgorithm(_ context.Context, v *Verifier, in *inspection) error {
	if slices.Contains(v.cfg.Algorithms, in.header.algorithm) {
		return nil
	}
	return refuse(ReasonAlgorithm, "alg %s: must be one of %s",
		quote(in.header.algorithm), strings.Join(v.cfg.Algorithms, ", ")).
		withHint("choose one of these as the client's signature algorithm at the identity provider")
}

func checkIssuer(_ context.Context, v *Verifier, in *inspection) error {
	iss, isText := in.token.claims.stringMember("iss")
	if isText && iss == v.cfg.Issuer {
		in.id.Issuer = iss
		return nil
	}
	refused := refuse(ReasonIssuer, "iss %s: must be %q", quote(iss), v.cfg.Issuer)
	if strings.TrimSuffix(iss, "/") == strings.TrimSuffix(v.cfg.Issuer, "/") {
		return refused.withHint("only the final slash differs: set NEXIUS_ISSUER to exactly the iss of the token")
	}
	return refused.withHint("set NEXIUS_ISSUER to the realm that issues the tokens, " +
		"and LEADCTL_SSO_INTERNAL_URL to its internal address, if any")
}

func checkAudience(_ context.Context, v *Verifier, in *inspection) error {
	aud, err := readAudience(in.token.claims)
	if err != nil {
		return refuse(ReasonAudience, "aud: %v", err)
	}
	in.id.Audience = aud
	azp, _ := in.token.claims.stringMember("azp")
	return asError(v.requireAudience(aud, azp))
}

func checkParty(_ context.Context, v *Verifier, in *inspection) error {
	azp, refused := v.requireParty(in.token.claims, in.id.Kind, in.id.Audience)
	in.id.AuthorizedParty = azp
	return asError(refused)
}

func checkLifetime(_ context.Context, v *Verifier, in *inspection) error {
	life, refused := v.requireLifetime(in.token.claims, in.verified)
	in.id.IssuedAt, in.id.Expiry = life.issued, life.expires
	return asError(refused)
}

func checkSubject(_ context.Context, _ *Verifier, in *inspection) error {
	sub, refused := requireSubject(in.token.claims)
	in.id.Subject = sub
	in.id.readOptional(in.token.claims)
	return asError(refused)
}

func checkKey(ctx context.Context, v *Verifier, in *inspection) (err error) {
	in.keys, err = v.keys.candidateKeys(ctx, in.header)
	return err
}

func checkSignature(ctx context.Context, v *Verifier, in *inspection) error {
	token, refused := v.verifySignature(ctx, in)
	in.id.idToken = token
	return asError(refused)
}

func checkEmail(_ context.Context, v *Verifier, in *inspection) error {
	in.id.Email, in.id.EmailVerified = readEmail(in.token.claims)
	hint := v.product.emailHint()
	switch {
	case in.id.EmailVerified:
		return nil
	case in.id.Email == "":
		return &advice{"no e-mail address", "a first sign-in requires one: " + hint}
	}
	return &advice{quote(in.id.Email) + " is not verified", "a first sign-in requires a verified address: " + hint}
}

func checkTenant(_ context.Context, v *Verifier, in *inspection) error {
	in.id.Tenant = v.tenants.readTenant(in.token.claims)
	hint := v.product.tenantHint()
	switch in.id.Tenant.Kind {
	case TenantInvalid:
		return &advice{in.id.Tenant.detail, "requests get 403 TENANT_INVALID; " +
			"send one tenant number or external id, the same in every claim: " + hint}
	case TenantAbsent:
		return &advice{"no tenant claim: the tenant of the user's membership applies",
			"to add the tenant to the token: " + hint}
	}
	return nil
}

func checkRoles(_ context.Context, v *Verifier, in *inspection) error {
	set, err := readRoles(in.token.claims, v.roles, v.cfg.Claims.RoleDelimiter)
	in.roleClaims = set
	in.id.Roles, in.id.RolesClaimPresent, in.id.RolesErr, in.id.OtherRoles = set.roles, set.present, err, set.ignored
	forbid := func(detail string) error { return &advice{detail, "requests get 403: " + v.product.rolesHint()} }
	const stored, none = "the user's stored roles apply", "no leadctl role among them"
	found := "no roles claim"
	switch {
	case err != nil:
		return forbid(err.Error())
	case len(set.roles) > 0:
		return nil
	case set.present:
		return forbid(fmt.Sprintf("%d names, %s", len(set.ignored), none))
	case len(set.ignored) > 0:
		found = fmt.Sprintf("%d names in %s, %s", len(set.ignored), set.sourceNames(), none)
	}
	return &advice{found + ": " + stored, "to add roles to the token: " + v.product.rolesHint()}
}
