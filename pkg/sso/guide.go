package sso

import (
	"fmt"
	"net/url"
	"strings"
)

// Product is the software of an issuer, guessed from its URL. Only hints use it, to name the product's pages and
// fields. It has no effect on the verification of tokens.
type Product string

// The products with their own hints.
const (
	Keycloak Product = "Keycloak"
	Okta     Product = "Okta"
	Auth0    Product = "Auth0"
	Other    Product = ""
)

// ProductOf guesses the product from the issuer's URL.
func ProductOf(issuer string) Product {
	u, err := url.Parse(issuer)
	if err != nil {
		return Other
	}
	host := u.Hostname()
	switch {
	case strings.Contains(u.Path, "/realms/"):
		return Keycloak
	case strings.HasSuffix(host, ".okta.com"), strings.HasSuffix(host, ".oktapreview.com"),
		strings.HasPrefix(u.Path, "/oauth2/"):
		return Okta
	case strings.HasSuffix(host, ".auth0.com"):
		return Auth0
	}
	return Other
}

// audienceHint returns how to add audience to the aud of client's tokens. client is "" if the token has no azp.
func (p Product) audienceHint(audience, client string) string {
	clientText := "the client"
	if client != "" {
		clientText = "client " + quote(client)
	}
	switch p {
	case Keycloak:
		return fmt.Sprintf("if %s belongs to this installation, open Clients, %s, Client scopes and add `leadctl` as "+
			"a default scope (`leadctl sso keycloak setup` creates it): its mapper `leadctl audience` adds %s; "+
			"otherwise sign in with a client that has this scope",
			clientText, strings.TrimPrefix(clientText, "client "), audience)
	case Okta:
		return fmt.Sprintf("under Security, API, Authorization Servers, set the audience to %s; "+
			"tokens of the org's own authorization server are not for APIs", audience)
	case Auth0:
		return fmt.Sprintf("send audience=%s at sign-in: it is the API's Identifier under Applications, APIs", audience)
	}
	return fmt.Sprintf("configure the identity provider to add %s to aud for %s, "+
		"or set NEXIUS_AUDIENCE to the aud that it sends", audience, clientText)
}

func (p Product) tenantHint() string {
	switch p {
	case Keycloak:
		return "set the user's attribute tenant_id (`leadctl sso keycloak assign USER --tenant T`); the client scope " +
			"`leadctl` must have the mapper `leadctl tenant` (type User Attribute, claim tenant_id)"
	case Okta:
		return "under Authorization Servers, Claims, add the claim tenant_id, " +
			"of type Expression with the value user.tenant_id, to access and ID tokens"
	case Auth0:
		return `add a post-login Action that calls api.idToken.setCustomClaim("https://claims/tenant_id", …) ` +
			"and the same on api.accessToken"
	}
	return "configure the identity provider to add the claim tenant_id"
}

func (p Product) rolesHint() string {
	switch p {
	case Keycloak:
		return "give the user a role (`leadctl sso keycloak assign USER --role viewer`); the client scope `leadctl` " +
			"must have the mapper `leadctl roles` (type User Client Role, claim roles, multivalued)"
	case Okta:
		return "under Authorization Servers, Claims, add the claim groups, " +
			"of type Groups, with a filter for groups named viewer, ops and admin"
	case Auth0:
		return "add a post-login Action that calls " +
			`api.idToken.setCustomClaim("https://claims/roles", event.authorization.roles) and the same on api.accessToken`
	}
	return "configure the identity provider to add the claim roles, a list of viewer, ops or admin in lower case"
}

func (p Product) emailHint() string {
	switch p {
	case Keycloak:
		return "give the client the default scope email, and the user an e-mail address with Email verified switched on"
	case Okta:
		return "under Authorization Servers, Claims, add email = user.email and email_verified = true (a boolean) " +
			"to the access token, or send the ID token"
	case Auth0:
		return "send the ID token of a sign-in with the scope email; the user's address must be verified"
	}
	return "configure the identity provider to add the claims email and email_verified (a boolean)"
}
