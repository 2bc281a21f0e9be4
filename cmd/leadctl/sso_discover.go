package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/wire"
)

// providerFact is one line of `sso discover`: a property of the identity provider, or a value to register there.
type providerFact struct {
	Topic string `json:"topic"` // issuer, endpoint, support, clock, key or register
	Name  string `json:"name"`
	Value string `json:"value"`
	Note  string `json:"note"`
}

// addressFlags are the addresses of the web UI, the API and the Odoo servers, as browsers reach them.
type addressFlags struct {
	ui, odoo []string
	api      string
}

func (p *addressFlags) addAddressFlags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&p.ui, "ui-url", nil,
		"address of the web UI; may be repeated; default: localhost:3000, 127.0.0.1:3000 and EXTRA_CORS_ORIGINS")
	cmd.Flags().StringVar(&p.api, "api-url", "",
		"address of API and console; default: LEADCTL_API_PUBLIC_URL, else http:// and the listen address")
	cmd.Flags().StringSliceVar(&p.odoo, "odoo-url", nil,
		"address of an Odoo server; may be repeated; default: ODOO_SERVER_URL")
}

func (p *addressFlags) resolveAddresses(cfg config.Config) sso.Addresses {
	out := sso.Addresses{UI: p.ui, API: p.api, Odoo: p.odoo}
	if len(out.UI) == 0 {
		local := []string{"http://localhost:3000", "http://127.0.0.1:3000"}
		isLocal := func(origin string) bool { return slices.Contains(local, origin) }
		out.UI = append(local, slices.DeleteFunc(slices.Clone(cfg.API.CORSOrigins), isLocal)...)
	}
	out.API = cmp.Or(out.API, cmp.Or(cfg.API.PublicURL, "http://"+cfg.API.Listen))
	if len(out.Odoo) == 0 && cfg.Odoo.ServerURL != "" {
		out.Odoo = []string{cfg.Odoo.ServerURL}
	}
	return out
}

func newSSODiscover(a *app) *cobra.Command {
	var at addressFlags
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "Show the identity provider's metadata and the URIs to register there",
		Long: "Show the issuer's endpoints, algorithms and keys, the difference between its clock and this\n" +
			"machine's, and the redirect and post-logout URIs to register there. If a check fails, the other\n" +
			"results are printed all the same.",
		Example: "  leadctl sso discover\n  leadctl sso discover --ui-url https://app.example.com -o csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			facts, err := a.discoverIssuer(cmd.Context(), at)
			if len(facts) == 0 {
				return err
			}
			return errors.Join(a.printResult(facts), err)
		},
	}
	at.addAddressFlags(cmd)
	return a.addOutputFlag(cmd)
}

func (a *app) discoverIssuer(ctx context.Context, at addressFlags) ([]providerFact, error) {
	cfg, err := a.configWithIssuer(ctx)
	if err != nil {
		return nil, err
	}
	log, err := a.log(ctx)
	if err != nil {
		return nil, err
	}
	found, err := sso.Discover(ctx, wire.SSO(cfg, log))
	facts := append(discoveryFacts(found), keyFacts(found.Keys, time.Now())...)
	return append(facts, registrationFacts(cfg, at.resolveAddresses(cfg))...), err
}

// discoveryFacts returns the content of the discovery document, or nil if the document could not be read.
func discoveryFacts(d sso.Discovery) []providerFact {
	if d.Issuer == "" {
		return nil
	}
	facts := []providerFact{{"issuer", "issuer", d.Issuer, string(sso.ProductOf(d.Issuer))}}
	for _, e := range [][2]string{
		{"authorization", d.AuthorizationURL}, {"token", d.TokenURL}, {"userinfo", d.UserinfoURL},
		{"device authorization", d.DeviceURL}, {"end session", d.EndSessionURL}, {"revocation", d.RevocationURL},
		{"keys", d.KeysURL},
	} {
		note := ""
		switch {
		case e[1] == "":
			note = "not offered"
		case e[0] == "keys" && d.FromFallback:
			note = "not in the discovery document: the default path is used"
		}
		facts = append(facts, providerFact{"endpoint", e[0], e[1], note})
	}
	pkce := ""
	if len(d.ChallengeMethods) > 0 && !slices.Contains(d.ChallengeMethods, "S256") {
		pkce = "S256 is not supported: sign-in will fail"
	}
	return append(facts,
		providerFact{"support", "ID token algorithms", strings.Join(d.Algorithms, ", "), ""},
		providerFact{"support", "PKCE", strings.Join(d.ChallengeMethods, ", "), pkce},
		providerFact{"support", "scopes", strings.Join(d.Scopes, ", "), ""},
		providerFact{"clock", "difference", clockValue(d), clockText(d)})
}

func clockValue(d sso.Discovery) string {
	if !d.ClockDifferenceSeen {
		return ""
	}
	return d.ClockDifference.String()
}

// keyFacts describes each published key. The note says whether it verifies tokens, or why it is not used.
func keyFacts(keys []sso.Key, now time.Time) []providerFact {
	var out []providerFact
	for _, k := range keys {
		value := strings.TrimSpace(fmt.Sprintf("%s %s %d bit", k.Algorithm, k.Type, k.Bits))
		if k.Bits == 0 {
			value = strings.TrimSpace(k.Algorithm + " " + k.Type)
		}
		if !k.Since.IsZero() {
			value += ", " + ageText(now.Sub(k.Since))
		}
		note := "verifies tokens"
		if k.Unusable != "" {
			note = "not used: " + k.Unusable
		}
		out = append(out, providerFact{"key", cmp.Or(k.ID, "(no kid)"), value, note})
	}
	return out
}

func ageText(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days old", int(d.Hours()/24))
	}
	return d.Truncate(time.Minute).String() + " old"
}

// loginPort is the loopback port to register for `leadctl sso login` at providers that compare the port too.
const loginPort = 8914

// registrationFacts returns the URIs to register at the provider for each client: UI and console, CLI, Odoo.
func registrationFacts(cfg config.Config, at sso.Addresses) []providerFact {
	cli, cliKind := at.RegisterCLI(cliClient(cfg, "")), "CLI, public, code and PKCE, device flow"
	if sso.ProductOf(cfg.SSO.Issuer) != sso.Keycloak {
		cli.RedirectURIs = []string{fmt.Sprintf("http://127.0.0.1:%d/callback", loginPort)}
		cliKind += fmt.Sprintf("; sign in with --port %d, or register http://127.0.0.1/* "+
			"if the provider allows any port", loginPort)
	}
	var out []providerFact
	for _, c := range []struct {
		kind string
		sso.Registration
	}{
		{"UI and console, confidential, code and PKCE", at.RegisterUI(cfg.SSO.ClientID)},
		{cliKind, cli},
		{"Odoo, public, implicit", at.RegisterOdoo("")},
	} {
		note := c.kind
		if c.Client != "" {
			note = c.Client + ": " + c.kind
		}
		for _, uri := range c.RedirectURIs {
			out = append(out, providerFact{"register", "redirect URI", uri, note})
		}
		for _, uri := range c.PostLogoutURIs {
			out = append(out, providerFact{"register", "post-logout URI", uri, note})
		}
		for _, origin := range c.WebOrigins {
			out = append(out, providerFact{"register", "web origin", origin, note})
		}
	}
	return out
}
