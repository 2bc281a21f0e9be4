package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Discovery is an issuer's metadata and its keys. The URLs that leadctl itself calls are on the internal URL,
// if there is one.
type Discovery struct {
	Issuer              string
	AuthorizationURL    string
	TokenURL            string
	UserinfoURL         string
	DeviceURL           string // device_authorization_endpoint; "" if the provider has none
	EndSessionURL       string
	RevocationURL       string   // "" if the provider has none
	KeysURL             string   // the address of the key set
	Algorithms          []string // id_token_signing_alg_values_supported
	Scopes              []string
	ChallengeMethods    []string      // PKCE methods
	ReturnsIssuer       bool          // authorization responses have the parameter iss (RFC 9207)
	FromFallback        bool          // there is no jwks_uri, and KeysURL is /.well-known/jwks.json
	ClockDifference     time.Duration // the provider's Date header minus this machine's clock, in whole seconds
	ClockDifferenceSeen bool          // the provider sent a Date header
	Keys                []Key
}

// HasAnswered reports whether the parameters of an authorization response are from this issuer (RFC 9207): they have
// its iss once, or none if the discovery document does not say that responses have one.
func (d Discovery) HasAnswered(response url.Values) bool {
	iss := response["iss"]
	return len(iss) == 0 && !d.ReturnsIssuer || len(iss) == 1 && iss[0] == d.Issuer
}

// Discover reads the discovery document and the keys. After an error the result holds what was read before it. Faults:
// Operator for a bad configuration, a provider with another issuer name, or keys on another host; Unavailable for
// everything that may succeed when tried again.
func Discover(ctx context.Context, cfg Config) (Discovery, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return Discovery{}, err
	}
	channel := newBackChannel(cfg)
	defer channel.close()
	ctx, cancel := context.WithTimeout(ctx, 2*fetchTimeout)
	defer cancel()
	d, header, err := channel.readDiscovery(ctx)
	if date, parseErr := http.ParseTime(header.Get("Date")); parseErr == nil {
		d.ClockDifference, d.ClockDifferenceSeen = date.Sub(cfg.Now().Truncate(time.Second)), true
	}
	if err != nil {
		return d, providerFault(err)
	}
	body, _, err := channel.getDocument(ctx, d.KeysURL)
	if err != nil {
		return d, providerFault(err)
	}
	if d.Keys, err = parseKeySet(body, cfg.Algorithms); err != nil {
		return d, providerFault(fmt.Errorf("%s: %w", d.KeysURL, err))
	}
	return d, nil
}

// providerFault returns a classified error unchanged and any other error as Unavailable.
func providerFault(err error) error {
	if k := fault.KindOf(err); k == fault.Operator || k == fault.Interrupted {
		return err
	}
	return fault.New(fault.Unavailable, "identity provider: %w", err)
}

// readDiscovery reads the discovery document. If the issuer has none (404), or it has no jwks_uri, the
// keys are at /.well-known/jwks.json.
func (b *backChannel) readDiscovery(ctx context.Context) (Discovery, http.Header, error) {
	address := b.wellKnownURL("openid-configuration")
	body, header, err := b.getDocument(ctx, address)
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusNotFound {
		return Discovery{Issuer: b.issuer, KeysURL: b.wellKnownURL("jwks.json"), FromFallback: true}, nil, nil
	}
	if err != nil {
		return Discovery{}, nil, err
	}
	m, err := parseObject(body)
	if err != nil {
		return Discovery{}, header, fmt.Errorf("%s: %s", address, quoteError(err))
	}
	d := parseDiscovery(m)
	for _, own := range []*string{&d.TokenURL, &d.UserinfoURL, &d.DeviceURL, &d.RevocationURL} {
		*own = b.internalURL(*own)
	}
	if d.Issuer != b.issuer {
		return d, header, fault.New(fault.Operator, "issuer %q: the provider calls itself %q; both must be equal",
			b.issuer, d.Issuer).
			WithHint("set NEXIUS_ISSUER to exactly %s; the final slash matters", d.Issuer)
	}
	if d.KeysURL == "" {
		d.KeysURL, d.FromFallback = b.wellKnownURL("jwks.json"), true
		return d, header, nil
	}
	d.KeysURL, err = b.callableURL(d.KeysURL)
	return d, header, err
}

func parseDiscovery(m members) Discovery {
	text := func(name string) string { s, _ := m.stringMember(name); return s }
	list := func(name string) []string {
		if !m.hasMember(name) {
			return nil
		}
		items, err := stringList(m.memberValue(name))
		if err != nil {
			return nil
		}
		return items
	}
	returnsIssuer := m.memberValue("authorization_response_iss_parameter_supported")
	return Discovery{
		ReturnsIssuer:    returnsIssuer != nil && returnsIssuer.Kind() == 't',
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
