package sso

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// inspection is one token on its way through the steps. A step reads what earlier steps left here.
type inspection struct {
	raw        string
	token      parsedToken
	header     header
	keys       []Key // the keys that may have signed it
	roleClaims roleSet
	id         Identity // complete after the last step
}

// step is one question to a token. In answer to check a *TokenError or a fault refuses the token; an *advice lets it pass
// and says what it will not be able to do. tell says, for a person, what a step that passed has found.
type step struct {
	name     string
	needs    []string // steps that must have passed before this one makes sense
	check    func(context.Context, *Verifier, *inspection) error
	describe func(*Verifier, *inspection) string
}

// tokenSteps is the one sequence that Verify walks to the first refusal and Explain walks to the end. Everything that can be
// judged without a key comes before the key, so that a hopeless token costs neither a fetch nor a signature.
func tokenSteps() []step {
	read := []string{"structure"}
	trusted := []string{"structure", "header", "algorithm", "issuer"}
	return []step{
		{"structure", nil, checkStructure, func(_ *Verifier, in *inspection) string { return fmt.Sprintf("a signed JWT of %d bytes", len(in.raw)) }},
		{"header", read, checkHeader, func(*Verifier, *inspection) string { return "no member that is rejected" }},
		{"kind", read, checkKind, func(_ *Verifier, in *inspection) string { return "an " + in.id.Kind + " token" }},
		{"algorithm", append(read, "header"), checkAlgorithm, func(_ *Verifier, in *inspection) string { return in.header.algorithm }},
		{"issuer", read, checkIssuer, func(_ *Verifier, in *inspection) string { return in.id.Issuer }},
		{"audience", read, checkAudience, describeAudience},
		{"azp", append(read, "kind"), checkParty, describeParty},
		{"lifetime", read, checkLifetime, describeLifetime},
		{"subject", read, checkSubject, func(_ *Verifier, in *inspection) string { return quote(in.id.Subject) }},
		{"key", trusted, checkKey, func(_ *Verifier, in *inspection) string {
			return fmt.Sprintf("kid %s: %d published", quote(in.header.keyID), len(in.keys))
		}},
		{"signature", append(trusted, "key"), checkSignature, func(_ *Verifier, in *inspection) string { return "by " + in.header.algorithm }},
		{"e-mail", read, checkEmail, func(_ *Verifier, in *inspection) string { return quote(in.id.Email) + ", verified" }},
		{"tenant", read, checkTenant, func(_ *Verifier, in *inspection) string {
			c := in.id.Tenant
			return fmt.Sprintf("%s %s from claim %s", c.Kind, quote(c.Value), c.Source)
		}},
		{"roles", read, checkRoles, func(_ *Verifier, in *inspection) string {
			return fmt.Sprintf("%v from %s, %d other names ignored", in.id.Roles, in.roleClaims.sourceNames(), len(in.roleClaims.ignored))
		}},
	}
}

// advice is a finding that leaves the token valid but limits what it opens.
type advice struct{ detail, hint string }

// Error is the finding.
func (a *advice) Error() string { return a.detail }

func isAdvice(err error) bool {
	var a *advice
	return errors.As(err, &a)
}

// asError keeps a nil *TokenError from becoming a non-nil error.
func asError(e *TokenError) error {
	if e == nil {
		return nil
	}
	return e
}

func checkStructure(_ context.Context, v *Verifier, in *inspection) error {
	p, rejected := parseCompact(in.raw)
	if rejected != nil {
		return rejected
	}
	if rejected := v.checkNames(p.claims); rejected != nil {
		return rejected
	}
	in.token = p
	return nil
}

func checkHeader(_ context.Context, v *Verifier, in *inspection) error {
	h, rejected := readHeader(in.token.headers, v.headerNames)
	in.header = h
	return asError(rejected)
}

func checkKind(_ context.Context, _ *Verifier, in *inspection) error {
	kind, rejected := tokenKind(in.token.claims, in.header)
	in.id.Kind = kind
	return asError(rejected)
}

func checkAlgorithm(_ context.Context, v *Verifier, in *inspection) error {
	if slices.Contains(v.cfg.Algorithms, in.header.algorithm) {
		return nil
	}
	return reject(ReasonAlgorithm, "alg %s, accepted: %s", quote(in.header.algorithm), strings.Join(v.cfg.Algorithms, ", ")).
		withHint("choose one of them as the client's signature algorithm at the identity provider")
}

