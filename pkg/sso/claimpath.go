package sso

import "strings"

// clientPlaceholder is a step of a path that stands for each configured client and audience.
const clientPlaceholder = "<client>"

// ClaimPaths are the claims that contain tenant and roles. A path is a claim's name, or names joined
// by dots for a member of an object claim (realm_access.roles). A path that contains "://" is one
// name, including its dots (https://claims/roles). The step <client> stands for each configured
// client and audience (resource_access.<client>.roles).
//
// A roles claim is shared or dedicated. Providers fill realm_access, resource_access and groups for all applications,
// so these are shared: they count only if they contain a leadctl role. Any other roles claim is dedicated: it counts if
// it is present, and the caller has no role if it contains none.
type ClaimPaths struct {
	Tenant        []string // default: tenant_id, https://claims/tenant_id
	Roles         []string // default: roles, https://claims/roles, and the shared ones
	RoleDelimiter string   // splits a roles claim that is a string; "" means that the string is one role
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

// claimPath is a parsed path: one or more member names, from the outermost to the innermost.
type claimPath []string

// String returns the path as in the configuration.
func (p claimPath) String() string { return strings.Join(p, ".") }

// isShared reports whether the provider fills this claim for all applications, as ClaimPaths describes.
func (p claimPath) isShared() bool {
	return p[0] == "realm_access" || p[0] == "resource_access" || len(p) == 1 && p[0] == "groups"
}

// parsePath splits a path of the configuration; ok is false if a step is empty.
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

// expandClients returns one path for each client if p contains the placeholder, else p.
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

// expandPaths parses and expands paths of the configuration; bad holds those that cannot be parsed.
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
