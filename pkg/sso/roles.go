package sso

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Role determines what a caller may do. Names must match exactly: "Admin" and "admin " are not roles.
type Role string

// The roles. Each includes the ones before it.
const (
	Viewer Role = "viewer" // reads
	Ops    Role = "ops"    // also edits ICP rules, starts runs, retries provisioning
	Admin  Role = "admin"  // also manages users and keys
)

// rank returns the role's position in the order of the roles, from 1, or 0 for no role.
func (r Role) rank() int {
	return slices.Index([]Role{Viewer, Ops, Admin}, r) + 1
}

// Valid reports whether r is Viewer, Ops or Admin.
func (r Role) Valid() bool { return r.rank() > 0 }

// AtLeast reports whether r is least or higher. It is false if r or least is not a valid role.
func (r Role) AtLeast(least Role) bool { return least.Valid() && r.rank() >= least.rank() }

// roleSet is the union of all configured roles claims of a token.
type roleSet struct {
	roles   []Role
	ignored []string // names that are not leadctl roles
	present bool
	sources []claimPath // the claims that contain any name
}

// readRoles returns the union of the roles claims at paths; ClaimPaths says which of them count. It fails if a claim is
// neither a string nor a list of strings.
func readRoles(c members, paths []claimPath, delimiter string) (roleSet, error) {
	var set roleSet
	for _, p := range paths {
		names, present, err := readRolesAt(c, p, delimiter)
		if err != nil {
			return roleSet{present: true}, fmt.Errorf("claim %s: %w", p, err)
		}
		set.present = set.present || present && !p.isShared()
		if len(names) > 0 {
			set.sources = append(set.sources, p)
		}
		set.addNames(names)
	}
	set.present = set.present || len(set.roles) > 0
	slices.SortFunc(set.roles, func(a, b Role) int { return a.rank() - b.rank() })
	return set, nil
}

// sourceNames returns the claims that contain any name.
func (s roleSet) sourceNames() string {
	var names []string
	for _, p := range s.sources {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

func (s *roleSet) addNames(names []string) {
	for _, n := range names {
		r := Role(n)
		switch {
		case !r.Valid():
			s.ignored = append(s.ignored, n)
		case !slices.Contains(s.roles, r):
			s.roles = append(s.roles, r)
		}
	}
}

// readRolesAt returns the names in one claim. It treats null as absent.
func readRolesAt(c members, p claimPath, delimiter string) ([]string, bool, error) {
	v, err := c.valueAt(p)
	if err != nil || v == nil || v.Kind() == 'n' {
		return nil, false, err
	}
	if v.Kind() == '"' {
		return splitRoles(unquoteString(v), delimiter), true, nil
	}
	names, err := stringList(v)
	return names, true, err
}

func splitRoles(s, delimiter string) []string {
	if delimiter == "" {
		return []string{s}
	}
	return strings.Split(s, delimiter)
}

// stringList parses a JSON list of strings.
func stringList(v jsontext.Value) ([]string, error) {
	if err := requireList(v); err != nil {
		return nil, err
	}
	out := make([]string, 0, 4)
	for _, e := range walkEntries(v) {
		if e.Kind() != '"' {
			return nil, fmt.Errorf("want a list of strings, got %s in the list", kindName(e))
		}
		out = append(out, unquoteString(e))
	}
	return out, nil
}
