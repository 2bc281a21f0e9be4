package config

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// runCheck holds a value that was given against the check its tag names. An empty value passes: whether a setting may be missing
// depends on what is to be done with it.
func runCheck(name string, raw any) error {
	s := valueText(raw)
	if name == "" || s == "" {
		return nil
	}
	switch name {
	case "environment":
		return oneOf(s, "production", "development", "dev")
	case "logformat":
		return oneOf(s, "auto", "text", "json")
	case "policy":
		return oneOf(s, "open", "domains", "invite", "closed")
	case "claimpolicy":
		return oneOf(s, "create", "existing")
	case "odoomode":
		return oneOf(s, "database", "company")
	case "odooprotocol":
		return oneOf(s, "auto", "xmlrpc", "json2")
	case "natural":
		return errorUnless(!strings.HasPrefix(s, "-"), "below zero")
	case "positive":
		return errorUnless(!strings.HasPrefix(s, "-") && strings.Trim(s, "0") != "", "not above zero")
	case "bypass":
		return errorUnless(!slices.Contains([]string{"no", "off"}, strings.ToLower(s)), "neither 0 nor false, which alone switch the bypass off")
	case "address":
		return checkAddress(s)
	case "url":
		return checkURL(s)
	case "origins":
		return checkEach(splitList(raw), checkOrigin)
	case "networks":
		return checkEach(splitList(raw), checkNetwork)
	case "cookie":
		return errorUnless((&http.Cookie{Name: s}).Valid() == nil, "not a cookie name")
	case "prefix":
		return errorUnless(regexp.MustCompile(`^[a-z][a-z0-9_]{0,19}$`).MatchString(s), "not 1 to 20 lower-case letters, digits and underscores after a letter")
	}
	panic("config: no check named " + name)
}

func errorUnless(ok bool, problem string) error {
	if ok {
		return nil
	}
	return errors.New(problem)
}

func oneOf(s string, allowed ...string) error {
	return errorUnless(slices.Contains(allowed, s), "not one of "+strings.Join(allowed, ", "))
}

func checkEach(items []string, check func(string) error) error {
	for _, item := range items {
		if err := check(item); err != nil {
			return fmt.Errorf("wrong at %q: %w", item, err)
		}
	}
	return nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return errorUnless(err == nil, "not host:port")
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
	return errorUnless(ok, "not an http or https URL without user name and fragment")
}

// checkOrigin wants what a browser sends: no path, no final slash, no wildcard.
func checkOrigin(s string) error {
	u, err := url.Parse(s)
	ok := err == nil && u.Scheme+"://"+u.Host == s && checkURL(s) == nil && !strings.Contains(s, "*")
	return errorUnless(ok, "not scheme://host[:port]")
}

func checkNetwork(s string) error {
	_, err := parseNetwork(s)
	return errorUnless(err == nil, "neither an address nor a CIDR range")
}

// parseNetwork reads a CIDR range, or an address as the range of itself alone.
func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(s)
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), err
}

// Networks are the proxies whose word about a request's origin counts.
func (a API) Networks() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range a.TrustedProxies {
		if p, err := parseNetwork(s); err == nil { // Load has refused what is none
			out = append(out, p)
		}
	}
	return out
}
