package config

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// ForServe returns nil if the daemon may start with c, else one Operator fault with all problems, including those that
// Load found. It checks c only.
func (c Config) ForServe() error {
	c.problems = append(c.problems[:len(c.problems):len(c.problems)], c.missingSettings()...)
	c.problems = append(c.problems, c.bypassProblems()...)
	if !c.Development() {
		c.problems = append(c.problems, c.insecureSettings()...)
	}
	return c.problemsFault(fault.Operator)
}

// missingSettings returns the problems with settings that the daemon needs.
func (c Config) missingSettings() []string {
	var out []string
	if c.Database.DSN == "" {
		out = append(out, "POSTGRES_DSN is not set: without it there is no database to serve")
	}
	if c.SSO.Issuer == "" {
		out = append(out, "NEXIUS_ISSUER is not set: without it no token can be verified")
		if c.audienceOff() {
			out = append(out, "NEXIUS_AUDIENCE and NEXIUS_CLIENT_ID are not set: "+
				"tokens for every client would be accepted")
		}
	}
	if c.Onboarding.Policy == "domains" && len(c.Onboarding.Domains) == 0 {
		out = append(out, "LEADCTL_ONBOARDING_DOMAINS is not set: the policy domains would admit no user")
	}
	if c.unmarked != "" && c.originOf("onboarding.policy") == "default" {
		out = append(out, "onboarding.policy is not set, and "+c.unmarked+" may be cut short: "+
			"set it, or end the file with the line "+endMark)
	}
	return out
}

// originOf returns where the setting's value comes from.
func (c Config) originOf(key string) string {
	i := slices.IndexFunc(c.settings, func(s loadedSetting) bool { return s.Key == key })
	return c.settings[i].origin
}

// bypassProblems returns the problems with the development bypass, which is for one developer on one machine.
func (c Config) bypassProblems() []string {
	if !c.Dev.AllowBypass {
		return nil
	}
	var out []string
	if !c.Development() {
		out = append(out, "ALLOW_DEV_BYPASS is set outside LEADCTL_ENV=development: "+
			"every caller could act as any tenant")
	}
	if !Loopback(c.API.Listen) {
		out = append(out, "ALLOW_DEV_BYPASS is set and the listen address "+c.API.Listen+
			" is not on loopback: every caller could act as any tenant")
	}
	return out
}

// insecureSettings returns the problems with settings that production does not allow.
func (c Config) insecureSettings() []string {
	var out []string
	if strings.HasPrefix(strings.ToLower(c.SSO.Issuer), "http:") {
		out = append(out, "NEXIUS_ISSUER is not https: the provider's keys could be forged in transit")
	}
	if strings.HasPrefix(strings.ToLower(c.API.PublicURL), "http:") {
		out = append(out, "LEADCTL_API_PUBLIC_URL is not https: sign-in cookies would be sent unencrypted")
	}
	if !c.API.CookieSecure {
		out = append(out, "COOKIE_SECURE is off: sign-in cookies would be sent unencrypted")
	}
	return out
}

// Warnings returns the risks of c that the daemon logs at each start although it may run.
func (c Config) Warnings() []string {
	var out []string
	if c.audienceOff() {
		out = append(out, "NEXIUS_AUDIENCE and NEXIUS_CLIENT_ID are not set: the audience is not checked, "+
			"so tokens for every client of the provider are accepted")
	}
	if c.Dev.AllowBypass {
		out = append(out, "ALLOW_DEV_BYPASS is set: the header X-Tenant-ID replaces a token")
	}
	return out
}

func (c Config) audienceOff() bool { return len(c.SSO.Audiences) == 0 && c.SSO.ClientID == "" }

// Loopback reports whether address (host:port) can be reached from this machine only. An empty host means all
// interfaces. Of host names, only localhost counts as loopback.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
