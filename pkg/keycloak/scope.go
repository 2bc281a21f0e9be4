package keycloak

import (
	"context"
	"net/http"
)

// scopeName is the client scope that holds the mappers, so that they stand in one place for all clients that have it.
const scopeName = "leadctl"

// ensureScope brings about the client scope and its mappers. It gets no role mappings of its own: a scope with them is
// silently left out of the tokens of users who have none of those roles.
func (s *setup) ensureScope(ctx context.Context) (id string, err error) {
	have, err := s.findEntry(ctx, s.Realm, "/client-scopes", "name", scopeName)
	if err != nil {
		return "", err
	}
	id, err = s.ensureResource(ctx, resource{
		kind: "client scope", name: scopeName, have: have, create: s.realmPath + "/client-scopes", update: s.realmPath + "/client-scopes/" + have.stringMember("id"),
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

// tokenMappers put audience, tenant and roles into the tokens. The roles are client roles: realm roles of those names may mean
// something else to other applications. Keycloak leaves roles out for a user who has none, so that the stored ones count.
func (s *setup) tokenMappers() []rep {
	return []rep{
		audienceMapper("leadctl audience", s.Client),
		{"name": "leadctl tenant", "protocolMapper": "oidc-usermodel-attribute-mapper", "config": addToAllTokens(rep{
			"user.attribute": tenantAttribute, "claim.name": tenantAttribute, "jsonType.label": "String",
		})},
		{"name": "leadctl roles", "protocolMapper": "oidc-usermodel-client-role-mapper", "config": addToAllTokens(rep{
			"usermodel.clientRoleMapping.clientId": s.Client, "claim.name": "roles", "jsonType.label": "String", "multivalued": "true",
		})},
	}
}

// audienceMapper puts a client into the audience of access tokens.
func audienceMapper(name, client string) rep {
	return rep{"name": name, "protocolMapper": "oidc-audience-mapper", "config": rep{
		"included.client.audience": client, "access.token.claim": "true", "id.token.claim": "false", "introspection.token.claim": "true",
	}}
}

func addToAllTokens(config rep) rep {
	for _, where := range []string{"access.token.claim", "id.token.claim", "userinfo.token.claim", "introspection.token.claim"} {
		config[where] = "true"
	}
	return config
}

// ensureMapper brings about a mapper of a client or a client scope; id is "" for one that a dry run has not made.
func (s *setup) ensureMapper(ctx context.Context, id, of string, want rep) error {
	path := of + "/protocol-mappers/models"
	have, err := s.findEntry(ctx, id, path, "name", want.stringMember("name"))
	if err != nil {
		return err
	}
	want["protocol"] = "openid-connect"
	_, err = s.ensureResource(ctx, resource{
		kind: "mapper", name: want.stringMember("name"), have: have, want: want, detail: want.stringMember("protocolMapper"),
		create: s.realmPath + path, update: s.realmPath + path + "/" + have.stringMember("id"),
	})
	return err
}

// ensureDefaultScopes gives a client ours, and the ones of Keycloak's own that hold sub, names and e-mail address, in every
// token whatever is asked for. A realm that lacks one of Keycloak's has its own way to fill those claims.
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
		if _, err := s.applyChange(ctx, http.MethodPut, s.realmPath+path+"/"+id, nil, Change{Create, "scope of client", name, wanted + " is in every token"}); err != nil {
			return err
		}
	}
	if !missing {
		s.recordKept("scope of client", name)
	}
	return nil
}
