package sso

import (
	"fmt"
	"strings"
)

// The functions in this file return what a passed check has found. Explain shows it.

func describeStructure(_ *Verifier, in *inspection) string {
	return fmt.Sprintf("a signed JWT of %d bytes", len(in.raw))
}

func describeHeader(*Verifier, *inspection) string { return "has no forbidden member" }

func describeKind(_ *Verifier, in *inspection) string {
	switch in.id.Kind {
	case KindAccess:
		return "an access token"
	case KindID:
		return "an ID token"
	}
	return "an access or ID token: it does not state which"
}

func describeAlgorithm(_ *Verifier, in *inspection) string { return in.header.algorithm }

func describeIssuer(_ *Verifier, in *inspection) string { return in.id.Issuer }

func describeAudience(v *Verifier, in *inspection) string {
	found := quote(strings.Join(in.id.Audience, ", "))
	if !v.ChecksAudience() {
		found += " (not checked: no audience is configured)"
	}
	return found
}

func describeParty(_ *Verifier, in *inspection) string {
	if in.id.AuthorizedParty == "" {
		return "absent"
	}
	return quote(in.id.AuthorizedParty)
}

func describeLifetime(v *Verifier, in *inspection) string {
	now, from, to := v.cfg.Now(), in.id.IssuedAt, in.id.Expiry
	return fmt.Sprintf("%s to %s: issued %s ago, valid for %s more",
		formatTime(from), formatTime(to), formatDuration(now.Sub(from)), formatDuration(to.Sub(now)))
}

func describeSubject(_ *Verifier, in *inspection) string { return quote(in.id.Subject) }

func describeKey(_ *Verifier, in *inspection) string {
	return fmt.Sprintf("kid %s: %d matching keys", quote(in.header.keyID), len(in.keys))
}

func describeSignature(_ *Verifier, in *inspection) string {
	return "verified by " + in.header.algorithm
}

func describeEmail(_ *Verifier, in *inspection) string { return quote(in.id.Email) + ", verified" }

func describeTenant(_ *Verifier, in *inspection) string {
	c := in.id.Tenant
	return fmt.Sprintf("%s %s from claim %s", c.Kind, quote(c.Value), c.Source)
}

func describeRoles(_ *Verifier, in *inspection) string {
	claims := in.roleClaims
	return fmt.Sprintf("%v from %s, %d other names ignored", in.id.Roles, claims.sourceNames(), len(claims.ignored))
}
