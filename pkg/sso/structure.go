package sso

import (
	"encoding/base64"
	"strings"
)

// maxToken is the size beyond which a token is not looked at.
const maxToken = 16 << 10

// compact is a JWS taken apart and decoded; nothing of it is read yet.
type compact struct {
	header, payload, signature []byte
	signed                     string // what the signature is over
}

// parts are a compact JWS and what it says, not yet believed.
type parts struct {
	compact
	headers, claims members
}

// splitCompact takes a token apart strictly: every byte of it has exactly one reading.
func splitCompact(raw string) (compact, *TokenError) {
	if len(raw) > maxToken {
		return compact{}, refuse(ReasonTooLarge, "%d bytes, more than %d", len(raw), maxToken).
			hint("map fewer groups or roles into the token")
	}
	segments, refused := segmentsOf(raw)
	if refused != nil {
		return compact{}, refused
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		b, ok := decodeSegment(segments[i])
		if !ok {
			return compact{}, refuse(ReasonMalformed, "the %s is not plain base64url", name)
		}
		decoded[i] = b
	}
	signed := raw[:len(segments[0])+1+len(segments[1])]
	return compact{header: decoded[0], payload: decoded[1], signature: decoded[2], signed: signed}, nil
}

// parseCompact takes a token apart and reads header and claims.
func parseCompact(raw string) (parts, *TokenError) {
	c, refused := splitCompact(raw)
	if refused != nil {
		return parts{}, refused
	}
	headers, err := parseObject(c.header)
	if err != nil {
		return parts{}, refuse(ReasonMalformed, "header: %s", jsonProblem(err))
	}
	claims, err := parseObject(c.payload)
	if err != nil {
		return parts{}, refuse(ReasonMalformed, "payload: %s", jsonProblem(err))
	}
	return parts{compact: c, headers: headers, claims: claims}, nil
}

// segmentsOf splits at the dots without ever making more than six pieces.
func segmentsOf(raw string) ([]string, *TokenError) {
	segments := strings.SplitN(raw, ".", 6)
	switch len(segments) {
	case 3:
		return segments, nil
	case 5:
		return nil, refuse(ReasonEncrypted, "five parts: an encrypted token (JWE)").
			hint("switch token encryption off for this client at the identity provider")
	}
	return nil, refuse(ReasonOpaque, "not three dot-separated parts: an opaque token").
		hint("request a JWT: on Auth0 name the API as audience; on Okta use a custom authorization server")
}

// decodeSegment reads base64url without padding. The alphabet is checked by hand because the decoder skips line breaks;
// Strict refuses altered trailing bits. An empty segment is refused.
func decodeSegment(s string) ([]byte, bool) {
	for _, b := range []byte(s) {
		if !(b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_') {
			return nil, false
		}
	}
	out, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return out, err == nil && len(out) > 0
}

// jsonProblem is err in a form fit for a log line: parsers may quote what they met.
func jsonProblem(err error) string { return quote(err.Error()) }
