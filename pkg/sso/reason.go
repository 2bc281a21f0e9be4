package sso

import (
	"fmt"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Reason is the stable word for why a token proves nothing here. It goes to the log and to `leadctl sso whoami`,
// never to a caller across the network: every reason looks the same from outside.
type Reason string

// The reasons, in the order in which a token meets them.
const (
	ReasonOpaque      Reason = "not_a_jwt"        // no three dot-separated parts
	ReasonEncrypted   Reason = "encrypted"        // JWE: five parts
	ReasonTooLarge    Reason = "too_large"        // more than 16 KiB
	ReasonMalformed   Reason = "malformed"        // encoding or JSON not strictly valid
	ReasonHeader      Reason = "header"           // a header member that is rejected or ill-typed
	ReasonTokenKind   Reason = "wrong_kind"       // logout, refresh, sender-constrained … token
	ReasonAlgorithm   Reason = "algorithm"        // alg outside the allow-list
	ReasonIssuer      Reason = "wrong_issuer"     // iss differs, even by a slash
	ReasonAudience    Reason = "wrong_audience"   // aud names none of ours
	ReasonParty       Reason = "wrong_party"      // azp is a client we do not know
	ReasonLifetime    Reason = "lifetime"         // exp, iat or nbf missing, ill-typed or too far apart
	ReasonExpired     Reason = "expired"          // exp has passed
	ReasonNotYetValid Reason = "not_yet_valid"    // nbf lies ahead
	ReasonIssuedAhead Reason = "issued_in_future" // iat lies ahead
	ReasonUnknownKey  Reason = "unknown_key"      // no published key fits the header
	ReasonSignature   Reason = "bad_signature"    // the published key says no
	ReasonNoKeys      Reason = "no_keys"          // the provider cannot be asked; a fault, not the token's doing
	ReasonSubject     Reason = "subject"          // sub missing, empty or too long
)

// rejectionText is all that a caller learns, whatever the reason.
const rejectionText = "bearer token not accepted"

// TokenError says why a token was rejected. Reach it with errors.As; Detail and Hint are for logs and terminals.
// Values taken from the token are quoted and cut, and the token itself is never part of it.
type TokenError struct {
	Reason Reason
	Detail string // what was found, and what was expected
	Hint   string // what to change, and where; may be empty
}

// Error is "reason: detail".
func (e *TokenError) Error() string { return string(e.Reason) + ": " + e.Detail }

// reject makes a TokenError.
func reject(r Reason, format string, args ...any) *TokenError {
	return &TokenError{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// withHint returns e with the next step added.
func (e *TokenError) withHint(format string, args ...any) *TokenError {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// publicFault wraps e so that every refusal reads the same from outside.
func (e *TokenError) publicFault() error {
	return fault.New(fault.Unauthenticated, rejectionText).Because(e)
}

// quote shows an untrusted text safely in a log line: escaped, and cut to 80 characters.
func quote(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
