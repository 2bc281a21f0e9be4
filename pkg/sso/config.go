package sso

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Config says whose tokens count and what they must look like. The zero value of every field but Issuer is usable.
type Config struct {
	Issuer      string   // exactly as in the tokens and in the discovery document, trailing slash included
	InternalURL string   // the issuer's URL as seen from here, when containers reach it under another name
	Audiences   []string // accepted aud values; empty means ClientIDs
	ClientIDs   []string // clients whose tokens count: accepted as azp beside Audiences
	Algorithms  []string // accepted alg values; empty means RS256 and ES256
	Claims      ClaimPaths

	Leeway      time.Duration // clock tolerance for exp, nbf and iat; 0 means 60 s, at most 5 min
	MaxLifetime time.Duration // longest exp - iat; 0 means 24 h
	KeyMaxAge   time.Duration // longest time between two readings of the keys; 0 means 10 min, at least 60 s

	AllowInsecure bool // http for a loopback issuer and for InternalURL: development and demo only

	HTTPClient *http.Client     // nil means one of its own; redirects are never followed and 5 s is the limit
	Now        func() time.Time // nil means time.Now
	Log        *slog.Logger     // nil means silence
}

// Limits that no configuration moves.
const (
	defaultLeeway   = 60 * time.Second
	maxLeeway       = 5 * time.Minute
	defaultLifetime = 24 * time.Hour
	minKeyAge       = 60 * time.Second
	maxKeyAge       = 10 * time.Minute
)

func (c Config) withDefaults() Config {
	if len(c.Audiences) == 0 {
		c.Audiences = c.ClientIDs
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "ES256"}
	}
	if c.Leeway == 0 {
		c.Leeway = defaultLeeway
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = defaultLifetime
	}
	if c.KeyMaxAge == 0 {
		c.KeyMaxAge = maxKeyAge
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Claims = c.Claims.withDefaults()
	return c
}

// acceptedParties are the clients and audiences that count, each once.
func (c Config) acceptedParties() []string {
	all := append(slices.Clone(c.Audiences), c.ClientIDs...)
	slices.Sort(all)
	return slices.Compact(all)
}

// validate lists everything that is wrong, as one fault.Operator.
func (c Config) validate() error {
	problems := slices.Concat(c.urlProblems(), c.listProblems(), c.timeProblems())
	if len(problems) == 0 {
		return nil
	}
	return fault.New(fault.Operator, "SSO configuration: %s", strings.Join(problems, "; ")).
		WithHint("the settings are NEXIUS_ISSUER, NEXIUS_AUDIENCE and NEXIUS_CLIENT_ID; `leadctl sso discover` shows what the provider says")
}

func (c Config) urlProblems() []string {
	if c.Issuer == "" {
		return []string{"the issuer is empty (NEXIUS_ISSUER)"}
	}
	var problems []string
	if why := baseURLProblem(c.Issuer, func(u *url.URL) bool { return c.AllowInsecure && isLoopback(u.Hostname()) }); why != "" {
		problems = append(problems, fmt.Sprintf("issuer %q %s", c.Issuer, why))
	}
	if c.InternalURL == "" {
		return problems
	}
	if why := baseURLProblem(c.InternalURL, func(*url.URL) bool { return c.AllowInsecure }); why != "" {
		problems = append(problems, fmt.Sprintf("internal URL %q %s", c.InternalURL, why))
	}
	return problems
}

// baseURLProblem says what keeps s from being an issuer's URL; plainOK decides when http may stand.
func baseURLProblem(s string, plainOK func(*url.URL) bool) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "is not an absolute URL"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return "must have no user, query or fragment"
	case u.Scheme == "https" || u.Scheme == "http" && plainOK(u):
		return ""
	}
	return "must start with https:// (http:// is for a loopback issuer in development)"
}

// isLoopback takes localhost and literal loopback addresses; other names are never resolved to find out.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) listProblems() []string {
	var problems []string
	for _, a := range c.Algorithms {
		if keyTypeFor(a) == "" {
			problems = append(problems, fmt.Sprintf("algorithm %q is not one of %s", a, strings.Join(knownAlgorithms(), ", ")))
		}
	}
	for what, list := range map[string][]string{"audience": c.Audiences, "client id": c.ClientIDs} {
		if slices.Contains(list, "") {
			problems = append(problems, "an empty "+what)
		}
	}
	for _, list := range [][]string{c.Claims.Tenant, c.Claims.Roles} {
		_, bad := expandPaths(list, nil)
		for _, p := range bad {
			problems = append(problems, fmt.Sprintf("claim path %q has an empty step", p))
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

func (c Config) timeProblems() []string {
	var problems []string
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		problems = append(problems, fmt.Sprintf("leeway %s is outside 0 to %s", c.Leeway, maxLeeway))
	}
	if c.MaxLifetime < 0 || c.MaxLifetime > defaultLifetime {
		problems = append(problems, fmt.Sprintf("token lifetime %s is outside 0 to %s", c.MaxLifetime, defaultLifetime))
	}
	if c.KeyMaxAge < minKeyAge || c.KeyMaxAge > maxKeyAge {
		problems = append(problems, fmt.Sprintf("key age %s is outside %s to %s", c.KeyMaxAge, minKeyAge, maxKeyAge))
	}
	return problems
}
