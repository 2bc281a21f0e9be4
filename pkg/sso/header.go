package sso

import (
	"slices"
	"strings"
)

// maxKeyID is the longest kid that is accepted, in bytes.
const maxKeyID = 256

// header is the part of the JOSE header that leadctl uses.
type header struct {
	algorithm     string
	keyID         string // "" only if absent
	isAccessToken bool   // by its typ (RFC 9068)
}

// refusedHeaders returns the forbidden members. They change how a token is read, or they contain or name a key. leadctl
// needs none of them.
func refusedHeaders() []string { return headerNames()[3:] }

// headerNames returns the members that are read, then those that are refused.
func headerNames() []string {
	return []string{
		"alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty", "epk", "p2s", "p2c",
	}
}

// readHeader checks all members. It does not check whether the algorithm is allowed: checkAlgorithm does.
func readHeader(m members, names knownNames) (header, *TokenError) {
	if have, meant := names.findMisspelling(m); have != "" {
		return header{}, refuse(ReasonHeader, "header member %s must be spelled %s", quote(have), meant)
	}
	for _, name := range refusedHeaders() {
		if m.hasMember(name) {
			return header{}, refuse(ReasonHeader, "header member %s is not allowed", name)
		}
	}
	var h header
	var refused *TokenError
	if h.keyID, refused = readKeyID(m); refused != nil {
		return header{}, refused
	}
	if h.isAccessToken, refused = readType(m); refused != nil {
		return header{}, refused
	}
	h.algorithm, _ = m.stringMember("alg")
	return h, nil
}

func readKeyID(m members) (string, *TokenError) {
	if !m.hasMember("kid") {
		return "", nil
	}
	kid, ok := m.stringMember("kid")
	if !ok || kid == "" || len(kid) > maxKeyID {
		return "", refuse(ReasonHeader, "kid must be a string of 1 to %d bytes", maxKeyID)
	}
	if strings.ContainsFunc(kid, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", refuse(ReasonHeader, "kid must contain printable ASCII characters only")
	}
	return kid, nil
}

// readType accepts an absent typ, JWT, and the types of access tokens in RFC 9068, in any letter case.
func readType(m members) (access bool, refused *TokenError) {
	if !m.hasMember("typ") {
		return false, nil
	}
	typ, ok := m.stringMember("typ")
	switch typ = strings.ToLower(typ); {
	case ok && typ == "jwt":
		return false, nil
	case ok && slices.Contains([]string{"at+jwt", "application/at+jwt"}, typ):
		return true, nil
	}
	return false, refuse(ReasonTokenKind, "header typ %s: must be JWT or at+jwt", quote(typ)).
		withHint("send the access token or the ID token, not a logout, DPoP or event token")
}
