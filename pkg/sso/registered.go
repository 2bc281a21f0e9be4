package sso

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// registeredNames are the claims whose meaning is fixed. A member that differs from one by letter case only is rejected,
// because looser readers of the same token would take it for the claim.
func registeredNames() []string {
	return []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "typ", "events", "cnf", "nonce", "at_hash", "sid",
		"email", "email_verified", "preferred_username",
	}
}

// maxSubject is the longest sub, in characters.
const maxSubject = 255

// claimNames is every name that a claim of ours begins with.
func claimNames(paths []claimPath) []string {
	known := registeredNames()
	for _, p := range paths {
		if !slices.Contains(known, p[0]) {
			known = append(known, p[0])
		}
	}
	return known
}

func (v *Verifier) checkNames(c members) *TokenError {
	if have, meant := v.claimNames.findMisspelling(c); have != "" {
		return reject(ReasonMalformed, "claim %s in place of %s", quote(have), meant)
	}
	return nil
}

// tokenKind tells access tokens from ID tokens, and both from everything else the same key may have signed.
func tokenKind(c members, h header) (string, *TokenError) {
	for _, name := range []string{"events", "cnf"} {
		if c.hasMember(name) {
			return "", reject(ReasonTokenKind, "claim %s: a logout, event or sender-constrained token", name).
				withHint("send the access token or the ID token; switch DPoP and mTLS binding off for this client")
		}
	}
	typ, isText := c.stringMember("typ")
	switch {
	case c.hasMember("typ") && (!isText || typ != "Bearer" && typ != "ID"):
		return "", reject(ReasonTokenKind, "claim typ is %s, not Bearer or ID", quote(typ)).
			withHint("send the access token or the ID token, not the refresh token")
	case typ == "ID":
		return KindID, nil
	case typ == "Bearer" || h.isAccessToken:
		return KindAccess, nil
	case c.hasMember("nonce") || c.hasMember("at_hash"):
		return KindID, nil
	}
	return KindAccess, nil
}

// readAudience takes a text or a list of texts.
func readAudience(c members) ([]string, error) {
	v := c.memberValue("aud")
	switch {
	case v == nil:
		return nil, nil
	case v.Kind() == '"':
		return []string{unquoteString(v)}, nil
	}
	return stringList(v)
}

// requireAudience wants one of ours in aud. With no audience configured it only wants aud to be readable.
func (v *Verifier) requireAudience(aud []string, azp string) *TokenError {
	accepted := v.cfg.Audiences
	if len(accepted) == 0 || slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(accepted, a) }) {
		return nil
	}
	rejected := reject(ReasonAudience, "aud is %s, accepted: %s", quote(strings.Join(aud, ", ")), strings.Join(accepted, ", "))
	if azp != "" {
		rejected.Detail += "; the token was issued to client " + quote(azp)
	}
	return rejected.withHint("%s", v.product.audienceHint(accepted[0], azp))
}

// requireParty judges azp: a client we know, and in an ID token one of its audiences. An ID token for several audiences
// must say which of them it was made for.
func (v *Verifier) requireParty(c members, kind string, aud []string) (string, *TokenError) {
	azp, isText := c.stringMember("azp")
	switch {
	case !c.hasMember("azp") && kind == KindID && len(aud) > 1:
		return "", reject(ReasonParty, "an ID token for %d audiences without azp", len(aud))
	case !c.hasMember("azp"):
		return "", nil
	case !isText:
		return "", reject(ReasonParty, "azp is not a text")
	case kind == KindID && !slices.Contains(aud, azp):
		return "", reject(ReasonParty, "azp %s is not in the ID token's aud", quote(azp))
	case len(v.parties) > 0 && !slices.Contains(v.parties, azp):
		return "", reject(ReasonParty, "azp %s is none of %s", quote(azp), strings.Join(v.parties, ", ")).
			withHint("sign in with one of those clients, or, if it belongs to this installation, add it to LEADCTL_SSO_EXTRA_CLIENTS")
	}
	return azp, nil
}

// lifetime is when a token counts.
type lifetime struct{ issued, expires time.Time }

// requireLifetime applies exp, iat and nbf with the leeway both ways.
func (v *Verifier) requireLifetime(c members) (lifetime, *TokenError) {
	var times [3]time.Time
	for i, name := range [...]string{"exp", "iat", "nbf"} {
		if name == "nbf" && !c.hasMember(name) {
			continue
		}
		t, err := parseNumericDate(c, name)
		if err != nil {
			return lifetime{}, reject(ReasonLifetime, "%s %v", name, err)
		}
		times[i] = t
	}
	exp, iat, nbf, now := times[0], times[1], times[2], v.cfg.Now()
	skew := "compare the clocks: `leadctl sso discover` prints the difference; run NTP on both hosts"
	switch {
	case exp.Before(iat) || exp.Sub(iat) > v.cfg.MaxLifetime:
		return lifetime{}, reject(ReasonLifetime, "%s from iat to exp, allowed: 0 to %s", exp.Sub(iat), v.cfg.MaxLifetime).
			withHint("shorten the token lifespan at the identity provider")
	case !now.Before(exp.Add(v.cfg.Leeway)):
		return lifetime{}, reject(ReasonExpired, "expired at %s, %s ago", formatTime(exp), now.Sub(exp).Round(time.Second)).
			withHint("sign in again or refresh; if it is new, %s", skew)
	case iat.After(now.Add(v.cfg.Leeway)):
		return lifetime{}, reject(ReasonIssuedAhead, "issued at %s, in %s", formatTime(iat), iat.Sub(now).Round(time.Second)).withHint("%s", skew)
	case nbf.After(now.Add(v.cfg.Leeway)):
		return lifetime{}, reject(ReasonNotYetValid, "valid from %s, in %s", formatTime(nbf), nbf.Sub(now).Round(time.Second)).withHint("%s", skew)
	}
	return lifetime{issued: iat, expires: exp}, nil
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// maxNumericDate is the end of the year 9999, in seconds since 1970.
const maxNumericDate = 253402300799

// parseNumericDate reads a NumericDate from its JSON text: seconds since 1970, whole or with a fraction, no exponent.
func parseNumericDate(c members, name string) (time.Time, error) {
	v := c.memberValue(name)
	if v == nil {
		return time.Time{}, fmt.Errorf("is missing")
	}
	if v.Kind() != '0' {
		return time.Time{}, fmt.Errorf("is %s, not a number", kindName(v))
	}
	whole, fraction, _ := strings.Cut(string(v), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || seconds > maxNumericDate || whole[0] == '-' {
		return time.Time{}, fmt.Errorf("is not a time in seconds since 1970")
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || strings.ContainsAny(fraction, "eE") {
		return time.Time{}, fmt.Errorf("has a fraction that is not decimal")
	}
	return time.Unix(seconds, nanos), nil
}

// requireSubject wants 1 to 255 characters that are not all spaces.
func requireSubject(c members) (string, *TokenError) {
	sub, ok := c.stringMember("sub")
	switch n := utf8.RuneCountInString(sub); {
	case !c.hasMember("sub"):
		return "", reject(ReasonSubject, "sub is missing").withHint("give the client the scope that holds sub; on Keycloak 25 and later it is called basic")
	case !ok:
		return "", reject(ReasonSubject, "sub is %s, not a text", kindName(c.memberValue("sub")))
	case n == 0 || n > maxSubject || strings.TrimFunc(sub, unicode.IsSpace) == "":
		return "", reject(ReasonSubject, "sub has %d characters, allowed: 1 to %d, not only spaces", n, maxSubject)
	}
	return sub, nil
}
