package config

import (
	"net"
	"net/netip"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// ForServe says whether a server may start with c: nil, or one fault.Operator with everything that stands against it,
// what Load found included. It looks at nothing outside c.
func (c Config) ForServe() error {
	c.problems = append(c.problems[:len(c.problems):len(c.problems)], c.missingSettings()...)
	c.problems = append(c.problems, c.bypassProblems()...)
	if !c.Development() {
		c.problems = append(c.problems, c.insecureSettings()...)
	}
	return c.problemsFault(fault.Operator)
}

// missingSettings names what no server can do without.
func (c Config) missingSettings() []string {
	var out []string
	if c.Database.DSN == "" {
		out = append(out, "POSTGRES_DSN is not set: no database to serve from")
	}
	if c.SSO.Issuer == "" {
		out = append(out, "NEXIUS_ISSUER is not set: no token could be verified")
		if c.audienceOff() {
			out = append(out, "NEXIUS_AUDIENCE and NEXIUS_CLIENT_ID are not set: tokens for any client would be accepted")
		}
	}
	if c.Onboarding.Policy == "domains" && len(c.Onboarding.Domains) == 0 {
		out = append(out, "LEADCTL_ONBOARDING_DOMAINS is not set: policy domains would admit nobody")
	}
	return out
}

// bypassProblems: a header in place of a token is for one developer on one machine.
func (c Config) bypassProblems() []string {
	if !c.Dev.AllowBypass {
		return nil
	}
	var out []string
	if !c.Development() {
		out = append(out, "ALLOW_DEV_BYPASS is set outside LEADCTL_ENV=development: anyone could be any tenant")
	}
	if !Loopback(c.API.Listen) {
		out = append(out, "ALLOW_DEV_BYPASS is set and the listener "+c.API.Listen+" is not on loopback: anyone could be any tenant")
	}
	return out
}

// insecureSettings names what production does not run with.
func (c Config) insecureSettings() []string {
	var out []string
	if strings.HasPrefix(strings.ToLower(c.SSO.Issuer), "http:") {
		out = append(out, "NEXIUS_ISSUER is not https: the provider's keys could be forged on the way")
	}
	if strings.HasPrefix(strings.ToLower(c.API.PublicURL), "http:") {
		out = append(out, "LEADCTL_API_PUBLIC_URL is not https: sign-in cookies would travel in the clear")
	}
	if !c.API.CookieSecure {
		out = append(out, "COOKIE_SECURE is off: sign-in cookies would travel in the clear")
	}
	return out
}

// Warnings is what a server says at every start, although it may run so.
func (c Config) Warnings() []string {
	var out []string
	if c.audienceOff() {
		out = append(out, "NEXIUS_AUDIENCE and NEXIUS_CLIENT_ID are not set: the audience is not checked, tokens for any client of the provider are accepted")
	}
	if c.Dev.AllowBypass {
		out = append(out, "ALLOW_DEV_BYPASS is set: X-Tenant-ID stands in for a token")
	}
	return out
}

func (c Config) audienceOff() bool { return len(c.SSO.Audiences) == 0 && c.SSO.ClientID == "" }

// Loopback reports whether address (host:port) can be reached from this machine alone. An empty host means every interface;
// no name but localhost is believed.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
