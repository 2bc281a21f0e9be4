package sso

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Role is what a caller may do. Names are matched exactly: "Admin" or "admin " is nobody.
type Role string

// The roles, each including those before it.
const (
	Viewer Role = "viewer" // reads
	Ops    Role = "ops"    // also edits ICP rules, starts runs, retries provisioning
	Admin  Role = "admin"  // also manages users and keys
)

// rank orders the roles; 0 is no role.
func (r Role) rank() int {
	return slices.Index([]Role{Viewer, Ops, Admin}, r) + 1
}

// Valid reports whether r is one of the three.
func (r Role) Valid() bool { return r.rank() > 0 }

// AtLeast reports whether r is least or stands above it. An unknown role is below every known one, and nothing
// reaches an unknown least.
func (r Role) AtLeast(least Role) bool { return least.Valid() && r.rank() >= least.rank() }

// roleSet is what all configured roles claims of one token say together.
type roleSet struct {
	roles   []Role
	ignored []string // names that mean nothing here
	present bool
	sources []claimPath // the claims that held any name
}

// readRoles unites the roles of every configured source. A source that is neither a text nor a list of texts is an error.
// A dedicated claim speaks by being there, even when it names no role of ours: then the caller has none. A shared one
// speaks only through a role of ours, because the provider fills it for every user of every application.
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

// sourceNames lists the claims that held any name.
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

// readRolesAt reads one source. Absent and null are the same.
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

// stringList reads a JSON array that holds texts only.
func stringList(v jsontext.Value) ([]string, error) {
	if err := requireList(v); err != nil {
		return nil, err
	}
	out := make([]string, 0, 4)
	for _, e := range walkEntries(v) {
		if e.Kind() != '"' {
			return nil, fmt.Errorf("a list element that is %s, not a text", kindName(e))
		}
		out = append(out, unquoteString(e))
	}
	return out, nil
}
