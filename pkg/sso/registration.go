package sso

import (
	"net/url"
	"strings"
)

// Registration is what one client of ours needs to be known as at the identity provider.
type Registration struct {
	Client         string   // client id; "" when the provider makes one up
	RedirectURIs   []string // where a sign-in may end
	PostLogoutURIs []string // where a sign-out may end
	WebOrigins     []string // whose pages may call the provider
}

// Addresses are the addresses under which people reach what signs in here, each scheme://host[:port] and perhaps a path.
type Addresses struct {
	UI   []string // the web UI
	API  string   // the API, and with it the console; "" for none
	Odoo []string // Odoo servers
}

// uiCallback is the path that the web UI's sign-in library listens on; its provider id there is nexius.
const uiCallback = "/api/auth/callback/nexius"

// RegisterUI is the confidential client that web UI, API and console share.
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

// RegisterCLI is the public client of `leadctl sso login`. Providers that follow RFC 8252 let any loopback port match.
func (p Addresses) RegisterCLI(client string) Registration {
	return Registration{Client: client, RedirectURIs: []string{"http://127.0.0.1/*"}}
}

// RegisterOdoo is the public client of Odoo's own sign-in.
func (p Addresses) RegisterOdoo(client string) Registration {
	r := Registration{Client: client}
	for _, base := range p.Odoo {
		r.RedirectURIs = append(r.RedirectURIs, strings.TrimSuffix(base, "/")+"/auth_oauth/signin")
	}
	return r
}

// originOf is an address without its path, as browsers send it.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}