func checkIssuer(_ context.Context, v *Verifier, in *inspection) error {
	iss, isText := in.token.claims.stringMember("iss")
	if isText && iss == v.cfg.Issuer {
		in.id.Issuer = iss
		return nil
	}
	rejected := reject(ReasonIssuer, "iss is %s, expected %q", quote(iss), v.cfg.Issuer)
	if strings.TrimSuffix(iss, "/") == strings.TrimSuffix(v.cfg.Issuer, "/") {
		return rejected.withHint("only the trailing slash differs: set NEXIUS_ISSUER to exactly what the token says")
	}
	return rejected.withHint("set NEXIUS_ISSUER to the realm that issues the tokens; an internal address belongs into LEADCTL_SSO_INTERNAL_URL")
}

func checkAudience(_ context.Context, v *Verifier, in *inspection) error {
	aud, err := readAudience(in.token.claims)
	if err != nil {
		return reject(ReasonAudience, "aud: %v", err)
	}
	in.id.Audience = aud
	azp, _ := in.token.claims.stringMember("azp")
	return asError(v.requireAudience(aud, azp))
}

func describeAudience(v *Verifier, in *inspection) string {
	found := quote(strings.Join(in.id.Audience, ", "))
	if !v.ChecksAudience() {
		found += " (not checked: no audience is configured)"
	}
	return found
}

func checkParty(_ context.Context, v *Verifier, in *inspection) error {
	azp, rejected := v.requireParty(in.token.claims, in.id.Kind, in.id.Audience)
	in.id.AuthorizedParty = azp
	return asError(rejected)
}

func describeParty(_ *Verifier, in *inspection) string {
	if in.id.AuthorizedParty == "" {
		return "absent"
	}
	return quote(in.id.AuthorizedParty)
}

func checkLifetime(_ context.Context, v *Verifier, in *inspection) error {
	life, rejected := v.requireLifetime(in.token.claims)
	in.id.IssuedAt, in.id.Expiry = life.issued, life.expires
	return asError(rejected)
}

func describeLifetime(v *Verifier, in *inspection) string {
	now := v.cfg.Now()
	return fmt.Sprintf("%s to %s: issued %s ago, good for %s", formatTime(in.id.IssuedAt), formatTime(in.id.Expiry),
		now.Sub(in.id.IssuedAt).Round(time.Second), in.id.Expiry.Sub(now).Round(time.Second))
}

func checkSubject(_ context.Context, _ *Verifier, in *inspection) error {
	sub, rejected := requireSubject(in.token.claims)
	in.id.Subject = sub
	in.id.readOptional(in.token.claims)
	return asError(rejected)
}

func checkKey(ctx context.Context, v *Verifier, in *inspection) (err error) {
	in.keys, err = v.keys.candidateKeys(ctx, in.header)
	return err
}

func checkSignature(ctx context.Context, v *Verifier, in *inspection) error {
	token, rejected := v.verifySignature(ctx, in)
	in.id.idToken = token
	return asError(rejected)
}

func checkEmail(_ context.Context, v *Verifier, in *inspection) error {
	in.id.Email, in.id.EmailVerified = readEmail(in.token.claims)
	switch {
	case in.id.EmailVerified:
		return nil
	case in.id.Email == "":
		return &advice{"no e-mail address", "a first sign-in needs one: " + v.product.emailHint()}
	}
	return &advice{quote(in.id.Email) + " is not verified", "a first sign-in needs a verified address: " + v.product.emailHint()}
}

func checkTenant(_ context.Context, v *Verifier, in *inspection) error {
	in.id.Tenant = v.tenants.readTenant(in.token.claims)
	switch in.id.Tenant.Kind {
	case TenantInvalid:
		return &advice{in.id.Tenant.detail, "requests get 403 TENANT_INVALID. Send one tenant number or external id, the same in every claim: " + v.product.tenantHint()}
	case TenantAbsent:
		return &advice{"no tenant claim: the user's membership decides", "to name the tenant in the token: " + v.product.tenantHint()}
	}
	return nil
}

func checkRoles(_ context.Context, v *Verifier, in *inspection) error {
	set, err := readRoles(in.token.claims, v.roles, v.cfg.Claims.RoleDelimiter)
	in.roleClaims = set
	in.id.Roles, in.id.RolesClaimPresent, in.id.RolesErr, in.id.OtherRoles = set.roles, set.present, err, set.ignored
	switch {
	case err != nil:
		return &advice{err.Error(), "requests get 403: " + v.product.rolesHint()}
	case len(set.roles) > 0:
		return nil
	case set.present:
		return &advice{fmt.Sprintf("%d names, none of them a role here", len(set.ignored)), "requests get 403: " + v.product.rolesHint()}
	case len(set.ignored) > 0:
		return &advice{fmt.Sprintf("%d names in %s, none of them a role here: the roles stored for the user count", len(set.ignored), set.sourceNames()),
			"to give roles in the token: " + v.product.rolesHint()}
	}
	return &advice{"no roles claim: the roles stored for the user count", "to give roles in the token: " + v.product.rolesHint()}
}
