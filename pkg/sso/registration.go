package sso

import (
	"net/url"
	"strings"
)

// Registration is what must be registered for one of leadctl's clients at the identity provider.
type Registration struct {
	Client         string   // client id; "" if the provider chooses it
	RedirectURIs   []string // allowed redirects after sign-in
	PostLogoutURIs []string // allowed redirects after sign-out
	WebOrigins     []string // origins whose pages may call the provider
}

// Addresses are the public URLs of the programs that sign users in. Each has the form scheme://host[:port],
// optionally with a path.
type Addresses struct {
	UI   []string // the web UI
	API  string   // the API and the console; "" for none
	Odoo []string // Odoo servers
}

// uiCallback is the callback path of the web UI's sign-in library, in which the provider has the id nexius.
const uiCallback = "/api/auth/callback/nexius"

// RegisterUI returns the confidential client that web UI, API and console share.
func (p Addresses) RegisterUI(client string) Registration {
	r := Registration{Client: client}
	for _, base := range p.UI {
		base = strings.TrimSuffix(base, "/")
		r.RedirectURIs = append(r.RedirectURIs, base+uiCallback)
		r.PostLogoutURIs = append(r.PostLogoutURIs, base)
		r.WebOrigins = append(r.WebOrigins, originOf(base))
	}
	if base := strings.TrimSuffix(p.API, "/"); base != "" {
		r.RedirectURIs = append(r.RedirectURIs, base+"/auth/callback")
		r.PostLogoutURIs = append(r.PostLogoutURIs, base+"/")
	}
	return r
}

// RegisterCLI returns the public client of `leadctl sso login`. Providers that follow RFC 8252
// accept any loopback port.
func (p Addresses) RegisterCLI(client string) Registration {
	return Registration{Client: client, RedirectURIs: []string{"http://127.0.0.1/*"}}
}

// RegisterOdoo returns the public client of Odoo's own sign-in.
func (p Addresses) RegisterOdoo(client string) Registration {
	r := Registration{Client: client}
	for _, base := range p.Odoo {
		r.RedirectURIs = append(r.RedirectURIs, strings.TrimSuffix(base, "/")+"/auth_oauth/signin")
	}
	return r
}

// originOf returns the address without its path, as browsers send it in Origin.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}
