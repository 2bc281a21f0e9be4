package sso

import (
	"fmt"
	"net/url"
	"strings"
)

// Product is the software behind an issuer, as far as its URL shows it. It decides nothing about tokens; it only lets a
// hint name the page and the button.
type Product string

// The products that hints know.
const (
	Keycloak Product = "Keycloak"
	Okta     Product = "Okta"
	Auth0    Product = "Auth0"
	Other    Product = ""
)

// ProductOf guesses from the issuer's URL.
func ProductOf(issuer string) Product {
	u, err := url.Parse(issuer)
	if err != nil {
		return Other
	}
	host := u.Hostname()
	switch {
	case strings.Contains(u.Path, "/realms/"):
		return Keycloak
	case strings.HasSuffix(host, ".okta.com"), strings.HasSuffix(host, ".oktapreview.com"), strings.HasPrefix(u.Path, "/oauth2/"):
		return Okta
	case strings.HasSuffix(host, ".auth0.com"):
		return Auth0
	}
	return Other
}

// audienceHint is how client's tokens get audience into aud. client is "" when the token does not say who it was made for.
func (p Product) audienceHint(audience, client string) string {
	whose := "the client"
	if client != "" {
		whose = "client " + quote(client)
	}
	switch p {
	case Keycloak:
		return fmt.Sprintf("if %s belongs to this installation: Clients, %s, Client scopes, add `leadctl` as default, whose mapper `leadctl audience` adds %s "+
			"(`leadctl sso keycloak setup` makes it); else sign in with a client that has it", whose, strings.TrimPrefix(whose, "client "), audience)
	case Okta:
		return fmt.Sprintf("Security, API, Authorization Servers: the audience must be %s; tokens of the org's own server are not for APIs", audience)
	case Auth0:
		return fmt.Sprintf("ask for audience=%s at sign-in: it is the API's Identifier under Applications, APIs", audience)
	}
	return fmt.Sprintf("have the identity provider add %s to aud for %s, or set NEXIUS_AUDIENCE to what it sends", audience, whose)
}

func (p Product) tenantHint() string {
	switch p {
	case Keycloak:
		return "give the user the attribute tenant_id (`leadctl sso keycloak assign USER --tenant T`); its mapper `leadctl tenant` " +
			"(type User Attribute, claim tenant_id) stands in the client scope `leadctl`"
	case Okta:
		return "Authorization Servers, Claims: add tenant_id, an expression with the value user.tenant_id, to access and ID tokens"
	case Auth0:
		return `a post-login Action: api.idToken.setCustomClaim("https://claims/tenant_id", …) and the same on api.accessToken`
	}
	return "have the identity provider add a claim tenant_id"
}

func (p Product) rolesHint() string {
	switch p {
	case Keycloak:
		return "give the user a role (`leadctl sso keycloak assign USER --role viewer`); the mapper `leadctl roles` " +
			"(type User Client Role, claim roles, multivalued) stands in the client scope `leadctl`"
	case Okta:
		return "Authorization Servers, Claims: add groups, of type Groups, with a filter for groups named viewer, ops, admin"
	case Auth0:
		return `a post-login Action: api.idToken.setCustomClaim("https://claims/roles", event.authorization.roles) and the same on api.accessToken`
	}
	return "have the identity provider add a claim roles, a list of viewer, ops or admin, spelled exactly"
}

func (p Product) emailHint() string {
	switch p {
	case Keycloak:
		return "give the client the default scope email, and the user an address with Email verified on"
	case Okta:
		return "Authorization Servers, Claims: add email = user.email and email_verified = true (a boolean) to the access token, or send the ID token"
	case Auth0:
		return "send the ID token, signed in with scope email; the user's address must be verified"
	}
	return "have the identity provider add email and email_verified (a boolean)"
}
