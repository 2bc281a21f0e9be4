package sso

import (
	"encoding/base64"
	"strings"
)

// maxToken is the largest token that is parsed, in bytes.
const maxToken = 16 << 10

// compactJWS is a JWS in compact form, split and decoded.
type compactJWS struct {
	header, payload, signature []byte
	signed                     string // the signed text: header, dot, payload
}

// parsedToken is a JWS with its header and claims. Nothing in it has been verified.
type parsedToken struct {
	compactJWS
	headers, claims members
}

// splitCompact splits and decodes a token. It is strict: no two different strings decode to the same token.
func splitCompact(raw string) (compactJWS, *TokenError) {
	if len(raw) > maxToken {
		return compactJWS{}, refuse(ReasonTooLarge, "%d bytes, at most %d are allowed", len(raw), maxToken).
			withHint("put fewer groups or roles into the token")
	}
	segments, refused := splitSegments(raw)
	if refused != nil {
		return compactJWS{}, refused
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		b, ok := decodeSegment(segments[i])
		if !ok {
			return compactJWS{}, refuse(ReasonMalformed, "the %s must be base64url without padding", name)
		}
		decoded[i] = b
	}
	signed := raw[:len(segments[0])+1+len(segments[1])]
	return compactJWS{header: decoded[0], payload: decoded[1], signature: decoded[2], signed: signed}, nil
}

// parseCompact splits a token and parses its header and claims.
func parseCompact(raw string) (parsedToken, *TokenError) {
	c, refused := splitCompact(raw)
	if refused != nil {
		return parsedToken{}, refused
	}
	headers, err := parseObject(c.header)
	if err != nil {
		return parsedToken{}, refuse(ReasonMalformed, "header: %s", quoteError(err))
	}
	claims, err := parseObject(c.payload)
	if err != nil {
		return parsedToken{}, refuse(ReasonMalformed, "payload: %s", quoteError(err))
	}
	return parsedToken{compactJWS: c, headers: headers, claims: claims}, nil
}

// splitSegments splits a token at its dots, into six pieces at most.
func splitSegments(raw string) ([]string, *TokenError) {
	segments := strings.SplitN(raw, ".", 6)
	switch len(segments) {
	case 3:
		return segments, nil
	case 5:
		return nil, refuse(ReasonEncrypted, "five parts: an encrypted token (JWE)").
			withHint("switch off token encryption for this client at the identity provider")
	}
	return nil, refuse(ReasonOpaque, "not three dot-separated parts: an opaque token").
		withHint("request a JWT: on Auth0, send the API's audience; on Okta, use a custom authorization server")
}

// decodeSegment decodes base64url without padding. It checks the alphabet itself, because the decoder ignores line
// breaks. Strict mode rejects nonzero trailing bits. An empty segment is an error.
func decodeSegment(s string) ([]byte, bool) {
	for _, b := range []byte(s) {
		if !(b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_') {
			return nil, false
		}
	}
	out, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return out, err == nil && len(out) > 0
}

// quoteError returns err as text that is safe for a log line, because parsers quote their input.
func quoteError(err error) string { return quote(err.Error()) }
