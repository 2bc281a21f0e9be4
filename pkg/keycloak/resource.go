package keycloak

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// resource is one resource of the realm, with its current and its wanted state.
type resource struct {
	kind, name     string
	have           rep // nil if it does not exist
	want           rep
	create, update string // the paths to POST and PUT to; update is "" for a resource that is never updated
	detail         string // describes a new resource in the plan
}

// ensureResource creates or updates a resource if needed and adds a line to the plan. It returns the resource's id, or
// "" if a dry run would create it.
func (s *setup) ensureResource(ctx context.Context, it resource) (id string, err error) {
	merged, changed := merge(it.have, it.want)
	switch {
	case it.have == nil:
		return s.applyChange(ctx, http.MethodPost, it.create, merged, Change{Create, it.kind, it.name, it.detail})
	case len(changed) > 0 && it.update != "":
		c := Change{Update, it.kind, it.name, strings.Join(changed, "; ")}
		_, err = s.applyChange(ctx, http.MethodPut, it.update, merged, c)
	default:
		s.recordKept(it.kind, it.name)
	}
	return it.have.stringMember("id"), err
}

// applyChange sends a request, except in a dry run, and adds c to the plan if the request succeeds. It returns the id
// of a created resource.
func (s *setup) applyChange(ctx context.Context, method, path string, in any, c Change) (id string, err error) {
	if !s.DryRun {
		id, err = s.callAPI(ctx, method, path, in, nil)
	}
	if err == nil {
		s.Plan = append(s.Plan, c)
	}
	return id, err
}

func (s *setup) recordKept(kind, name string) { s.Plan = append(s.Plan, Change{Keep, kind, name, ""}) }

func (s *setup) addWarning(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// findEntry reads the list at path and returns the element whose member name is value, or nil. parent is the id of the
// resource that the list belongs to. If it is "", a dry run would create that resource, and the list is empty.
func (s *setup) findEntry(ctx context.Context, parent, path, name, value string) (rep, error) {
	if s.realmMissing || parent == "" {
		return nil, nil
	}
	var list []rep
	if _, err := s.callAPI(ctx, http.MethodGet, s.realmPath+path, nil, &list); err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.stringMember(name) == value {
			return r, nil
		}
	}
	return nil, nil
}
