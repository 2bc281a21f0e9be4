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

// Assignment puts a user into a tenant and gives roles.
type Assignment struct {
	Realm  string
	Client string     // the one that holds the roles
	User   string     // user name or e-mail address
	Tenant string     // "" leaves the tenant as it is
	Roles  []sso.Role // these and no other role of leadctl; none leaves them as they are
	DryRun bool
}

// Assign does what as says; doing it again changes nothing. Faults: Invalid for what cannot be meant, NotFound for an
// unknown realm, client or user, Operator when the realm does not keep the attribute or lacks the roles (Setup cures both).
func (a *Admin) Assign(ctx context.Context, as Assignment) ([]Change, error) {
	if err := checkAssignment(as.Tenant, as.Roles); err != nil {
		return nil, err
	}
	if as.Tenant == "" && len(as.Roles) == 0 {
		return nil, fault.New(fault.Invalid, "user %q: neither a tenant nor roles to assign", as.User)
	}
	s := &setup{Admin: a, Options: Options{Realm: as.Realm, Client: as.Client, DryRun: as.DryRun}, realmPath: "/" + url.PathEscape(as.Realm)}
	user, err := s.findUser(ctx, as.User)
	if err != nil {
		return nil, err
	}
	client, err := s.findEntry(ctx, s.Realm, "/clients?clientId="+url.QueryEscape(s.Client), "clientId", s.Client)
	if err == nil && client == nil {
		err = fault.New(fault.NotFound, "client %q: realm %s has none", s.Client, s.Realm).WithHint("`leadctl sso keycloak setup` makes it")
	}
	if err != nil {
		return nil, err
	}
	err = s.assignUser(ctx, client.stringMember("id"), user.stringMember("id"), User{Email: as.User, Tenant: as.Tenant, Roles: as.Roles})
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
			return fault.New(fault.Invalid, "role %q: not one of viewer, ops, admin", r)
		}
	}
	return nil
}

// findUser looks by user name, then by e-mail address.
func (s *setup) findUser(ctx context.Context, name string) (rep, error) {
	for _, by := range []string{"username", "email"} {
		user, err := s.findEntry(ctx, s.Realm, "/users?exact=true&"+by+"="+url.QueryEscape(name), by, strings.ToLower(name))
		if err != nil || user != nil {
			return user, err
		}
	}
	return nil, fault.New(fault.NotFound, "user %q: realm %s has none", name, s.Realm).
		WithHint("give the user name or the e-mail address exactly")
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

// assignTenant writes the attribute and reads it back, because a realm that does not know it drops it silently.
func (s *setup) assignTenant(ctx context.Context, user string, want User) error {
	path := s.realmPath + "/users/" + user
	var was, now rep
	if _, err := s.callAPI(ctx, http.MethodGet, path, nil, &was); err != nil {
		return err
	}
	it := resource{kind: "tenant", name: want.Email, have: was, update: path, want: rep{"attributes": rep{tenantAttribute: exactly{want.Tenant}}}}
	if _, err := s.ensureResource(ctx, it); err != nil || s.DryRun {
		return err
	}
	if _, err := s.callAPI(ctx, http.MethodGet, path, nil, &now); err != nil {
		return err
	}
	attributes, _ := now["attributes"].(map[string]any)
	if !slices.Equal(stringList(attributes[tenantAttribute]), []string{want.Tenant}) {
		return fault.New(fault.Operator, "realm %s: it did not keep the user attribute %s", s.Realm, tenantAttribute).
			WithHint("declare it in the realm's user profile; `leadctl sso keycloak setup` does")
	}
	return nil
}

// assignRoles adds what is missing and takes away the other roles of leadctl.
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
		return fault.New(fault.Operator, "client %s: it lacks roles of leadctl", s.Client).WithHint("`leadctl sso keycloak setup` makes them")
	}
	return s.changeRoles(ctx, path, want.Email, add, drop)
}

func (s *setup) changeRoles(ctx context.Context, path, user string, add, drop []rep) error {
	if len(add)+len(drop) == 0 {
		s.recordKept("roles", user)
		return nil
	}
	if len(add) > 0 {
		if _, err := s.applyChange(ctx, http.MethodPost, path, add, Change{Update, "roles", user, joinRoleNames("+", add)}); err != nil {
			return err
		}
	}
	if len(drop) > 0 {
		if _, err := s.applyChange(ctx, http.MethodDelete, path, drop, Change{Update, "roles", user, joinRoleNames("-", drop)}); err != nil {
			return err
		}
	}
	return nil
}

func joinRoleNames(sign string, list []rep) string {
	var names []string
	for _, r := range list {
		names = append(names, sign+r.stringMember("name"))
	}
	slices.Sort(names) // Keycloak lists roles in any order
	return strings.Join(names, " ")
}

// ensureUsers makes the users for development. The password of one who is there already stays.
func (s *setup) ensureUsers(ctx context.Context, client string) error {
	for _, u := range s.Users {
		user, err := s.findEntry(ctx, s.Realm, "/users?exact=true&username="+url.QueryEscape(u.Email), "username", strings.ToLower(u.Email))
		if err != nil {
			return err
		}
		local, _, _ := strings.Cut(u.Email, "@")
		it := resource{kind: "user", name: u.Email, have: user, create: s.realmPath + "/users", want: rep{"username": strings.ToLower(u.Email)}}
		if user == nil {
			it.detail = u.String()
			it.want = rep{
				"username": u.Email, "email": u.Email, "emailVerified": true, "enabled": true, "firstName": local, "lastName": "Test",
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
