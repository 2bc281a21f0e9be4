package sso

import (
	"fmt"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Reason is a stable code for why a token is refused. It appears in the log and in `leadctl sso whoami`. Remote callers
// never see it: to them all refusals look the same.
type Reason string

// The reasons, in the order of the checks.
const (
	ReasonOpaque      Reason = "not_a_jwt"        // not three parts separated by dots
	ReasonEncrypted   Reason = "encrypted"        // five parts: a JWE
	ReasonTooLarge    Reason = "too_large"        // more than 16 KiB
	ReasonMalformed   Reason = "malformed"        // encoding or JSON not strictly valid
	ReasonHeader      Reason = "header"           // a header member is forbidden or has the wrong type
	ReasonTokenKind   Reason = "wrong_kind"       // a logout, refresh, sender-constrained or other token
	ReasonAlgorithm   Reason = "algorithm"        // alg is not allowed
	ReasonIssuer      Reason = "wrong_issuer"     // iss differs, even by a slash
	ReasonAudience    Reason = "wrong_audience"   // aud contains none of the accepted audiences
	ReasonParty       Reason = "wrong_party"      // azp, client_id or cid is not an accepted client
	ReasonLifetime    Reason = "lifetime"         // exp, iat or nbf missing, of the wrong type or too far apart
	ReasonExpired     Reason = "expired"          // exp is in the past
	ReasonNotYetValid Reason = "not_yet_valid"    // nbf is in the future
	ReasonIssuedAhead Reason = "issued_in_future" // iat is in the future
	ReasonUnknownKey  Reason = "unknown_key"      // no published key matches the header
	ReasonSignature   Reason = "bad_signature"    // no matching key verifies the signature
	ReasonNoKeys      Reason = "no_keys"          // the provider's keys are unavailable; the token may be valid
	ReasonSubject     Reason = "subject"          // sub missing, empty or too long
)

// refusalText is the message that callers get for every reason.
const refusalText = "bearer token not accepted"

// TokenError is why a token was refused. Use errors.As to find it. Detail and Hint are for logs and terminals. Values
// from the token are quoted and cut; the token itself is never included.
type TokenError struct {
	Reason Reason
	Detail string // what was found and what is allowed
	Hint   string // what to change and where; may be ""
}

// Error returns "reason: detail".
func (e *TokenError) Error() string { return string(e.Reason) + ": " + e.Detail }

// refuse returns a TokenError.
func refuse(r Reason, format string, args ...any) *TokenError {
	return &TokenError{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// withHint sets the hint and returns e.
func (e *TokenError) withHint(format string, args ...any) *TokenError {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// publicFault wraps e in a fault whose text is the same for every reason.
func (e *TokenError) publicFault() error {
	return fault.New(fault.Unauthenticated, refusalText).Because(e)
}

// quote makes an untrusted string safe for a log line: it escapes it and cuts it to 80 characters.
func quote(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
