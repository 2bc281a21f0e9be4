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

// Config is the issuer whose tokens are accepted, and what the tokens must contain. Only Issuer is required.
type Config struct {
	Issuer      string   // exactly as in the tokens and in the discovery document, trailing slash included
	InternalURL string   // the issuer's URL for requests of leadctl itself, if it differs, as in containers
	Audiences   []string // accepted aud values; empty means ClientIDs
	ClientIDs   []string // accepted azp values, besides Audiences
	Algorithms  []string // accepted alg values; empty means RS256 and ES256
	Claims      ClaimPaths

	Leeway      time.Duration // clock difference tolerated for exp, nbf and iat; default 60 s, at most 5 min
	MaxLifetime time.Duration // largest exp - iat; default 24 h
	KeyMaxAge   time.Duration // keys are fetched again after this time; default 10 min, at least 60 s

	AllowInsecure bool // allow http for a loopback issuer and for InternalURL: development and demo only

	HTTPClient *http.Client     // nil means a new client; always without redirects and with a timeout of 5 s
	Now        func() time.Time // nil means time.Now
	Log        *slog.Logger     // nil means no log
}

// Defaults and limits.
const (
	DefaultLeeway   = 60 * time.Second
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
		c.Leeway = DefaultLeeway
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

// acceptedParties returns the configured clients and audiences, sorted, without duplicates.
func (c Config) acceptedParties() []string {
	all := append(slices.Clone(c.Audiences), c.ClientIDs...)
	slices.Sort(all)
	return slices.Compact(all)
}

// validate reports all problems of the configuration as one fault.Operator.
func (c Config) validate() error {
	problems := slices.Concat(c.urlProblems(), c.listProblems(), c.timeProblems())
	if len(problems) == 0 {
		return nil
	}
	return fault.New(fault.Operator, "SSO configuration: %s", strings.Join(problems, "; ")).
		WithHint("check NEXIUS_ISSUER, NEXIUS_AUDIENCE and NEXIUS_CLIENT_ID; `leadctl sso discover` shows valid values")
}

func (c Config) urlProblems() []string {
	if c.Issuer == "" {
		return []string{"the issuer is empty (NEXIUS_ISSUER)"}
	}
	var problems []string
	allowsHTTP := func(u *url.URL) bool { return c.AllowInsecure && IsLoopback(u.Hostname()) }
	if why := baseURLProblem(c.Issuer, allowsHTTP); why != "" {
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

// baseURLProblem says why s cannot be an issuer's URL, or returns ""; allowsHTTP decides whether it may be on http.
func baseURLProblem(s string, allowsHTTP func(*url.URL) bool) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "is not an absolute URL"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return "must have no user, query or fragment"
	case u.Scheme == "https" || u.Scheme == "http" && allowsHTTP(u):
		return ""
	}
	return "must start with https:// (http:// is for a loopback issuer in development)"
}

// IsLoopback reports whether host is localhost or a loopback IP address. It does not resolve other names.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) listProblems() []string {
	var problems []string
	for _, a := range c.Algorithms {
		if keyTypeFor(a) == "" {
			problems = append(problems,
				fmt.Sprintf("algorithm %q must be one of %s", a, strings.Join(knownAlgorithms(), ", ")))
		}
	}
	for what, list := range map[string][]string{"audience": c.Audiences, "client id": c.ClientIDs} {
		if slices.Contains(list, "") {
			problems = append(problems, "the list of "+what+"s contains an empty entry")
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
		problems = append(problems, fmt.Sprintf("leeway %s must be between 0 and %s", c.Leeway, maxLeeway))
	}
	if c.MaxLifetime < 0 || c.MaxLifetime > defaultLifetime {
		problems = append(problems,
			fmt.Sprintf("token lifetime %s must be between 0 and %s", c.MaxLifetime, defaultLifetime))
	}
	if c.KeyMaxAge < minKeyAge || c.KeyMaxAge > maxKeyAge {
		problems = append(problems,
			fmt.Sprintf("key age %s must be between %s and %s", c.KeyMaxAge, minKeyAge, maxKeyAge))
	}
	return problems
}
