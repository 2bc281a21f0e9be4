package sso

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// registeredNames returns the claims with a fixed meaning. A member whose name differs from one of these only by
// letter case is refused, because a less strict parser would read it as the claim.
func registeredNames() []string {
	return []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "typ", "events", "cnf", "nonce", "at_hash", "sid",
		"client_id", "cid", "email", "email_verified", "preferred_username",
	}
}

// maxSubject is the longest sub, in characters.
const maxSubject = 255

// claimNames returns the registered names and the first name of each path.
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
		return refuse(ReasonMalformed, "claim %s must be spelled %s", quote(have), meant)
	}
	return nil
}

// tokenKind returns the kind of the token. It refuses logout, event and other tokens that the provider signs with the
// same keys.
func tokenKind(c members, h header) (string, *TokenError) {
	for _, name := range []string{"events", "cnf"} {
		if c.hasMember(name) {
			return "", refuse(ReasonTokenKind, "has the claim %s of a logout, event or sender-constrained token", name).
				withHint("send the access token or the ID token; switch off DPoP and mTLS binding for this client")
		}
	}
	typ, isText := c.stringMember("typ")
	switch {
	case c.hasMember("typ") && (!isText || typ != "Bearer" && typ != "ID"):
		return "", refuse(ReasonTokenKind, "claim typ %s: must be Bearer or ID", quote(typ)).
			withHint("send the access token or the ID token, not the refresh token")
	case typ == "ID":
		return KindID, nil
	case typ == "Bearer" || h.isAccessToken:
		return KindAccess, nil
	case c.hasMember("nonce") || c.hasMember("at_hash"):
		return KindID, nil
	}
	return KindUnknown, nil
}

// readAudience returns aud, which may be a string or a list of strings.
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

// requireAudience requires one of the configured audiences in aud, if any are configured.
func (v *Verifier) requireAudience(aud []string, azp string) *TokenError {
	accepted := v.cfg.Audiences
	if len(accepted) == 0 || slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(accepted, a) }) {
		return nil
	}
	refused := refuse(ReasonAudience, "aud %s: must contain one of %s",
		quote(strings.Join(aud, ", ")), strings.Join(accepted, ", "))
	if azp != "" {
		refused.Detail += "; the token was issued to client " + quote(azp)
	}
	return refused.withHint("%s", v.product.audienceHint(accepted[0], azp))
}

// requireParty requires that every claim that names the token's client names an accepted one: azp, client_id (RFC 9068)
// and cid (Okta). It returns the client. In an ID token, azp must also be in aud, and must be present if aud has
// several entries.
func (v *Verifier) requireParty(c members, kind string, aud []string) (string, *TokenError) {
	var party string
	for _, name := range [...]string{"azp", "client_id", "cid"} {
		client, refused := v.requireClient(c, name)
		if refused != nil {
			return "", refused
		}
		party = cmp.Or(party, client)
	}
	azp, _ := c.stringMember("azp")
	switch {
	case kind != KindID:
	case azp == "" && len(aud) > 1:
		return "", refuse(ReasonParty, "an ID token with %d audiences must have the claim azp", len(aud))
	case azp != "" && !slices.Contains(aud, azp):
		return "", refuse(ReasonParty, "azp %s: must be in the ID token's aud", quote(azp))
	}
	return party, nil
}

// requireClient returns the client in claim name, "" if the claim is absent.
func (v *Verifier) requireClient(c members, name string) (string, *TokenError) {
	if !c.hasMember(name) {
		return "", nil
	}
	client, isText := c.stringMember(name)
	if !isText || client == "" {
		return "", refuse(ReasonParty, "%s must be a non-empty string", name)
	}
	if len(v.parties) > 0 && !slices.Contains(v.parties, client) {
		return "", refuse(ReasonParty, "%s %s: must be one of %s", name, quote(client), strings.Join(v.parties, ", ")).
			withHint("sign in with one of these clients, or add it to LEADCTL_SSO_EXTRA_CLIENTS if it is yours")
	}
	return client, nil
}

// lifetime is the time from iat to exp.
type lifetime struct{ issued, expires time.Time }

