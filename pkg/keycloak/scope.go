package keycloak

import (
	"context"
	"net/http"
)

// scopeName is the client scope that contains the mappers for all clients that use it.
const scopeName = "leadctl"

// ensureScope creates or updates the client scope and its mappers. The scope gets no role mappings: Keycloak
// silently omits a scope with role mappings from the tokens of users who have none of those roles.
func (s *setup) ensureScope(ctx context.Context) (id string, err error) {
	have, err := s.findEntry(ctx, s.Realm, "/client-scopes", "name", scopeName)
	if err != nil {
		return "", err
	}
	id, err = s.ensureResource(ctx, resource{
		kind: "client scope", name: scopeName, have: have,
		create: s.realmPath + "/client-scopes", update: s.realmPath + "/client-scopes/" + have.stringMember("id"),
		want: rep{"name": scopeName, "protocol": "openid-connect", "attributes": rep{
			"include.in.token.scope": "false", "display.on.consent.screen": "false",
		}},
	})
	if err != nil {
		return "", err
	}
	for _, m := range s.tokenMappers() {
		if err := s.ensureMapper(ctx, id, "/client-scopes/"+id, m); err != nil {
			return "", err
		}
	}
	return id, nil
}

// tokenMappers returns the mappers that add audience, tenant and roles to the tokens. The roles
// are client roles, because realm roles of the same names may mean something else to other
// applications. For a user without roles Keycloak adds no roles claim, so the stored roles apply.
func (s *setup) tokenMappers() []rep {
	return []rep{
		audienceMapper("leadctl audience", s.Client),
		{"name": "leadctl tenant", "protocolMapper": "oidc-usermodel-attribute-mapper", "config": addToAllTokens(rep{
			"user.attribute": tenantAttribute, "claim.name": tenantAttribute, "jsonType.label": "String",
		})},
		{"name": "leadctl roles", "protocolMapper": "oidc-usermodel-client-role-mapper", "config": addToAllTokens(rep{
			"usermodel.clientRoleMapping.clientId": s.Client, "claim.name": "roles",
			"jsonType.label": "String", "multivalued": "true",
		})},
	}
}

// audienceMapper adds a client to the audience of access tokens.
func audienceMapper(name, client string) rep {
	return rep{"name": name, "protocolMapper": "oidc-audience-mapper", "config": rep{
		"included.client.audience": client, "access.token.claim": "true",
		"id.token.claim": "false", "introspection.token.claim": "true",
	}}
}

func addToAllTokens(config rep) rep {
	for _, where := range []string{"access.token", "id.token", "userinfo.token", "introspection.token"} {
		config[where+".claim"] = "true"
	}
	return config
}

// ensureMapper creates or updates a mapper of the client or client scope at path of. id is "" if a dry run would create
// the client or client scope.
func (s *setup) ensureMapper(ctx context.Context, id, of string, want rep) error {
	path := of + "/protocol-mappers/models"
	have, err := s.findEntry(ctx, id, path, "name", want.stringMember("name"))
	if err != nil {
		return err
	}
	want["protocol"] = "openid-connect"
	mapper := s.realmPath + path
	_, err = s.ensureResource(ctx, resource{
		kind: "mapper", name: want.stringMember("name"), have: have, want: want, create: mapper,
		update: mapper + "/" + have.stringMember("id"), detail: want.stringMember("protocolMapper"),
	})
	return err
}

// ensureDefaultScopes adds the scope leadctl to a client's default scopes, and Keycloak's own scopes for sub, names and
// e-mail address. Default scopes are in every token. It skips a Keycloak scope that the realm lacks, because such a
// realm fills those claims in another way.
func (s *setup) ensureDefaultScopes(ctx context.Context, name, client, scope string) error {
	path := "/clients/" + client + "/default-client-scopes"
	missing := false
	for _, wanted := range []string{scopeName, "basic", "profile", "email"} {
		id := scope
		if wanted != scopeName {
			known, err := s.findEntry(ctx, client, "/client-scopes", "name", wanted)
			if err != nil {
				return err
			}
			if id = known.stringMember("id"); id == "" {
				continue
			}
		}
		have, err := s.findEntry(ctx, client, path, "name", wanted)
		if err != nil {
			return err
		}
		if have != nil {
			continue
		}
		missing = true
		c := Change{Create, "scope of client", name, wanted + " is in every token"}
		if _, err := s.applyChange(ctx, http.MethodPut, s.realmPath+path+"/"+id, nil, c); err != nil {
			return err
		}
	}
	if !missing {
		s.recordKept("scope of client", name)
	}
	return nil
}
