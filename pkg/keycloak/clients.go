package keycloak

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/leadctl/leadctl/pkg/sso"
)

// ensureClient creates or updates a client. It keeps redirect URIs and web origins that are already there.
func (s *setup) ensureClient(ctx context.Context, r sso.Registration, kind string, want rep) (id string, err error) {
	have, err := s.findEntry(ctx, s.Realm, "/clients?clientId="+url.QueryEscape(r.Client), "clientId", r.Client)
	if err != nil {
		return "", err
	}
	want["clientId"], want["enabled"], want["protocol"] = r.Client, true, "openid-connect"
	want["redirectUris"], want["webOrigins"] = atLeast(r.RedirectURIs), atLeast(r.WebOrigins)
	if have == nil {
		want["fullScopeAllowed"] = false // otherwise its tokens contain all roles of the user
	}
	for _, u := range stringList(have["redirectUris"]) {
		if isWildcardRedirect(u) {
			s.addWarning("client %s: redirect URI %s allows any page below it to receive codes; use exact addresses",
				r.Client, u)
		}
	}
	return s.ensureResource(ctx, resource{
		kind: "client", name: r.Client, have: have, want: want,
		create: s.realmPath + "/clients", update: s.realmPath + "/clients/" + have.stringMember("id"),
		detail: kind + "; redirects to " + strings.Join(r.RedirectURIs, ", "),
	})
}

// isWildcardRedirect reports whether a redirect URI matches more than one page of a host. It is false for a loopback
// address, which is the user's own machine, and for a relative URI.
func isWildcardRedirect(uri string) bool {
	return strings.HasSuffix(uri, "*") && !strings.HasPrefix(uri, "http://127.0.0.1/") && !strings.HasPrefix(uri, "/")
}

// ensureUIClient creates or updates the client of web UI, API and console. It also creates leadctl's roles, which
// belong to this client.
func (s *setup) ensureUIClient(ctx context.Context) (id string, err error) {
	r := s.Addresses.RegisterUI(s.Client)
	id, err = s.ensureClient(ctx, r, "confidential, code and PKCE", rep{
		"publicClient": false, "standardFlowEnabled": true, "implicitFlowEnabled": false,
		"directAccessGrantsEnabled": false,
		"attributes": rep{
			"pkce.code.challenge.method": "S256", "post.logout.redirect.uris": joinedAtLeast(r.PostLogoutURIs),
		},
	})
	if err != nil {
		return "", err
	}
	for _, role := range leadctlRoles() {
		if err := s.ensureRole(ctx, id, role); err != nil {
			return "", err
		}
	}
	return id, nil
}

// leadctlRoles returns leadctl's roles with the descriptions that Keycloak shows.
func leadctlRoles() []rep {
	return []rep{
		{"name": string(sso.Viewer), "description": "leadctl: reads"},
		{"name": string(sso.Ops), "description": "leadctl: also edits ICP rules, starts runs, retries provisioning"},
		{"name": string(sso.Admin), "description": "leadctl: also manages users and keys"},
	}
}

func (s *setup) ensureRole(ctx context.Context, client string, role rep) error {
	path := "/clients/" + client + "/roles"
	have, err := s.findEntry(ctx, client, path, "name", role.stringMember("name"))
	if err != nil {
		return err
	}
	_, err = s.ensureResource(ctx, resource{
		kind: "client role", name: role.stringMember("name"), have: have, want: role, detail: "of " + s.Client,
		create: s.realmPath + path,
	})
	return err
}

// ensureCLIClient creates or updates the client of `leadctl sso login`: no secret, loopback redirects, device flow.
func (s *setup) ensureCLIClient(ctx context.Context) (id string, err error) {
	return s.ensureClient(ctx, s.Addresses.RegisterCLI(s.CLIClient), "public, code and PKCE, device flow", rep{
		"publicClient": true, "standardFlowEnabled": true, "implicitFlowEnabled": false,
		"directAccessGrantsEnabled": false,
		"attributes": rep{
			"pkce.code.challenge.method": "S256", "oauth2.device.authorization.grant.enabled": "true",
		},
	})
}

// ensureOdooClient creates or updates the client of Odoo's own sign-in, which supports only the implicit flow.
// The client does not get the scope leadctl: its tokens have no tenant claim, and the API rejects
// them. Their audience is the client, which leadctl checks when Odoo asks it to validate a token.
func (s *setup) ensureOdooClient(ctx context.Context) error {
	if s.OdooClient == "" {
		return nil
	}
	id, err := s.ensureClient(ctx, s.Addresses.RegisterOdoo(s.OdooClient), "public, implicit flow", rep{
		"publicClient": true, "standardFlowEnabled": false, "implicitFlowEnabled": true,
		"directAccessGrantsEnabled": false,
	})
	if err != nil {
		return err
	}
	return s.ensureMapper(ctx, id, "/clients/"+id, audienceMapper("odoo audience", s.OdooClient))
}

// ensureRoleScope allows the CLI's tokens to contain the roles of the UI's client.
func (s *setup) ensureRoleScope(ctx context.Context, cli, ui string) error {
	path := s.realmPath + "/clients/" + cli + "/scope-mappings/clients/" + ui
	var missing []rep
	if cli != "" && ui != "" {
		if _, err := s.callAPI(ctx, http.MethodGet, path+"/available", nil, &missing); err != nil {
			return err
		}
	}
	missing = onlyLeadctlRoles(missing)
	if len(missing) == 0 && cli != "" && ui != "" {
		s.recordKept("role scope", s.CLIClient)
		return nil
	}
	_, err := s.applyChange(ctx, http.MethodPost, path, missing,
		Change{Create, "role scope", s.CLIClient, "its tokens may contain the roles of " + s.Client})
	return err
}

// onlyLeadctlRoles returns leadctl's roles in list.
func onlyLeadctlRoles(list []rep) (out []rep) {
	for _, r := range list {
		if sso.Role(r.stringMember("name")).Valid() {
			out = append(out, r)
		}
	}
	return out
}
