package sso

import (
	"slices"
	"strings"
)

// maxKeyID is the longest kid that is looked up.
const maxKeyID = 256

// header is what of the JOSE header is used.
type header struct {
	algorithm     string
	keyID         string // "" only when absent
	isAccessToken bool   // typ says that it is an access token (RFC 9068)
}

// rejectedHeaders change how a token is to be read, or bring a key along. None of them is ever needed here.
func rejectedHeaders() []string { return headerNames()[3:] }

// headerNames are those that are read, then those that are rejected.
func headerNames() []string {
	return []string{"alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty", "epk", "p2s", "p2c"}
}

// readHeader checks every member but the algorithm's place in the allow-list, which is a step of its own.
func readHeader(m members, names knownNames) (header, *TokenError) {
	if have, meant := names.findMisspelling(m); have != "" {
		return header{}, reject(ReasonHeader, "header %s in place of %s", quote(have), meant)
	}
	for _, name := range rejectedHeaders() {
		if m.hasMember(name) {
			return header{}, reject(ReasonHeader, "header %s is not accepted", name)
		}
	}
	var h header
	var rejected *TokenError
	if h.keyID, rejected = readKeyID(m); rejected != nil {
		return header{}, rejected
	}
	if h.isAccessToken, rejected = readType(m); rejected != nil {
		return header{}, rejected
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
		return "", reject(ReasonHeader, "kid is not a text of 1 to %d bytes", maxKeyID)
	}
	if strings.ContainsFunc(kid, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", reject(ReasonHeader, "kid holds characters outside printable ASCII")
	}
	return kid, nil
}

// readType takes an absent typ, JWT, and the access token types of RFC 9068, in any letter case.
func readType(m members) (access bool, rejected *TokenError) {
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
	return false, reject(ReasonTokenKind, "header typ %s is not that of an access or ID token", quote(typ)).
		withHint("send the access token or the ID token, not a logout, DPoP or event token")
}
