package keycloak

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/sso"
)

// Settings are the values that API and web UI need to use a realm after Setup.
type Settings struct {
	Issuer, Client, CLIClient string
	Secret                    string // the client secret; "" leaves it out
	SecretFile                string // the file with the client secret, or ""
	Addresses                 sso.Addresses
}

// Block is the settings of one program in one environment, as lines of an environment file.
type Block struct {
	Name  string // api-dev, api-prod, ui-dev or ui-prod
	Title string
	Lines []string
}

// Blocks returns the settings of API and web UI, for development and for production. Development uses the
// http addresses in Addresses and production the https ones; an example replaces a missing address.
func (s Settings) Blocks() []Block {
	dev, prod := s.addressesWithScheme("http"), s.addressesWithScheme("https")
	return []Block{
		{"api-dev", "API, development", s.apiLines("development", dev)},
		{"api-prod", "API, production", s.apiLines("production", prod)},
		{"ui-dev", "web UI, development", s.uiLines(dev, "true")},
		{"ui-prod", "web UI, production", s.uiLines(prod, "false")},
	}
}

// addressesWithScheme returns the addresses with one scheme, and an example for each missing one.
func (s Settings) addressesWithScheme(scheme string) sso.Addresses {
	examples := map[string]sso.Addresses{
		"http":  {UI: []string{"http://localhost:3000"}, API: "http://localhost:2024"},
		"https": {UI: []string{"https://app.example.com"}, API: "https://api.example.com"},
	}
	out := examples[scheme]
	hasOther := func(u string) bool { return !strings.HasPrefix(u, scheme+"://") }
	ui := slices.DeleteFunc(slices.Clone(s.Addresses.UI), hasOther)
	if len(ui) > 0 {
		out.UI = ui
	}
	if strings.HasPrefix(s.Addresses.API, scheme+"://") {
		out.API = strings.TrimSuffix(s.Addresses.API, "/")
	}
	return out
}

func (s Settings) apiLines(environment string, at sso.Addresses) []string {
	lines := []string{
		"LEADCTL_ENV=" + environment,
		"NEXIUS_ISSUER=" + s.Issuer,
		"NEXIUS_AUDIENCE=" + s.Client,
		"NEXIUS_CLIENT_ID=" + s.Client,
		s.secretLine("NEXIUS_CLIENT_SECRET", true),
		"LEADCTL_SSO_EXTRA_CLIENTS=" + s.CLIClient,
		"LEADCTL_API_PUBLIC_URL=" + at.API,
		"EXTRA_CORS_ORIGINS=" + strings.Join(at.UI, ","),
	}
	if environment == "production" && !strings.HasPrefix(s.Issuer, "https://") {
		lines[1] = "# NEXIUS_ISSUER must be the realm's https address in production\n" + lines[1]
	}
	return lines
}

func (s Settings) uiLines(at sso.Addresses, switcher string) []string {
	return []string{
		"NEXTAUTH_URL=" + at.UI[0],
		"# NEXTAUTH_SECRET: openssl rand -base64 32",
		"NEXTAUTH_SECRET=",
		"NEXIUS_ISSUER=" + s.Issuer,
		"NEXIUS_CLIENT_ID=" + s.Client,
		s.secretLine("NEXIUS_CLIENT_SECRET", false),
		"NEXT_PUBLIC_API_BASE=" + at.API,
		"NEXT_PUBLIC_ENABLE_TENANT_SWITCHER=" + switcher,
	}
}

// secretLine returns the setting name: the path of the secret's file if the program reads files,
// else the secret. It leaves the value empty, with a comment, when Settings.Secret is empty.
func (s Settings) secretLine(name string, readsFiles bool) string {
	switch {
	case s.SecretFile != "" && readsFiles:
		return name + "_FILE=" + s.SecretFile
	case s.Secret != "":
		return name + "=" + s.Secret
	case s.SecretFile != "":
		return "# " + name + ": the content of " + s.SecretFile + "\n" + name + "="
	}
	return "# " + name + ": in Keycloak under Clients, " + s.Client + ", Credentials\n" + name + "="
}

// String returns the block as text of an environment file.
func (b Block) String() string {
	return fmt.Sprintf("# %s\n%s\n", b.Title, strings.Join(b.Lines, "\n"))
}

// YAML returns the API's settings as a leadctl.yaml: for development if the issuer's scheme is http, else for
// production.
func (s Settings) YAML() string {
	var b strings.Builder
	at := s.addressesWithScheme("https")
	b.WriteString("---\n")
	if u, err := url.Parse(s.Issuer); err == nil && u.Scheme == "http" {
		at = s.addressesWithScheme("http")
		b.WriteString("env: development\n")
	}
	fmt.Fprintf(&b, "api:\n  public_url: %q\n  cors_origins: [%s]\n", at.API, quoteList(at.UI))
	fmt.Fprintf(&b, "sso:\n  issuer: %q\n  audiences: [%q]\n", s.Issuer, s.Client)
	fmt.Fprintf(&b, "  client_id: %q\n  extra_clients: [%q]\n", s.Client, s.CLIClient)
	switch {
	case s.SecretFile != "":
		fmt.Fprintf(&b, "  client_secret_file: %q\n", s.SecretFile)
	case s.Secret != "":
		fmt.Fprintf(&b, "  client_secret: %q\n", s.Secret)
	}
	b.WriteString("...\n")
	return b.String()
}

func quoteList(list []string) string {
	var out []string
	for _, item := range list {
		out = append(out, strconv.Quote(item))
	}
	return strings.Join(out, ", ")
}
