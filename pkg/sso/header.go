package sso

import (
	"slices"
	"strings"
)

// maxKeyID is the longest kid that is looked up.
const maxKeyID = 256

// header is what of the JOSE header is used.
type header struct {
	algorithm string
	keyID     string // "" only when absent
	access    bool   // typ says that it is an access token (RFC 9068)
}

// refusedHeaders change how a token is to be read, or bring a key along. None of them is ever needed here.
func refusedHeaders() []string { return headerNames()[3:] }

// headerNames are those that are read, then those that are refused.
func headerNames() []string {
	return []string{"alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty", "epk", "p2s", "p2c"}
}

// readHeader checks every member but the algorithm's place in the allow-list, which is a step of its own.
func readHeader(m members, names spelling) (header, *TokenError) {
	if have, meant := names.misspelt(m); have != "" {
		return header{}, refuse(ReasonHeader, "header %s in place of %s", quote(have), meant)
	}
	for _, name := range refusedHeaders() {
		if m.has(name) {
			return header{}, refuse(ReasonHeader, "header %s is not accepted", name)
		}
	}
	var h header
	var refused *TokenError
	if h.keyID, refused = readKeyID(m); refused != nil {
		return header{}, refused
	}
	if h.access, refused = readType(m); refused != nil {
		return header{}, refused
	}
	h.algorithm, _ = m.text("alg")
	return h, nil
}

func readKeyID(m members) (string, *TokenError) {
	if !m.has("kid") {
		return "", nil
	}
	kid, ok := m.text("kid")
	if !ok || kid == "" || len(kid) > maxKeyID {
		return "", refuse(ReasonHeader, "kid is not a text of 1 to %d bytes", maxKeyID)
	}
	if strings.ContainsFunc(kid, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", refuse(ReasonHeader, "kid holds characters outside printable ASCII")
	}
	return kid, nil
}

// readType takes an absent typ, JWT, and the access token types of RFC 9068, in any letter case.
func readType(m members) (access bool, refused *TokenError) {
	if !m.has("typ") {
		return false, nil
	}
	typ, ok := m.text("typ")
	switch typ = strings.ToLower(typ); {
	case ok && typ == "jwt":
		return false, nil
	case ok && slices.Contains([]string{"at+jwt", "application/at+jwt"}, typ):
		return true, nil
	}
	return false, refuse(ReasonTokenKind, "header typ %s is not that of an access or ID token", quote(typ)).
		hint("send the access token or the ID token, not a logout, DPoP or event token")
}