// requireLifetime checks exp, iat and nbf. The leeway extends the allowed time at both ends. With pastExpiry, exp may
// be in the past.
func (v *Verifier) requireLifetime(c members, pastExpiry bool) (lifetime, *TokenError) {
	times, refused := readTimes(c)
	if refused != nil {
		return lifetime{}, refused
	}
	exp, iat, nbf, now := times[0], times[1], times[2], v.cfg.Now()
	skew := "compare the clocks (`leadctl sso discover` prints the difference) and run NTP on both hosts"
	switch {
	case exp.Before(iat) || exp.Sub(iat) > v.cfg.MaxLifetime:
		return lifetime{}, refuse(ReasonLifetime, "%s from iat to exp: must be 0 to %s",
			exp.Sub(iat), v.cfg.MaxLifetime).
			withHint("shorten the token lifespan at the identity provider")
	case !now.Before(exp.Add(v.cfg.Leeway)) && !pastExpiry:
		return lifetime{}, refuse(ReasonExpired, "expired at %s, %s ago",
			formatTime(exp), formatDuration(now.Sub(exp))).
			withHint("sign in again or renew the token; if it is new, %s", skew)
	case iat.After(now.Add(v.cfg.Leeway)):
		return lifetime{}, refuse(ReasonIssuedAhead, "issued at %s, which is %s in the future",
			formatTime(iat), formatDuration(iat.Sub(now))).withHint("%s", skew)
	case nbf.After(now.Add(v.cfg.Leeway)):
		return lifetime{}, refuse(ReasonNotYetValid, "valid from %s, which is %s in the future",
			formatTime(nbf), formatDuration(nbf.Sub(now))).withHint("%s", skew)
	}
	return lifetime{issued: iat, expires: exp}, nil
}

// readTimes returns exp, iat and nbf. nbf is zero if absent; the others are required.
func readTimes(c members) (times [3]time.Time, refused *TokenError) {
	for i, name := range [...]string{"exp", "iat", "nbf"} {
		if name == "nbf" && !c.hasMember(name) {
			continue
		}
		t, err := parseNumericDate(c, name)
		if err != nil {
			return times, refuse(ReasonLifetime, "%s: %v", name, err)
		}
		times[i] = t
	}
	return times, nil
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func formatDuration(d time.Duration) string { return d.Round(time.Second).String() }

// maxNumericDate is the end of the year 9999, in seconds since 1970.
const maxNumericDate = 253402300799

// parseNumericDate parses a NumericDate from its JSON source: seconds since 1970, with or without a
// fraction, no exponent.
func parseNumericDate(c members, name string) (time.Time, error) {
	v := c.memberValue(name)
	if v == nil {
		return time.Time{}, errors.New("missing")
	}
	if v.Kind() != '0' {
		return time.Time{}, fmt.Errorf("want a number, got %s", kindName(v))
	}
	whole, fraction, _ := strings.Cut(string(v), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || seconds > maxNumericDate || whole[0] == '-' {
		return time.Time{}, errors.New("must be a time in seconds since 1970")
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || strings.ContainsAny(fraction, "eE") {
		return time.Time{}, errors.New("must not have an exponent")
	}
	return time.Unix(seconds, nanos), nil
}

// requireSubject returns sub, which must have 1 to maxSubject characters that are not all spaces.
func requireSubject(c members) (string, *TokenError) {
	sub, ok := c.stringMember("sub")
	switch n := utf8.RuneCountInString(sub); {
	case !c.hasMember("sub"):
		return "", refuse(ReasonSubject, "sub: missing").
			withHint("give the client the scope that holds sub; on Keycloak 25 and later it is basic")
	case !ok:
		return "", refuse(ReasonSubject, "sub: want a string, got %s", kindName(c.memberValue("sub")))
	case n == 0 || n > maxSubject || strings.TrimFunc(sub, unicode.IsSpace) == "":
		return "", refuse(ReasonSubject, "sub of %d characters: must have 1 to %d, not only spaces", n, maxSubject)
	}
	return sub, nil
}
