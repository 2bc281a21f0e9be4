package sso

import (
	"strings"
	"unicode"
)

// readEmail returns the caller's e-mail address: the claim email, else preferred_username if it is an address. Only
// email can be verified, and only if email_verified is the boolean true: users may choose their own user name.
func readEmail(c members) (address string, verified bool) {
	if s, ok := c.stringMember("email"); ok && isAddress(s) {
		v := c.memberValue("email_verified")
		return s, v != nil && v.Kind() == 't'
	}
	if s, ok := c.stringMember("preferred_username"); ok && isAddress(s) {
		return s, false
	}
	return "", false
}

// CanonicalEmail returns the form in which addresses are stored and compared: without surrounding spaces, and with the
// letters A to Z in lower case. Other letters stay as they are, because a locale's rules make different addresses equal
// (the Kelvin sign is a k in lower case). International domains compare equal in A-label form (xn--…) only.
func CanonicalEmail(address string) string { return CanonicalDomain(strings.TrimSpace(address)) }

// CanonicalDomain returns the domain with the letters A to Z in lower case.
func CanonicalDomain(domain string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, domain)
}

// isAddress accepts local@domain.tld: one @, printable characters, no spaces, at most 254 bytes. It does not accept
// quoted local parts, comments or a trailing dot.
func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > 254 || strings.ContainsAny(s, "\"(),:;<>[\\]") {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) {
			return false
		}
	}
	return isDomain(domain)
}

// isDomain accepts two or more non-empty labels without an @.
func isDomain(d string) bool {
	labels := strings.Split(d, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Contains(l, "@") {
			return false
		}
	}
	return len(labels) > 1
}
