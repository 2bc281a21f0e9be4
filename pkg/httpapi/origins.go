package httpapi

import (
	"net/http"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
)

// cors lets the configured origins, exactly as written, call with credentials; everybody else gets no header at all.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, origin := w.Header(), r.Header.Get("Origin")
		h.Add("Vary", "Origin")
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if origin != "" && slices.Contains(s.cfg.CORSOrigins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, X-Dev-Bypass, Content-Disposition")
			if preflight {
				h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
				h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-tenant-id")
				h.Set("Access-Control-Max-Age", "600")
			}
		}
		if preflight {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses a state-changing request that a foreign page made the browser send along with its cookies.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range s.cfg.CORSOrigins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			s.log.Error("CORS origin is not an origin and is ignored", "origin", origin, "error", err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			problemOf(r.Context(), fault.New(fault.Denied, "cross-origin request: %w", err).WithCode("CROSS_ORIGIN")).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}
