package httpapi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

// call returns a valid request for a row of the table, with the tenant's id in the path.
func call(row httpapi.Route, id tenantid.ID, token string) request {
	q := request{method: row.Method, path: strings.NewReplacer("{id}", id.String(), "{name}", "walk").Replace(row.Path),
		token: token}
	if row.Path == "/runs/{id}" {
		q.path = "/runs/1" // created by the rows above
	}
	if row.Body {
		q.body, q.header = `{"name":"walk","payload":{"industries":["software"]}}`,
			header("Content-Type", "application/json")
	}
	return q
}

func guarded(guard ...web.Guard) []httpapi.Route {
	return slices.DeleteFunc(httpapi.Routes(), func(
		row httpapi.Route) bool {
		return !slices.Contains(guard, row.Guard)
	})
}

var requestIDs = regexp.MustCompile(`"request_id":"[^"]*"`)

func anonymous(body string) string { return requestIDs.ReplaceAllString(body, `"request_id":"-"`) }

// badTokens returns invalid tokens by their defect, which no answer may reveal.
func (r *rig) badTokens() map[string]string {
	good := r.token("tenant_id", 1)
	parts := strings.Split(good, ".")
	return map[string]string{
		"expired":        r.token("tenant_id", 1, "exp", 1_700_000_000, "iat", 1_699_999_000),
		"stranger's key": signed(signingKeys()[1], r.claims("tenant_id", 1)),
		"other audience": r.token("tenant_id", 1, "aud", "account"),
		"other issuer":   r.token("tenant_id", 1, "iss", "https://evil.example"),
		"alg none":       b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"not a token":    "opaque",
		"cut":            parts[0] + "." + parts[1],
		"no subject":     r.token("tenant_id", 1, "sub", nil),
		"logout token":   r.token("tenant_id", 1, "events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
	}
}

func TestEveryGuardedRouteRefusesWhoProvesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.state(t)
	bad := r.badTokens()
	var bodies []string
	for _, row := range guarded(web.Identity, web.Member) {
		a := r.do(t, call(row, 1, ""))
		requireProblem(t, a, http.StatusUnauthorized, "unauthenticated")
		require.Equal(t, []string{"Bearer"}, a.header.Values("WWW-Authenticate"), "%s %s", row.Method, row.Path)
		bodies = append(bodies, anonymous(a.body))
		for name, token := range bad {
			a := r.do(t, call(row, 1, token))
			requireProblem(t, a, http.StatusUnauthorized, "unauthenticated")
			require.Equal(t, []string{`Bearer error="invalid_token"`}, a.header.Values("WWW-Authenticate"), "%s %s: %s",
				row.Method, row.Path, name)
			bodies = append(bodies, anonymous(a.body))
		}
	}
	require.Greater(t, len(bodies), 100)
	require.Len(t, slices.Compact(bodies), 1, "every 401 has the same body")
	require.Equal(t, before, r.state(t))
	for name, token := range bad {
		if len(token) > 20 {
			require.NotContains(t, r.log.String(), token, name)
		}
	}
}

