package keycloak

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/leadctl/leadctl/pkg/sso"
)

// ensureClient brings a client about. A list of redirect URIs and the like keeps what others put there.
func (s *setup) ensureClient(ctx context.Context, r sso.Registration, kind string, want rep) (id string, err error) {
	have, err := s.findEntry(ctx, s.Realm, "/clients?clientId="+url.QueryEscape(r.Client), "clientId", r.Client)
	if err != nil {
		return "", err
	}
	want["clientId"], want["enabled"], want["protocol"] = r.Client, true, "openid-connect"
	want["redirectUris"], want["webOrigins"] = atLeast(r.RedirectURIs), atLeast(r.WebOrigins)
	if have == nil {
		want["fullScopeAllowed"] = false // else its tokens carry every role that the user has anywhere
	}
	for _, u := range stringList(have["redirectUris"]) {
		if isWildcardRedirect(u) {
			s.addWarning("client %s: redirect URI %s lets any page there receive codes; name the exact address", r.Client, u)
		}
	}
	return s.ensureResource(ctx, resource{
		kind: "client", name: r.Client, have: have, want: want, detail: kind + "; redirects to " + strings.Join(r.RedirectURIs, ", "),
		create: s.realmPath + "/clients", update: s.realmPath + "/clients/" + have.stringMember("id"),
	})
}

// isWildcardRedirect reports whether a redirect URI leaves open where a code ends up. Loopback on any port is the user's own machine.
func isWildcardRedirect(uri string) bool {
	return strings.HasSuffix(uri, "*") && !strings.HasPrefix(uri, "http://127.0.0.1/") && !strings.HasPrefix(uri, "/")
}

// ensureUIClient brings about the client of web UI, API and console, with the roles that it holds for all of them.
func (s *setup) ensureUIClient(ctx context.Context) (id string, err error) {
	r := s.Places.RegisterUI(s.Client)
	id, err = s.ensureClient(ctx, r, "confidential, code and PKCE", rep{
		"publicClient": false, "standardFlowEnabled": true, "implicitFlowEnabled": false, "directAccessGrantsEnabled": false,
		"attributes": rep{"pkce.code.challenge.method": "S256", "post.logout.redirect.uris": joinedAtLeast(r.PostLogoutURIs)},
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

// leadctlRoles are leadctl's, with what they are for.
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
	_, err = s.ensureResource(ctx, resource{kind: "client role", name: role.stringMember("name"), have: have, want: role, detail: "of " + s.Client, create: s.realmPath + path})
	return err
}

// ensureCLIClient brings about the client of `leadctl sso login`: no secret, loopback redirects, and the device flow.
func (s *setup) ensureCLIClient(ctx context.Context) (id string, err error) {
	return s.ensureClient(ctx, s.Places.RegisterCLI(s.CLIClient), "public, code and PKCE, device flow", rep{
		"publicClient": true, "standardFlowEnabled": true, "implicitFlowEnabled": false, "directAccessGrantsEnabled": false,
		"attributes": rep{"pkce.code.challenge.method": "S256", "oauth2.device.authorization.grant.enabled": "true"},
	})
}

// ensureOdooClient brings about the client of Odoo's own sign-in, which knows only the implicit flow. It does not get our
// client scope: its tokens name no tenant and are no good for the API. They name the client as their audience, which is what
// leadctl's validation route looks at when Odoo asks it about one.
func (s *setup) ensureOdooClient(ctx context.Context) error {
	if s.OdooClient == "" {
		return nil
	}
	id, err := s.ensureClient(ctx, s.Places.RegisterOdoo(s.OdooClient), "public, implicit flow", rep{
		"publicClient": true, "standardFlowEnabled": false, "implicitFlowEnabled": true, "directAccessGrantsEnabled": false,
	})
	if err != nil {
		return err
	}
	return s.ensureMapper(ctx, id, "/clients/"+id, audienceMapper("odoo audience", s.OdooClient))
}

// ensureRoleScope lets the CLI's tokens carry the roles that the UI's client holds.
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
	_, err := s.applyChange(ctx, http.MethodPost, path, missing, Change{Create, "role scope", s.CLIClient, "its tokens may carry the roles of " + s.Client})
	return err
}

// onlyLeadctlRoles picks leadctl's roles out of a list of roles.
func onlyLeadctlRoles(list []rep) (out []rep) {
	for _, r := range list {
		if sso.Role(r.stringMember("name")).Valid() {
			out = append(out, r)
		}
	}
	return out
}
