package keycloak

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// tenantAttribute is the name of the user attribute and of the claim that hold the tenant.
const tenantAttribute = "tenant_id"

// ensureRealm creates the realm if it is missing and CreateRealm is set. It does not change an existing realm.
func (s *setup) ensureRealm(ctx context.Context) error {
	var have rep
	found, err := s.readIfExists(ctx, s.realmPath, &have)
	if err != nil {
		return err
	}
	if !found && !s.CreateRealm {
		return fault.New(fault.NotFound, "realm %q: not found at %s", s.Realm, s.base).
			WithHint("--create-realm creates it")
	}
	if found {
		s.recordKept("realm", s.Realm)
		return nil
	}
	s.realmMissing = s.DryRun
	_, err = s.ensureResource(ctx, resource{kind: "realm", name: s.Realm, want: rep{
		"realm": s.Realm, "enabled": true, "sslRequired": "external",
		"loginWithEmailAllowed": true, "bruteForceProtected": true,
	}})
	return err
}

// ensureTenantAttribute declares the attribute tenant_id, editable by administrators only. If users could edit it, they
// could choose their tenant. Since Keycloak 24 a realm silently drops attributes that its user profile does not
// declare.
func (s *setup) ensureTenantAttribute(ctx context.Context) error {
	path := s.realmPath + "/users/profile"
	profile := rep{}
	if !s.realmMissing {
		if found, err := s.readIfExists(ctx, path, &profile); err != nil || !found {
			s.addWarning("realm %s has no user profile (Keycloak before 24): "+
				"allow only administrators to edit the user attribute %s", s.Realm, tenantAttribute)
			return err
		}
	}
	attributes, at, have := findTenantAttribute(profile)
	merged, changed := merge(have, wantedTenantAttribute(have))
	c := Change{Update, "user attribute", tenantAttribute, strings.Join(changed, "; ")}
	switch {
	case have == nil:
		c.Action, c.Detail = Create, "only administrators may edit it"
		attributes = append(attributes, merged)
	case len(changed) == 0:
		s.recordKept(c.Kind, c.Name)
		return nil
	default:
		attributes[at] = merged
	}
	if editors := attributeEditors(have); slices.ContainsFunc(editors, isNotAdmin) {
		s.addWarning("users can edit %s (editors: %s) and thus choose their tenant "+
			"until setup writes the change", tenantAttribute, strings.Join(editors, ", "))
	}
	profile["attributes"] = attributes
	_, err := s.applyChange(ctx, http.MethodPut, path, profile, c)
	return err
}

// findTenantAttribute finds tenant_id among the attributes of a user profile, at index at. If it is missing, have is
// nil.
func findTenantAttribute(profile rep) (attributes []any, at int, have rep) {
	attributes, _ = profile["attributes"].([]any)
	for i, a := range attributes {
		if m, ok := a.(map[string]any); ok && rep(m).stringMember("name") == tenantAttribute {
			at, have = i, m
		}
	}
	return attributes, at, have
}

// TenantEditors returns the groups that may edit a user's tenant_id. Only "admin" alone is safe: with "user", users can
// choose their tenant. It fails with NotFound for a realm that does not declare the attribute or is older than Keycloak
// 24.
func (a *Admin) TenantEditors(ctx context.Context, realm string) ([]string, error) {
	profile := rep{}
	found, err := a.readIfExists(ctx, "/"+url.PathEscape(realm)+"/users/profile", &profile)
	if err != nil {
		return nil, err
	}
	_, _, have := findTenantAttribute(profile)
	if !found || have == nil {
		return nil, fault.New(fault.NotFound, "realm %q: its user profile does not declare %s", realm, tenantAttribute).
			WithHint("`leadctl sso keycloak setup` declares it, editable by administrators only")
	}
	return attributeEditors(have), nil
}

func attributeEditors(attribute rep) (editors []string) {
	rights, _ := attribute["permissions"].(map[string]any)
	list, _ := rights["edit"].([]any)
	for _, e := range list {
		if s, ok := e.(string); ok {
			editors = append(editors, s)
		}
	}
	return editors
}

func isNotAdmin(group string) bool { return group != "admin" }

// wantedTenantAttribute returns the declaration of a new attribute. For an existing one it returns only the
// permissions.
func wantedTenantAttribute(have rep) rep {
	rights := rep{"view": atLeast{"admin"}, "edit": exactly{"admin"}}
	if have != nil {
		return rep{"permissions": rights}
	}
	return rep{
		"name": tenantAttribute, "displayName": "Tenant", "multivalued": false, "permissions": rights,
		"validations": rep{"length": rep{"max": 63}},
	}
}
