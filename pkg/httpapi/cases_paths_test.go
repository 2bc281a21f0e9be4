package httpapi_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
)

// pathsLeadNowhere: no route accepts a file name. Routes that serve files have a fixed list of paths.
func pathsLeadNowhere(t *testing.T, r *rig) {
	id := r.tenant(t, "C-049")
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	for _, base := range []string{"/docs/", "/export/", "/", "/tenants/", "/runs/"} {
		for _, name := range []string{"..", "../", "../../etc/passwd", "..%2f..%2fetc%2fpasswd",
			"%2e%2e/%2e%2e/etc/passwd", "....//etc/passwd", "%2fetc%2fpasswd", "etc/passwd",
			"..%5c..%5cwindows", "%5c%5chost%5cshare", "C:%5cboot.ini", "page.html", "NOTICE", "swagger-ui.css%00",
			"init.js%00.html", ".%2finit.js", "file:%2f%2f%2fetc%2fpasswd", "%00", "..;/init.js"} {
			a := r.do(t, request{path: base + name, token: token})
			require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest}, a.status, base+name)
			require.NotContains(t, a.body, "root:")
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), base+name)
		}
	}
}

// nothingForDevelopers: a server has no development routes, for any caller.
func nothingForDevelopers(t *testing.T, r *rig) {
	id := r.tenant(t, "C-052")
	admin := r.token("tenant_id", id, "roles", []string{"admin"})
	for _, path := range []string{"/dev", "/dev/tenant", "/seed", "/test", "/tests", "/admin", "/reset", "/fixtures",
		"/login", "/authorize", "/token", "/keys", "/openapi.yaml", "/openapi-3.0.json",
		"/schemas", "/schemas/Problem.json", "/swagger", "/swagger.json", "/redoc", "/graphql", "/failpoints",
		"/debug/failpoints", "/.env", "/.git/config", "/.well-known/openid-configuration"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			requireProblem(t, r.do(t, request{method: method, path: path, token: admin}), http.StatusNotFound,
				"not_found")
		}
	}
	bypass := r.do(t, request{path: "/whoami", header: header("X-Tenant-ID", id.String())})
	requireProblem(t, bypass, http.StatusUnauthorized, "unauthenticated")
	require.Empty(t, bypass.header.Get("X-Dev-Bypass"))
}

// nothingInFrames: no answer can be shown in a frame of a foreign page.
func nothingInFrames(t *testing.T, _ *rig) {
	r, _, _ := signInRig(t)
	seen := map[int]bool{}
	asked := []request{{path: "/auth/login"}, {path: "/docs"}, {path: "/openapi.json"}, {path: "/nowhere"},
		{path: "/auth/callback?state=x"}, {method: http.MethodPut, path: "/health"},
		{path: "/health", header: header("Content-Encoding", "gzip")}}
	for _, row := range httpapi.Routes() {
		asked = append(asked, call(row, 1, ""))
	}
	for _, q := range asked {
		a := r.do(t, q)
		seen[a.status/100] = true
		require.Equal(t, []string{"DENY"}, a.header.Values("X-Frame-Options"), "%s %s", q.method, q.path)
		if to, err := url.Parse(a.header.Get("Location")); err == nil && to.Host != "" {
			require.Empty(t, a.body)
		}
	}
	require.True(t, seen[2] && seen[3] && seen[4], "%v", seen)
}
