package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Discovery is what an issuer says about itself. The addresses that leadctl itself calls, not a browser, are moved to the
// internal URL when there is one.
type Discovery struct {
	Issuer              string
	AuthorizationURL    string
	TokenURL            string
	UserinfoURL         string
	DeviceURL           string // device_authorization_endpoint, "" when not offered
	EndSessionURL       string
	RevocationURL       string   // "" when not offered
	KeysURL             string   // where the keys are read from
	Algorithms          []string // id_token_signing_alg_values_supported
	Scopes              []string
	ChallengeMethods    []string      // PKCE
	FromFallback        bool          // no jwks_uri was found and KeysURL is /.well-known/jwks.json
	ClockDifference     time.Duration // the provider's Date header minus our clock, whole seconds; 0 without the header
	ClockDifferenceSeen bool
	Keys                []Key
}

// Discover reads the discovery document and the keys once. The result is as complete as the error allows.
// Faults: Operator for a bad configuration, another issuer, or keys on another host; Unavailable for everything
// that trying again can cure.
func Discover(ctx context.Context, cfg Config) (Discovery, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return Discovery{}, err
	}
	channel := newBackChannel(cfg)
	defer channel.close()
	ctx, cancel := context.WithTimeout(ctx, 2*fetchTimeout)
	defer cancel()
	d, header, err := channel.discover(ctx)
	if date, parseErr := http.ParseTime(header.Get("Date")); parseErr == nil {
		d.ClockDifference, d.ClockDifferenceSeen = date.Sub(cfg.Now().Truncate(time.Second)), true
	}
	if err != nil {
		return d, providerFault(err)
	}
	body, _, err := channel.get(ctx, d.KeysURL)
	if err != nil {
		return d, providerFault(err)
	}
	if d.Keys, err = parseKeySet(body, cfg.Algorithms); err != nil {
		return d, providerFault(fmt.Errorf("%s: %w", d.KeysURL, err))
	}
	return d, nil
}

// providerFault keeps a classified error and calls every other one Unavailable.
func providerFault(err error) error {
	if k := fault.KindOf(err); k == fault.Operator || k == fault.Interrupted {
		return err
	}
	return fault.New(fault.Unavailable, "identity provider: %w", err)
}

// discover reads the discovery document. Only an issuer that has none (404), or names no jwks_uri in it, is asked
// for /.well-known/jwks.json instead.
func (b *backChannel) discover(ctx context.Context) (Discovery, http.Header, error) {
	address := b.wellKnown("openid-configuration")
	body, header, err := b.get(ctx, address)
	var status *notOK
	if errors.As(err, &status) && status.status == http.StatusNotFound {
		return Discovery{Issuer: b.issuer, KeysURL: b.wellKnown("jwks.json"), FromFallback: true}, nil, nil
	}
	if err != nil {
		return Discovery{}, nil, err
	}
	m, err := parseObject(body)
	if err != nil {
		return Discovery{}, header, fmt.Errorf("%s: %s", address, jsonProblem(err))
	}
	d := readDiscovery(m)
	for _, own := range []*string{&d.TokenURL, &d.UserinfoURL, &d.DeviceURL, &d.RevocationURL} {
		*own = b.inside(*own)
	}
	if d.Issuer != b.issuer {
		return d, header, fault.New(fault.Operator, "issuer %q: the provider calls itself %q", b.issuer, d.Issuer).
			WithHint("set NEXIUS_ISSUER to exactly %s; a slash at the end counts", d.Issuer)
	}
	if d.KeysURL == "" {
		d.KeysURL, d.FromFallback = b.wellKnown("jwks.json"), true
		return d, header, nil
	}
	d.KeysURL, err = b.reach(d.KeysURL)
	return d, header, err
}

func readDiscovery(m members) Discovery {
	text := func(name string) string { s, _ := m.text(name); return s }
	list := func(name string) []string {
		if !m.has(name) {
			return nil
		}
		items, err := textList(m.get(name))
		if err != nil {
			return nil
		}
		return items
	}
	return Discovery{
		Issuer:           text("issuer"),
		AuthorizationURL: text("authorization_endpoint"),
		TokenURL:         text("token_endpoint"),
		UserinfoURL:      text("userinfo_endpoint"),
		DeviceURL:        text("device_authorization_endpoint"),
		EndSessionURL:    text("end_session_endpoint"),
		RevocationURL:    text("revocation_endpoint"),
		KeysURL:          text("jwks_uri"),
		Algorithms:       list("id_token_signing_alg_values_supported"),
		Scopes:           list("scopes_supported"),
		ChallengeMethods: list("code_challenge_methods_supported"),
	}
}
