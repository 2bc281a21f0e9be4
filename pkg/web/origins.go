package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// allowOrigins lets pages of the configured origins, compared exactly, call with credentials. Other origins get no CORS
// header. methods are those of the route table.
func (d *Door) allowOrigins(methods []string, next http.Handler) http.Handler {
	allowed := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, origin := w.Header(), r.Header.Get("Origin")
		h.Add("Vary", "Origin")
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if origin != "" && slices.Contains(d.cfg.CORSOrigins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, X-Dev-Bypass, X-End-Session-Url, X-Row-Count, "+
				"Content-Disposition, ETag, Last-Modified, Retry-After")
			if preflight {
				h.Set("Access-Control-Allow-Methods", allowed)
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

// refuseCrossOrigin refuses a state-changing request that a page of another origin made the browser send with its
// cookies.
func (d *Door) refuseCrossOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range d.cfg.CORSOrigins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			d.log.Error("CORS origin ignored: want scheme://host[:port]", "origin", origin, "error", err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			Refuse(w, r, fault.New(fault.Denied, "cross-origin request: %w", err).WithCode("CROSS_ORIGIN"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
