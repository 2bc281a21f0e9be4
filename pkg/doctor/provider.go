package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/wire"
)

// maxClockDifference is half of what tokens are given.
const maxClockDifference = 30 * time.Second

// checkProvider asks the identity provider, and what it and we make of each other.
func checkProvider(ctx context.Context, o Options) []Check {
	if o.Config.SSO.Issuer == "" {
		return skippedChecks("NEXIUS_ISSUER is not set", "issuer", "keys", "clock", "audience", "token")
	}
	found, err := sso.Discover(ctx, wire.SSO(o.Config, logging.Discard()))
	checks := []Check{fromError("issuer", err, o.Config.SSO.Issuer).orFix(
		"is NEXIUS_ISSUER the address in the tokens, and does this machine reach it? `leadctl sso discover` shows " +
			"what answers")}
	if err != nil {
		checks = append(checks, skippedChecks("no issuer", "keys")...)
	} else {
		checks = append(checks, checkSigningKeys(found))
	}
	checks = append(checks, checkClock(found), checkAudience(o))
	return append(checks, explainToken(ctx, o)...)
}

func checkSigningKeys(found sso.Discovery) Check {
	usable := 0
	for _, k := range found.Keys {
		if k.Unusable == "" {
			usable++
		}
	}
	c := Check{Name: "keys", State: OK, Fact: fmt.Sprintf("%d usable of %d", usable, len(found.Keys))}
	if usable == 0 {
		c.State, c.Fix = Failed,
			"let the provider sign with RS256 or ES256; `leadctl sso discover` says what is wrong with each key"
	}
	return c
}

func checkClock(found sso.Discovery) Check {
	if !found.ClockDifferenceSeen {
		return Check{Name: "clock", State: Skipped, Fact: "the issuer did not say what time it is"}
	}
	c := Check{Name: "clock", State: OK, Fact: fmt.Sprintf("%s from the issuer's", found.ClockDifference)}
	if found.ClockDifference.Abs() > maxClockDifference {
		c.State, c.Fix = Failed, "synchronise both clocks (NTP); tokens are refused beyond 60 s"
	}
	return c
}

func checkAudience(o Options) Check {
	if len(o.Config.SSO.Audiences) == 0 && o.Config.SSO.ClientID == "" {
		return Check{Name: "audience", State: Failed, Fact: "not checked: every client of the realm is accepted",
			Fix: "set NEXIUS_AUDIENCE or NEXIUS_CLIENT_ID"}
	}
	return Check{Name: "audience", State: OK, Fact: "checked"}
}

// explainToken walks a token through every step of its verification. What limits its use without refusing it, such as a claim
// that no mapper puts in, is a warning.
func explainToken(ctx context.Context, o Options) (checks []Check) {
	if o.Token == "" {
		return []Check{{Name: "token", State: Skipped, Fact: "none given",
			Fix: "--token-file FILE, or LEADCTL_TOKEN, has one judged"}}
	}
	v, err := wire.Verifier(o.Config, logging.Discard())
	if err != nil {
		return []Check{fromError("token", err, "")}
	}
	defer v.Close()
	for _, c := range v.Explain(ctx, o.Token) {
		state := Failed
		switch {
		case c.OK:
			state = OK
		case c.Skipped:
			state = Skipped
		case c.Reason == "":
			state = Warning
		}
		checks = append(checks, Check{Name: "token: " + c.Name, State: state, Fact: c.Detail, Fix: c.Hint})
	}
	return checks
}
