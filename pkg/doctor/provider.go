package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/wire"
)

// maxClockDifference is half the difference at which tokens are rejected.
const maxClockDifference = 30 * time.Second

// checkProvider checks the identity provider and leadctl's configuration for it.
func checkProvider(ctx context.Context, o Options) []Check {
	if o.Config.SSO.Issuer == "" {
		return skippedChecks("NEXIUS_ISSUER is not set", "issuer", "keys", "clock", "audience", "token")
	}
	found, err := sso.Discover(ctx, wire.SSO(o.Config, logging.Discard()))
	checks := []Check{fromError("issuer", err, o.Config.SSO.Issuer).orFix(
		"set NEXIUS_ISSUER to the issuer in the tokens, and make it reachable from this machine; " +
			"`leadctl sso discover` shows the answer")}
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
			"make the provider sign with RS256 or ES256; `leadctl sso discover` shows the fault of each key"
	}
	return c
}

func checkClock(found sso.Discovery) Check {
	if !found.ClockDifferenceSeen {
		return Check{Name: "clock", State: Skipped, Fact: "the issuer's answer has no Date header"}
	}
	c := Check{Name: "clock", State: OK, Fact: fmt.Sprintf("differs from the issuer's by %s", found.ClockDifference)}
	if found.ClockDifference.Abs() > maxClockDifference {
		c.State, c.Fix = Failed, "run NTP on both hosts; beyond a difference of 60 s tokens are rejected"
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

// explainToken checks each step of a token's verification. A step that limits the token without rejecting it, such as a
// missing claim, is a warning.
func explainToken(ctx context.Context, o Options) (checks []Check) {
	if o.Token == "" {
		return []Check{{Name: "token", State: Skipped, Fact: "none given",
			Fix: "give a token with --token-file FILE or LEADCTL_TOKEN"}}
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
