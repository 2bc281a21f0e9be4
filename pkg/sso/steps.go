package sso

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// inspection is one token on its way through the steps. A step reads what earlier steps left here.
type inspection struct {
	raw    string
	parts  parts
	header header
	keys   []Key    // the keys that may have signed it
	id     Identity // complete after the last step
}

// step is one question to a token. check returns what it found, in words; a *TokenError or a fault refuses the token;
// an *advice lets it pass and says what it will not be able to do.
type step struct {
	name  string
	needs []string // steps that must have passed before this one makes sense
	check func(context.Context, *Verifier, *inspection) (string, error)
}

// steps is the one sequence that Verify walks to the first refusal and Explain walks to the end. Everything that can be
// judged without a key comes before the key, so that a hopeless token costs neither a fetch nor a signature.
func steps() []step {
	read := []string{"structure"}
	trusted := []string{"structure", "header", "algorithm", "issuer"}
	return []step{
		{"structure", nil, structureStep},
		{"header", read, headerStep},
		{"kind", read, kindStep},
		{"algorithm", append(read, "header"), algorithmStep},
		{"issuer", read, issuerStep},
		{"audience", read, audienceStep},
		{"azp", append(read, "kind", "audience"), partyStep},
		{"lifetime", read, lifetimeStep},
		{"subject", read, subjectStep},
		{"key", trusted, keyStep},
		{"signature", append(trusted, "key"), signatureStep},
		{"e-mail", read, emailStep},
		{"tenant", read, tenantStep},
		{"roles", read, rolesStep},
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

func structureStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	p, refused := parseCompact(in.raw)
	if refused != nil {
		return "", refused
	}
	if refused := checkNames(p.claims, slices.Concat(v.tenants.paths, v.roles)); refused != nil {
		return "", refused
	}
	in.parts = p
	return fmt.Sprintf("a signed JWT of %d bytes", len(in.raw)), nil
}

func headerStep(_ context.Context, _ *Verifier, in *inspection) (string, error) {
	h, refused := readHeader(in.parts.header)
	in.header = h
	return "no member that is refused", orNil(refused)
}

func kindStep(_ context.Context, _ *Verifier, in *inspection) (string, error) {
	kind, refused := kindOf(in.parts.claims, in.header)
	in.id.Kind = kind
	return "an " + kind + " token", orNil(refused)
}

func algorithmStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	if alg := in.header.algorithm; slices.Contains(v.cfg.Algorithms, alg) {
		return alg, nil
	}
	return "", refuse(ReasonAlgorithm, "alg %s, accepted: %s", quote(in.header.algorithm), strings.Join(v.cfg.Algorithms, ", ")).
		hint("choose one of them as the client's signature algorithm at the identity provider")
}

func issuerStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	iss, isText := in.parts.claims.text("iss")
	if isText && iss == v.cfg.Issuer {
		in.id.Issuer = iss
		return iss, nil
	}
	refused := refuse(ReasonIssuer, "iss is %s, expected %q", quote(iss), v.cfg.Issuer)
	if strings.TrimSuffix(iss, "/") == strings.TrimSuffix(v.cfg.Issuer, "/") {
		return "", refused.hint("only the trailing slash differs: set NEXIUS_ISSUER to exactly what the token says")
	}
	return "", refused.hint("set NEXIUS_ISSUER to the realm that issues the tokens; an internal address belongs into the back channel setting")
}

func audienceStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	aud, err := readAudience(in.parts.claims)
	if err != nil {
		return "", refuse(ReasonAudience, "aud: %v", err)
	}
	in.id.Audience = aud
	found := quote(strings.Join(aud, ", "))
	if !v.ChecksAudience() {
		found += " (not checked: no audience is configured)"
	}
	return found, orNil(v.checkAudience(aud))
}

func partyStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	azp, refused := v.checkParty(in.parts.claims, in.id.Kind, in.id.Audience)
	in.id.AuthorizedParty = azp
	if azp == "" {
		return "absent", orNil(refused)
	}
	return quote(azp), orNil(refused)
}

func lifetimeStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	life, refused := v.checkLifetime(in.parts.claims)
	in.id.IssuedAt, in.id.Expiry = life.issued, life.expires
	return fmt.Sprintf("%s to %s", stamp(life.issued), stamp(life.expires)), orNil(refused)
}

func subjectStep(_ context.Context, _ *Verifier, in *inspection) (string, error) {
	sub, refused := checkSubject(in.parts.claims)
	in.id.Subject = sub
	in.id.readOptional(in.parts.claims)
	return quote(sub), orNil(refused)
}

func keyStep(ctx context.Context, v *Verifier, in *inspection) (string, error) {
	keys, err := v.keys.candidates(ctx, in.header)
	if err != nil {
		return "", err
	}
	in.keys = keys
	return fmt.Sprintf("kid %s: %d published", quote(in.header.keyID), len(keys)), nil
}

func signatureStep(ctx context.Context, v *Verifier, in *inspection) (string, error) {
	token, refused := v.proveSignature(ctx, in)
	if refused != nil {
		return "", refused
	}
	in.id.idToken = token
	return "by " + in.header.algorithm, nil
}

func emailStep(_ context.Context, _ *Verifier, in *inspection) (string, error) {
	in.id.Email, in.id.EmailVerified = readEmail(in.parts.claims)
	switch {
	case in.id.Email == "":
		return "", &advice{"no e-mail address", "map email into the token: a first sign-in needs it, verified"}
	case !in.id.EmailVerified:
		return "", &advice{quote(in.id.Email) + " is not verified", "map email_verified as a boolean and verify the address: a first sign-in needs it"}
	}
	return quote(in.id.Email) + ", verified", nil
}

func tenantStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	c := v.tenants.read(in.parts.claims)
	in.id.Tenant = c
	switch c.Kind {
	case TenantInvalid:
		return "", &advice{c.detail, "send one tenant number or external id, the same in every claim; requests get 403 TENANT_INVALID"}
	case TenantAbsent:
		return "", &advice{"no tenant claim", "without a membership requests get 403 TENANT_REQUIRED: add a tenant_id mapper, or sign in once to be onboarded"}
	}
	return fmt.Sprintf("%s %s from claim %s", c.Kind, quote(c.Value), c.Source), nil
}

func rolesStep(_ context.Context, v *Verifier, in *inspection) (string, error) {
	set, err := readRoles(in.parts.claims, v.roles, v.cfg.Claims.RoleDelimiter)
	in.id.Roles, in.id.RolesClaimPresent, in.id.RolesErr = set.roles, set.present, err
	hint := "send viewer, ops or admin, spelled exactly, in a roles claim"
	switch {
	case err != nil:
		return "", &advice{err.Error(), hint + "; requests get 403"}
	case !set.present:
		return "", &advice{"no roles claim: the roles stored for the user count", hint}
	case len(set.roles) == 0:
		return "", &advice{fmt.Sprintf("%d names, none of them a role here", set.ignored), hint + "; requests get 403"}
	}
	return fmt.Sprintf("%v, %d other names ignored", set.roles, set.ignored), nil
}