func TestEveryMemberRouteWantsAUsableTenantAndItsRole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	own, suspended, deleted := r.tenant(t, "Own"), r.tenant(t, "Suspended"), r.tenant(t, "Deleted")
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, suspended)
	r.exec(t, `UPDATE tenants SET status = 'deleted' WHERE tenant_id = $1`, deleted)
	r.lead(t, own, "CNR-OWN", 0.9)
	before := r.state(t)
	ranks := []sso.Role{sso.Viewer, sso.Ops, sso.Admin}
	for _, row := range guarded(web.Member) {
		name := row.Method + " " + row.Path
		top := []any{"roles", []string{"admin"}}
		for code, claims := range map[string][]any{
			"TENANT_REQUIRED": top,
			"TENANT_INVALID":  append([]any{"tenant_id", 999_999}, top...),
		} {
			requireProblem(t, r.do(t, call(row, own, r.token(claims...))), http.StatusForbidden, code)
		}
		for _, id := range []tenantid.ID{suspended, deleted} {
			requireProblem(t, r.do(t, call(row, id, r.token(append([]any{"tenant_id", id}, top...)...))),
				http.StatusForbidden, "TENANT_SUSPENDED")
		}
		needed := slices.Index(ranks, row.Role)
		require.GreaterOrEqual(t, needed, 0, "%s has no least role", name)
		below := []any{[]string{}, []string{"unknown"}}
		if needed > 0 {
			below = append(below, []string{string(ranks[needed-1])})
		}
		for _, roles := range below {
			requireProblem(t, r.do(t, call(row, own, r.token("tenant_id", own, "roles", roles))), http.StatusForbidden,
				"INSUFFICIENT_ROLE")
		}
	}
	require.Equal(t, before, r.state(t), "a refused request writes nothing")
	for _, row := range guarded(web.Member) {
		a := r.do(t, call(row, own, r.token("tenant_id", own, "roles", []string{string(row.Role)})))
		if strings.HasSuffix(row.Path, "/odoo/api-key/rotate") { // this rig has no Odoo
			requireProblem(t, a, http.StatusServiceUnavailable, "operator")
			continue
		}
		if row.Method == http.MethodDelete { // created by the row above, and the only one
			requireProblem(t, a, http.StatusConflict, "LAST_RULE")
			continue
		}
		require.Less(t, a.status, 300, "%s %s: %s", row.Method, row.Path, a.body)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	}
}

func TestEveryIdentityRouteTakesATokenWithoutTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, row := range guarded(web.Identity) {
		a := r.do(t, call(row, 1, r.token()))
		require.Less(t, a.status, 300, "%s %s: %s", row.Method, row.Path, a.body)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	}
}

// Only the table's rows and the documentation answer: the OpenAPI document lists exactly the table, and only routes.go
// and docs.go register routes.
func TestNothingElseIsRegistered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var described []string
	for path, item := range r.get(t, "/openapi.json", "").object(t)["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	var table []string
	for _, row := range httpapi.Routes() {
		table = append(table, row.Method+" "+row.Path)
	}
	require.ElementsMatch(t, table, described)
	require.ElementsMatch(t, table, slices.Compact(slices.Sorted(slices.Values(table))), "no row twice")
	for _, path := range []string{"/", "/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/vars", "/schemas",
		"/schemas/Page.json", "/openapi.yaml",
		"/openapi-3.0.json", "/docs/page.html", "/docs/", "/docs/LICENSE", "/swaggerui/page.html", "/favicon.ico",
		"/health/", "//health", "/x/../health", "/auth/register"} {
		requireProblem(t, r.get(t, path, ""), http.StatusNotFound, "not_found")
	}
	require.Equal(t, map[string]int{"routes.go Register": 1, "docs.go HandleFunc": 2, "httpapi.go Handle": 1},
		registrations(t))
}

// registrations counts the calls that register a route, by file and function.
func registrations(t *testing.T) map[string]int {
	found := map[string]int{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			called, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := called.Fun.(*ast.SelectorExpr); ok &&
				slices.Contains([]string{"Handle", "HandleFunc", "Register", "AutoRegister"}, sel.Sel.Name) {
				found[name+" "+sel.Sel.Name]++
			}
			return true
		})
	}
	return found
}

func TestEveryRouteIsDescribedWithItsGuard(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	paths := r.get(t, "/openapi.json", "").object(t)["paths"].(map[string]any)
	for _, row := range httpapi.Routes() {
		op := paths[row.Path].(map[string]any)[strings.ToLower(row.Method)].(map[string]any)
		name := fmt.Sprint(row.Method, " ", row.Path)
		require.NotEmpty(t, op["summary"], name)
		require.NotEmpty(t, op["operationId"], name)
		if row.Guard == web.Open {
			require.Nil(t, op["security"], name)
			continue
		}
		require.Equal(t, []any{map[string]any{"token": []any{}}}, op["security"], name)
		responses := op["responses"].(map[string]any)
		for _, status := range []string{"401", "403", "503"} {
			require.Contains(t, responses, status, name)
		}
	}
}
