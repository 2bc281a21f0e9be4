package sso

import (
	"strings"
	"unicode"
)

// readEmail finds the caller's address: the email claim, else preferred_username when it looks like one.
// email_verified vouches for the email claim alone, since users may choose their own user name, and only as true itself.
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

// isAddress takes local@domain.tld as it is typed: one @, printable, no spaces, at most 254 bytes.
// Quoted local parts, comments and a trailing dot are rejected rather than normalised.
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

// isDomain wants at least two non-empty labels that hold no second @.
func isDomain(d string) bool {
	labels := strings.Split(d, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Contains(l, "@") {
			return false
		}
	}
	return len(labels) > 1
}
