package sso

import "strings"

// clientPlaceholder in a path stands for every configured client and audience in turn.
const clientPlaceholder = "<client>"

// ClaimPaths says where tenant and roles stand in a token. A path is a claim's name, or names joined by dots that lead
// into objects (realm_access.roles). A path with "://" in it is one name, dots and all (https://claims/roles).
// The step <client> stands for every configured client and audience in turn (resource_access.<client>.roles).
//
// realm_access, resource_access and groups are shared: providers fill them for all applications, so they count as a roles
// claim only when they hold one of our roles. Every other roles claim is dedicated: being there is enough, and without a
// role of ours in it the caller has none.
type ClaimPaths struct {
	Tenant        []string // empty means tenant_id and https://claims/tenant_id
	Roles         []string // empty means roles, https://claims/roles, realm_access.roles, resource_access.<client>.roles, groups
	RoleDelimiter string   // splits a roles claim that is one text; empty means that it is one role
}

func (p ClaimPaths) withDefaults() ClaimPaths {
	if len(p.Tenant) == 0 {
		p.Tenant = []string{"tenant_id", "https://claims/tenant_id"}
	}
	if len(p.Roles) == 0 {
		p.Roles = []string{
			"roles", "https://claims/roles", "realm_access.roles",
			"resource_access." + clientPlaceholder + ".roles", "groups",
		}
	}
	return p
}

// claimPath is a parsed path: member names from the outside in, at least one.
type claimPath []string

// String is the path as it is configured and logged.
func (p claimPath) String() string { return strings.Join(p, ".") }

// isShared reports whether every application of the provider finds its users' roles or groups here, so that the claim says
// nothing about leadctl by merely being there: realm_access, resource_access and groups.
func (p claimPath) isShared() bool {
	return p[0] == "realm_access" || p[0] == "resource_access" || len(p) == 1 && p[0] == "groups"
}

// parsePath splits a configured path; ok is false when a step is empty.
func parsePath(s string) (p claimPath, ok bool) {
	if strings.Contains(s, "://") {
		return claimPath{s}, true
	}
	p = strings.Split(s, ".")
	for _, step := range p {
		if step == "" {
			return nil, false
		}
	}
	return p, true
}

// expandClients puts each client in the placeholder's stead.
func (p claimPath) expandClients(clients []string) []claimPath {
	for i, step := range p {
		if step != clientPlaceholder {
			continue
		}
		var out []claimPath
		for _, c := range clients {
			q := append(claimPath{}, p...)
			q[i] = c
			out = append(out, q)
		}
		return out
	}
	return []claimPath{p}
}

// expandPaths parses and expands configured paths; bad holds those that cannot be parsed.
func expandPaths(paths, clients []string) (out []claimPath, bad []string) {
	for _, s := range paths {
		p, ok := parsePath(s)
		if !ok {
			bad = append(bad, s)
			continue
		}
		out = append(out, p.expandClients(clients)...)
	}
	return out, bad
}
