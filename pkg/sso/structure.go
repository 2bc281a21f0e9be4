package sso

import (
	"encoding/base64"
	"strings"
)

// maxToken is the size beyond which a token is not looked at.
const maxToken = 16 << 10

// compactJWS is a JWS taken apart and decoded; nothing of it is read yet.
type compactJWS struct {
	header, payload, signature []byte
	signed                     string // what the signature is over
}

// parsedToken are a compact JWS and what it says, not yet believed.
type parsedToken struct {
	compactJWS
	headers, claims members
}

// splitCompact takes a token apart strictly: every byte of it has exactly one reading.
func splitCompact(raw string) (compactJWS, *TokenError) {
	if len(raw) > maxToken {
		return compactJWS{}, reject(ReasonTooLarge, "%d bytes, more than %d", len(raw), maxToken).
			withHint("map fewer groups or roles into the token")
	}
	segments, rejected := splitSegments(raw)
	if rejected != nil {
		return compactJWS{}, rejected
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		b, ok := decodeSegment(segments[i])
		if !ok {
			return compactJWS{}, reject(ReasonMalformed, "the %s is not plain base64url", name)
		}
		decoded[i] = b
	}
	signed := raw[:len(segments[0])+1+len(segments[1])]
	return compactJWS{header: decoded[0], payload: decoded[1], signature: decoded[2], signed: signed}, nil
}

// parseCompact takes a token apart and reads header and claims.
func parseCompact(raw string) (parsedToken, *TokenError) {
	c, rejected := splitCompact(raw)
	if rejected != nil {
		return parsedToken{}, rejected
	}
	headers, err := parseObject(c.header)
	if err != nil {
		return parsedToken{}, reject(ReasonMalformed, "header: %s", quoteError(err))
	}
	claims, err := parseObject(c.payload)
	if err != nil {
		return parsedToken{}, reject(ReasonMalformed, "payload: %s", quoteError(err))
	}
	return parsedToken{compactJWS: c, headers: headers, claims: claims}, nil
}

// splitSegments splits at the dots without ever making more than six pieces.
func splitSegments(raw string) ([]string, *TokenError) {
	segments := strings.SplitN(raw, ".", 6)
	switch len(segments) {
	case 3:
		return segments, nil
	case 5:
		return nil, reject(ReasonEncrypted, "five parts: an encrypted token (JWE)").
			withHint("switch token encryption off for this client at the identity provider")
	}
	return nil, reject(ReasonOpaque, "not three dot-separated parts: an opaque token").
		withHint("request a JWT: on Auth0 name the API as audience; on Okta use a custom authorization server")
}

// decodeSegment reads base64url without padding. The alphabet is checked by hand because the decoder skips line breaks;
// Strict refuses altered trailing bits. An empty segment is rejected.
func decodeSegment(s string) ([]byte, bool) {
	for _, b := range []byte(s) {
		if !(b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_') {
			return nil, false
		}
	}
	out, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return out, err == nil && len(out) > 0
}

// quoteError is err in a form fit for a log line: parsers may quote what they met.
func quoteError(err error) string { return quote(err.Error()) }
