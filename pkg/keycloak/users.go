package keycloak

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

// Assignment is the tenant and the roles of a user.
type Assignment struct {
	Realm  string
	Client string     // the client that holds the roles
	User   string     // user name or e-mail address
	Tenant string     // "" does not change the tenant
	Roles  []sso.Role // replace the user's leadctl roles; empty does not change them
	DryRun bool
}

// Assign sets a user's tenant and roles. A second run changes nothing. Faults: Invalid for a bad tenant or role or when
// both are missing, NotFound for an unknown realm, client or user, Operator when the realm does not store the attribute
// or lacks the roles; Setup fixes both.
func (a *Admin) Assign(ctx context.Context, as Assignment) ([]Change, error) {
	if err := checkAssignment(as.Tenant, as.Roles); err != nil {
		return nil, err
	}
	if as.Tenant == "" && len(as.Roles) == 0 {
		return nil, fault.New(fault.Invalid, "user %q: give a tenant, roles or both", as.User)
	}
	opts := Options{Realm: as.Realm, Client: as.Client, DryRun: as.DryRun}
	s := &setup{Admin: a, Options: opts, realmPath: "/" + url.PathEscape(as.Realm)}
	user, err := s.findUser(ctx, as.User)
	if err != nil {
		return nil, err
	}
	client, err := s.findEntry(ctx, s.Realm, "/clients?clientId="+url.QueryEscape(s.Client), "clientId", s.Client)
	if err == nil && client == nil {
		err = fault.New(fault.NotFound, "client %q: not found in realm %s", s.Client, s.Realm).
			WithHint("`leadctl sso keycloak setup` creates it")
	}
	if err != nil {
		return nil, err
	}
	want := User{Email: as.User, Tenant: as.Tenant, Roles: as.Roles}
	err = s.assignUser(ctx, client.stringMember("id"), user.stringMember("id"), want)
	return s.Plan, err
}

func checkAssignment(tenant string, roles []sso.Role) error {
	if tenant != "" {
		if err := sso.CheckTenant(tenant); err != nil {
			return err
		}
	}
	for _, r := range roles {
		if !r.Valid() {
			return fault.New(fault.Invalid, "role %q: must be viewer, ops or admin", r)
		}
	}
	return nil
}

// findUser finds a user by user name, else by e-mail address.
func (s *setup) findUser(ctx context.Context, name string) (rep, error) {
	for _, by := range []string{"username", "email"} {
		path := "/users?exact=true&" + by + "=" + url.QueryEscape(name)
		user, err := s.findEntry(ctx, s.Realm, path, by, strings.ToLower(name))
		if err != nil || user != nil {
			return user, err
		}
	}
	return nil, fault.New(fault.NotFound, "user %q: not found in realm %s", name, s.Realm).
		WithHint("give the exact user name or e-mail address")
}

func (s *setup) assignUser(ctx context.Context, client, user string, want User) error {
	if want.Tenant != "" {
		if err := s.assignTenant(ctx, user, want); err != nil {
			return err
		}
	}
	if len(want.Roles) == 0 {
		return nil
	}
	return s.assignRoles(ctx, client, user, want)
}

// assignTenant writes the attribute and reads it back, because a realm that does not declare it drops it without an
// error.
func (s *setup) assignTenant(ctx context.Context, user string, want User) error {
	path := s.realmPath + "/users/" + user
	var was, now rep
	if _, err := s.callAPI(ctx, http.MethodGet, path, nil, &was); err != nil {
		return err
	}
	attribute := rep{"attributes": rep{tenantAttribute: exactly{want.Tenant}}}
	it := resource{kind: "tenant", name: want.Email, have: was, update: path, want: attribute}
	if _, err := s.ensureResource(ctx, it); err != nil || s.DryRun {
		return err
	}
	if _, err := s.callAPI(ctx, http.MethodGet, path, nil, &now); err != nil {
		return err
	}
	attributes, _ := now["attributes"].(map[string]any)
	if !slices.Equal(stringList(attributes[tenantAttribute]), []string{want.Tenant}) {
		return fault.New(fault.Operator, "realm %s: does not store the user attribute %s", s.Realm, tenantAttribute).
			WithHint("declare it in the realm's user profile; `leadctl sso keycloak setup` does this")
	}
	return nil
}

// assignRoles adds the wanted roles that the user lacks and removes leadctl's other roles.
func (s *setup) assignRoles(ctx context.Context, client, user string, want User) error {
	path := s.realmPath + "/users/" + user + "/role-mappings/clients/" + client
	var have, all []rep
	if _, err := s.callAPI(ctx, http.MethodGet, path, nil, &have); err != nil {
		return err
	}
	if _, err := s.callAPI(ctx, http.MethodGet, s.realmPath+"/clients/"+client+"/roles", nil, &all); err != nil {
		return err
	}
	var add, drop []rep
	for _, r := range onlyLeadctlRoles(all) {
		has := slices.ContainsFunc(have, func(h rep) bool { return h.stringMember("name") == r.stringMember("name") })
		wanted := slices.Contains(want.Roles, sso.Role(r.stringMember("name")))
		switch {
		case wanted && !has:
			add = append(add, r)
		case has && !wanted:
			drop = append(drop, r)
		}
	}
	if len(onlyLeadctlRoles(all)) < 3 {
		return fault.New(fault.Operator, "client %s: lacks some of leadctl's roles", s.Client).
			WithHint("`leadctl sso keycloak setup` creates them")
	}
	return s.changeRoles(ctx, path, want.Email, add, drop)
}

func (s *setup) changeRoles(ctx context.Context, path, user string, add, drop []rep) error {
	if len(add)+len(drop) == 0 {
		s.recordKept("roles", user)
		return nil
	}
	if len(add) > 0 {
		c := Change{Update, "roles", user, joinRoleNames("+", add)}
		if _, err := s.applyChange(ctx, http.MethodPost, path, add, c); err != nil {
			return err
		}
	}
	if len(drop) > 0 {
		c := Change{Update, "roles", user, joinRoleNames("-", drop)}
		if _, err := s.applyChange(ctx, http.MethodDelete, path, drop, c); err != nil {
			return err
		}
	}
	return nil
}

// joinRoleNames returns the names, each after sign, in alphabetical order: Keycloak returns roles in no fixed order.
func joinRoleNames(sign string, list []rep) string {
	var names []string
	for _, r := range list {
		names = append(names, sign+r.stringMember("name"))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// ensureUsers creates missing development users and assigns tenant and roles to every development user. It does not
// change the password of an existing user.
func (s *setup) ensureUsers(ctx context.Context, client string) error {
	for _, u := range s.Users {
		name := strings.ToLower(u.Email)
		path := "/users?exact=true&username=" + url.QueryEscape(u.Email)
		user, err := s.findEntry(ctx, s.Realm, path, "username", name)
		if err != nil {
			return err
		}
		local, _, _ := strings.Cut(u.Email, "@")
		it := resource{
			kind: "user", name: u.Email, have: user, want: rep{"username": name}, create: s.realmPath + "/users",
		}
		if user == nil {
			it.detail = u.String()
			it.want = rep{
				"username": u.Email, "email": u.Email, "emailVerified": true, "enabled": true,
				"firstName": local, "lastName": "Test",
				"credentials": []rep{{"type": "password", "value": s.Password, "temporary": false}},
			}
		}
		id, err := s.ensureResource(ctx, it)
		if err != nil {
			return err
		}
		if id == "" || client == "" {
			continue
		}
		if err := s.assignUser(ctx, client, id, u); err != nil {
			return err
		}
	}
	return nil
}
