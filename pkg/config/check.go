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

// runCheck runs the check called name on a value. It accepts an empty value, because it depends on the command whether
// a setting may be unset. Its errors complete the message `SETTING "value": …`.
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
	case "membership":
		return oneOf(s, "claim", "required")
	case "role":
		return oneOf(s, "viewer", "ops", "admin")
	case "odoomode":
		return oneOf(s, "database", "company")
	case "odooprotocol":
		return oneOf(s, "auto", "xmlrpc", "json2")
	case "leadtype":
		return oneOf(s, "opportunity", "lead")
	case "language":
		isLanguage := regexp.MustCompile(`^[a-z]{2,3}(_[A-Z0-9]{2,4})?(@[a-z]+)?$`).MatchString(s)
		return errorUnless(isLanguage, "must be a language of Odoo, such as en_US or zh_CN")
	case "assign":
		return oneOf(s, "none", "round_robin")
	case "natural":
		return errorUnless(!strings.HasPrefix(s, "-"), "must be 0 or more")
	case "positive":
		return errorUnless(!strings.HasPrefix(s, "-") && strings.Trim(s, "0") != "", "must be more than 0")
	case "bypass":
		isOff := slices.Contains([]string{"no", "off"}, strings.ToLower(s))
		return errorUnless(!isOff, "must be 0 or false to switch the bypass off")
	case "address":
		return checkAddress(s)
	case "url":
		return checkURL(s)
	case "origins":
		return checkEach(splitList(raw), checkOrigin)
	case "networks":
		return checkEach(splitList(raw), checkNetwork)
	case "cookie":
		return errorUnless((&http.Cookie{Name: s}).Valid() == nil, "must be a valid cookie name")
	case "prefix":
		isPrefix := regexp.MustCompile(`^[a-z][a-z0-9_]{0,19}$`).MatchString(s)
		return errorUnless(isPrefix, "must be 1 to 20 of a-z, 0-9 and _, beginning with a letter")
	}
	panic("config: unknown check " + name)
}

func errorUnless(ok bool, problem string) error {
	if ok {
		return nil
	}
	return errors.New(problem)
}

func oneOf(s string, allowed ...string) error {
	return errorUnless(slices.Contains(allowed, s), "must be one of "+strings.Join(allowed, ", "))
}

func checkEach(items []string, check func(string) error) error {
	for _, item := range items {
		if err := check(item); err != nil {
			return fmt.Errorf("item %q: %w", item, err)
		}
	}
	return nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return errorUnless(err == nil, "must be host:port")
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
	return errorUnless(ok, "must be an http or https URL without user name and fragment")
}

// checkOrigin accepts an origin as browsers send it: without path, final slash or wildcard.
func checkOrigin(s string) error {
	u, err := url.Parse(s)
	ok := err == nil && u.Scheme+"://"+u.Host == s && checkURL(s) == nil && !strings.Contains(s, "*")
	return errorUnless(ok, "must be scheme://host[:port]")
}

func checkNetwork(s string) error {
	_, err := parseNetwork(s)
	return errorUnless(err == nil, "must be an address or a CIDR range")
}

// parseNetwork parses a CIDR range, or an address as the range of that address only.
func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(s)
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), err
}

// Networks returns TrustedProxies as address ranges.
func (a API) Networks() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range a.TrustedProxies {
		if p, err := parseNetwork(s); err == nil { // Load has reported the others
			out = append(out, p)
		}
	}
	return out
}
