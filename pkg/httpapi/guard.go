package httpapi

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/web"
)

// guardRoute returns the middleware that authenticates the caller and rejects requests that the route does not allow.
func (s *Server) guardRoute(api huma.API, route Route) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		web.SetRoute(hc.Context(), route.Method+" "+route.Path, route.Log)
		r, w := humago.Unwrap(hc)
		if route.Guard == web.Open {
			if route.Body {
				if err := requireStrictJSON(r); err != nil {
					web.ProblemOf(hc.Context(), err).Write(w)
					return
				}
			}
			next(hc)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		ctx, err := s.door.Authenticate(w, r, web.Need{Guard: route.Guard, Role: route.Role})
		if err == nil && route.Body {
			err = requireStrictJSON(r)
		}
		if err != nil {
			web.ProblemOf(hc.Context(), err).Write(w)
			return
		}
		next(huma.WithContext(hc, ctx))
	}
}

// limitPace returns the middleware that rejects a tenant or address above the route's pace.
func (s *Server) limitPace(route Route) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(hc)
		source := s.door.SourceOf(r)
		if route.Guard == web.Member {
			source = web.PrincipalOf(hc.Context()).Tenant.ID.String()
		}
		if err := route.Pace.Take(source, s.now()); err != nil {
			web.ProblemOf(hc.Context(), err).Write(w)
			return
		}
		next(hc)
	}
}
