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
	raw    string
	parts  parts
	header header
	keys   []Key // the keys that may have signed it
	named  roleSet
	id     Identity // complete after the last step
}

// step is one question to a token. In answer to check a *TokenError or a fault refuses the token; an *advice lets it pass
// and says what it will not be able to do. tell says, for a person, what a step that passed has found.
type step struct {
	name  string
	needs []string // steps that must have passed before this one makes sense
	check func(context.Context, *Verifier, *inspection) error
	tell  func(*Verifier, *inspection) string
}

// steps is the one sequence that Verify walks to the first refusal and Explain walks to the end. Everything that can be
// judged without a key comes before the key, so that a hopeless token costs neither a fetch nor a signature.
func steps() []step {
	read := []string{"structure"}
	trusted := []string{"structure", "header", "algorithm", "issuer"}
	return []step{
		{"structure", nil, checkStructure, func(_ *Verifier, in *inspection) string { return fmt.Sprintf("a signed JWT of %d bytes", len(in.raw)) }},
		{"header", read, checkHeader, func(*Verifier, *inspection) string { return "no member that is refused" }},
		{"kind", read, checkKind, func(_ *Verifier, in *inspection) string { return "an " + in.id.Kind + " token" }},
		{"algorithm", append(read, "header"), checkAlgorithm, func(_ *Verifier, in *inspection) string { return in.header.algorithm }},
		{"issuer", read, checkIssuer, func(_ *Verifier, in *inspection) string { return in.id.Issuer }},
		{"audience", read, checkAudience, tellAudience},
		{"azp", append(read, "kind"), checkParty, tellParty},
		{"lifetime", read, checkLifetime, tellLifetime},
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
			return fmt.Sprintf("%v from %s, %d other names ignored", in.id.Roles, in.named.from(), len(in.named.ignored))
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

// orNil keeps a nil *TokenError from becoming a non-nil error.
func orNil(e *TokenError) error {
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
	in.parts = p
	return nil
}

func checkHeader(_ context.Context, v *Verifier, in *inspection) error {
	h, refused := readHeader(in.parts.headers, v.headerNames)
	in.header = h
	return orNil(refused)
}

func checkKind(_ context.Context, _ *Verifier, in *inspection) error {
	kind, refused := kindOf(in.parts.claims, in.header)
	in.id.Kind = kind
	return orNil(refused)
}

func checkAlgorithm(_ context.Context, v *Verifier, in *inspection) error {
	if slices.Contains(v.cfg.Algorithms, in.header.algorithm) {
		return nil
	}
	return refuse(ReasonAlgorithm, "alg %s, accepted: %s", quote(in.header.algorithm), strings.Join(v.cfg.Algorithms, ", ")).
		hint("choose one of them as the client's signature algorithm at the identity provider")
}

func checkIssuer(_ context.Context, v *Verifier, in *inspection) error {
	iss, isText := in.parts.claims.text("iss")
	if isText && iss == v.cfg.Issuer {
		in.id.Issuer = iss
		return nil
	}
	refused := refuse(ReasonIssuer, "iss is %s, expected %q", quote(iss), v.cfg.Issuer)
	if strings.TrimSuffix(iss, "/") == strings.TrimSuffix(v.cfg.Issuer, "/") {
		return refused.hint("only the trailing slash differs: set NEXIUS_ISSUER to exactly what the token says")
	}
	return refused.hint("set NEXIUS_ISSUER to the realm that issues the tokens; an internal address belongs into LEADCTL_SSO_INTERNAL_URL")
}

func checkAudience(_ context.Context, v *Verifier, in *inspection) error {
	aud, err := readAudience(in.parts.claims)
	if err != nil {
		return refuse(ReasonAudience, "aud: %v", err)
	}
	in.id.Audience = aud
	azp, _ := in.parts.claims.text("azp")
	return orNil(v.wantAudience(aud, azp))
}

func tellAudience(v *Verifier, in *inspection) string {
	found := quote(strings.Join(in.id.Audience, ", "))
	if !v.ChecksAudience() {
		found += " (not checked: no audience is configured)"
	}
	return found
}

func checkParty(_ context.Context, v *Verifier, in *inspection) error {
	azp, refused := v.wantParty(in.parts.claims, in.id.Kind, in.id.Audience)
	in.id.AuthorizedParty = azp
	return orNil(refused)
}

func tellParty(_ *Verifier, in *inspection) string {
	if in.id.AuthorizedParty == "" {
		return "absent"
	}
	return quote(in.id.AuthorizedParty)
}

func checkLifetime(_ context.Context, v *Verifier, in *inspection) error {
	life, refused := v.wantLifetime(in.parts.claims)
	in.id.IssuedAt, in.id.Expiry = life.issued, life.expires
	return orNil(refused)
}

func tellLifetime(v *Verifier, in *inspection) string {
	now := v.cfg.Now()
	return fmt.Sprintf("%s to %s: issued %s ago, good for %s", stamp(in.id.IssuedAt), stamp(in.id.Expiry),
		now.Sub(in.id.IssuedAt).Round(time.Second), in.id.Expiry.Sub(now).Round(time.Second))
}

func checkSubject(_ context.Context, _ *Verifier, in *inspection) error {
	sub, refused := wantSubject(in.parts.claims)
	in.id.Subject = sub
	in.id.readOptional(in.parts.claims)
	return orNil(refused)
}

func checkKey(ctx context.Context, v *Verifier, in *inspection) (err error) {
	in.keys, err = v.keys.candidates(ctx, in.header)
	return err
}

func checkSignature(ctx context.Context, v *Verifier, in *inspection) error {
	token, refused := v.proveSignature(ctx, in)
	in.id.idToken = token
	return orNil(refused)
}

func checkEmail(_ context.Context, v *Verifier, in *inspection) error {
	in.id.Email, in.id.EmailVerified = readEmail(in.parts.claims)
	switch {
	case in.id.EmailVerified:
		return nil
	case in.id.Email == "":
		return &advice{"no e-mail address", "a first sign-in needs one: " + v.product.emailHint()}
	}
	return &advice{quote(in.id.Email) + " is not verified", "a first sign-in needs a verified address: " + v.product.emailHint()}
}

func checkTenant(_ context.Context, v *Verifier, in *inspection) error {
	in.id.Tenant = v.tenants.read(in.parts.claims)
	switch in.id.Tenant.Kind {
	case TenantInvalid:
		return &advice{in.id.Tenant.detail, "requests get 403 TENANT_INVALID. Send one tenant number or external id, the same in every claim: " + v.product.tenantHint()}
	case TenantAbsent:
		return &advice{"no tenant claim: the user's membership decides", "to name the tenant in the token: " + v.product.tenantHint()}
	}
	return nil
}

func checkRoles(_ context.Context, v *Verifier, in *inspection) error {
	set, err := readRoles(in.parts.claims, v.roles, v.cfg.Claims.RoleDelimiter)
	in.named = set
	in.id.Roles, in.id.RolesClaimPresent, in.id.RolesErr, in.id.OtherRoles = set.roles, set.present, err, set.ignored
	switch {
	case err != nil:
		return &advice{err.Error(), "requests get 403: " + v.product.rolesHint()}
	case len(set.roles) > 0:
		return nil
	case set.present:
		return &advice{fmt.Sprintf("%d names, none of them a role here", len(set.ignored)), "requests get 403: " + v.product.rolesHint()}
	case len(set.ignored) > 0:
		return &advice{fmt.Sprintf("%d names in %s, none of them a role here: the roles stored for the user count", len(set.ignored), set.from()),
			"to give roles in the token: " + v.product.rolesHint()}
	}
	return &advice{"no roles claim: the roles stored for the user count", "to give roles in the token: " + v.product.rolesHint()}
}
