package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

const export = "/export/latest_scores.json?limit=1"

func noCredentials(t *testing.T, r *rig) {
	a := r.get(t, export, "")
	requireProblem(t, a, http.StatusUnauthorized, "unauthenticated")
	require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
}

func tooBigTokens(t *testing.T, _ *rig) {
	r := newRig(t)
	requireProblem(t, r.get(t, export, strings.Repeat("a", 16<<10+1)), http.StatusUnauthorized, "unauthenticated")
	requireProblem(t, r.get(t, export, r.token("tenant_id", 1, "pad", strings.Repeat("a", 16<<10))),
		http.StatusUnauthorized, "unauthenticated")
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, r.get(t, export, strings.Repeat("a", 40<<10)).status)
	require.Zero(t, r.hits.Load(), "no key was fetched")
}

func noTenantClaim(t *testing.T, r *rig) {
	for i, claim := range []any{nil, json.RawMessage(`null`), ""} {
		token := r.token("tenant_id", claim, "sub", fmt.Sprint("A-070-", i), "email",
			fmt.Sprintf("a070-%d@acme.example", i))
		requireProblem(t, r.get(t, export, token), http.StatusForbidden, "TENANT_REQUIRED")
		first := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login", token: token})
		require.Equal(t, http.StatusAccepted, first.status, first.body)
		mine := r.get(t, "/whoami", token)
		require.Equal(t, http.StatusOK, mine.status, mine.body)
		require.Equal(t, first.object(t)["tenant_id"], mine.object(t)["tenant_id"])
	}
}

func numberAndText(t *testing.T, r *rig) {
	id := r.tenant(t, "A-071")
	for _, claim := range []any{id, id.String()} {
		a := r.get(t, "/whoami", r.token("tenant_id", claim))
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.InDelta(t, int(id), a.object(t)["tenant_id"], 0)
	}
}

// refusedTenants requires that each claim, given as JSON, is rejected on a read route and on the onboarding route, that
// nothing is written, and that no SQL error occurs.
func refusedTenants(t *testing.T, claims ...string) {
	t.Helper()
	r := newRig(t)
	r.tenant(t, "One")
	before := r.state(t)
	for _, claim := range claims {
		payload, err := json.Marshal(r.claims("tenant_id", "CLAIM", "roles", []string{"admin"}))
		require.NoError(t, err)
		token := signedText(signingKeys()[0], `{"alg":"RS256","kid":"k1","typ":"JWT"}`,
			strings.Replace(string(payload), `"CLAIM"`, claim, 1))
		for _, q := range []request{{path: export}, {method: http.MethodPost, path: "/onboarding/first_login"}} {
			q.token = token
			a := r.do(t, q)
			if strings.Contains(claim, `\u0000`) { // the whole token is invalid
				requireProblem(t, a, http.StatusUnauthorized, "unauthenticated")
				continue
			}
			requireProblem(t, a, http.StatusForbidden, "TENANT_INVALID")
		}
	}
	require.Equal(t, before, r.state(t))
	require.NotContains(t, r.log.String(), "SQLSTATE")
	require.NotContains(t, r.log.String(), `"level":"ERROR"`)
}

func numbersThatAreNone(t *testing.T, _ *rig) {
	refusedTenants(t, `1.0`, `1e0`, `1.5`, `-0`, `0`, `-1`, `true`)
}

func looseSpellings(t *testing.T, _ *rig) {
	refusedTenants(t, `"01"`, `"+1"`, `" 1"`, `"1 "`, `"1\n"`, `"0x1"`, `"1_0"`, `"1.0"`)
}

func foreignDigits(t *testing.T, _ *rig) {
	refusedTenants(t, `"１"`, `"١"`, `"1\u200d"`, `"\u202e1"`, `"1\u0301"`)
}

func hugeNumbers(t *testing.T, _ *rig) {
	refusedTenants(t, `12345678901234567890`, `"12345678901234567890"`, strings.Repeat("9", 400), `99999999999`,
		`"99999999999"`, `2147483648`)
}

func structuredTenants(t *testing.T, _ *rig) {
	refusedTenants(t, `["1"]`, `[1,2]`, `{"id":1}`, strings.Repeat("[", 100)+"1"+strings.Repeat("]", 100))
}

func wildTenants(t *testing.T, _ *rig) {
	refusedTenants(t, `"*"`, `"%"`, `"all"`, `"null"`, `"public"`, `"1 OR 1=1"`, `"1'; RESET ROLE;--"`,
		`"`+strings.Repeat("a", 10<<10)+`"`, `"a\u0000"`)
	// A reserved word is a well-formed external id, but no tenant can have it.
	r := newRig(t)
	before := r.state(t)
	for _, name := range []string{"postgres", "template1", "admin"} {
		requireProblem(t, r.get(t, export, r.token("tenant_id", name)), http.StatusForbidden, "TENANT_REQUIRED")
		a := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
			token: r.token("tenant_id", name)})
		requireProblem(t, a, http.StatusBadRequest, "invalid")
	}
	require.Equal(t, before, r.state(t))
}

func twoTenantClaims(t *testing.T, r *rig) {
	id := r.tenant(t, "A-080")
	const other = "https://claims/tenant_id"
	require.Equal(t, http.StatusOK, r.get(t, export, r.token("tenant_id", id, other, id.String())).status)
	for _, claim := range []any{id + 1, "acme", 1.5, []int{1}} {
		requireProblem(t, r.get(t, export, r.token("tenant_id", id, other, claim)), http.StatusForbidden,
			"TENANT_INVALID")
	}
}

func unknownTenants(t *testing.T, _ *rig) {
	r := newRig(t)
	before := r.state(t)
	for _, row := range guarded(web.Member) {
		requireProblem(t, r.do(t, call(row, 77, r.token("tenant_id", 77, "roles", []string{"admin"}))),
			http.StatusForbidden, "TENANT_INVALID")
		requireProblem(t, r.do(t, call(row, 77, r.token("tenant_id", "unknown", "roles", []string{"admin"}))),
			http.StatusForbidden, "TENANT_REQUIRED")
	}
	require.Equal(t, before, r.state(t))
}

func suspendedTenants(t *testing.T, _ *rig) {
	r := newRig(t)
	id := r.tenant(t, "A-083")
	token := r.token("tenant_id", id, "roles", []string{"admin"})
	require.Equal(t, http.StatusOK, r.get(t, export, token).status)
	for _, status := range []string{"suspended", "deleted"} {
		r.exec(t, `UPDATE tenants SET status = $2 WHERE tenant_id = $1`, id, status)
		for _, row := range guarded(web.Member) {
			requireProblem(t, r.do(t, call(row, id, token)), http.StatusForbidden, "TENANT_SUSPENDED")
		}
		requireProblem(t, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login", token: token}),
			http.StatusForbidden, "TENANT_SUSPENDED")
	}
	r.exec(t, `UPDATE tenants SET status = 'active' WHERE tenant_id = $1`, id)
	require.Equal(t, http.StatusOK, r.get(t, export, token).status)
}

// mayEdit reports whether a token with these claims has the role of ops, mayRead that of viewer.
func (r *rig) mayEdit(t *testing.T, id tenantid.ID, claims ...any) bool {
	t.Helper()
	return r.allowed(t, r.post(t, "/icp/rules", r.token(append([]any{"tenant_id", id}, claims...)...),
		`{"payload":{}}`))
}

func (r *rig) mayRead(t *testing.T, id tenantid.ID, claims ...any) bool {
	t.Helper()
	return r.allowed(t, r.get(t, export, r.token(append([]any{"tenant_id", id}, claims...)...)))
}

func (r *rig) allowed(t *testing.T, a answer) bool {
	t.Helper()
	if a.status == http.StatusOK {
		return true
	}
	requireProblem(t, a, http.StatusForbidden, "INSUFFICIENT_ROLE")
	return false
}

func rolesAsText(t *testing.T, r *rig) {
	id := r.tenant(t, "A-085")
	require.True(t, r.mayEdit(t, id, "roles", "admin"))
	require.True(t, r.mayEdit(t, id, "roles", []string{"x", "admin"}))
	require.False(t, r.mayRead(t, id, "roles", "admin,ops"), "no delimiter is configured, so this is one unknown role")
	require.False(t, r.mayRead(t, id, "roles", "admin ops"))
}

func almostAdmin(t *testing.T, r *rig) {
	id := r.tenant(t, "A-086")
	for _, name := range []string{"not-admin", "administrator", "Admin", "admin ", "аdmin", "ADMIN"} {
		require.False(t, r.mayRead(t, id, "roles", []string{name}), name)
		require.False(t, r.mayEdit(t, id, "roles", []string{name, "viewer"}), name)
	}
}

func malformedRoles(t *testing.T, r *rig) {
	id := r.tenant(t, "A-087")
	for _, roles := range []any{[]any{"admin", 1, nil, map[string]any{}}, map[string]any{"admin": true}, 1,
		[]any{[]any{"admin"}}} {
		require.False(t, r.mayRead(t, id, "roles", roles), "%v", roles)
	}
}

func realmRoles(t *testing.T, r *rig) {
	id := r.tenant(t, "A-088")
	realm := func(roles any) []any { return []any{"roles", nil, "realm_access", map[string]any{"roles": roles}} }
	require.True(t, r.mayEdit(t, id, realm([]string{"ops"})...))
	require.True(t, r.mayEdit(t, id, realm("ops")...))
	require.False(t, r.mayRead(t, id, realm(7)...))
	for _, odd := range []any{[]string{"ops"}, "ops"} {
		require.False(t, r.mayRead(t, id, "roles", nil, "realm_access", odd), "%v", odd)
	}
}

func rolesFromSeveral(t *testing.T, r *rig) {
	id := r.tenant(t, "A-090")
	claims := []any{"tenant_id", id, "roles", []string{"viewer", "x"}, "realm_access", map[string]any{"roles": []string{"ops", "viewer"}}, "https://claims/roles", []string{"viewer"}}
	a := r.get(t, "/whoami", r.token(claims...))
	require.Equal(t, []any{"viewer", "ops"}, a.object(t)["roles"])
}

func manyRoles(t *testing.T, r *rig) {
	id := r.tenant(t, "A-091")
	many := make([]string, 2500)
	for i := range many {
		many[i] = "x"
	}
	require.False(t, r.mayRead(t, id, "roles", many))
	require.True(t, r.mayRead(t, id, "roles", append(many, "viewer")))
}

func rolesTooLow(t *testing.T, r *rig) {
	id := r.tenant(t, "A-092")
	require.True(t, r.mayRead(t, id, "roles", []string{"viewer"}))
	require.False(t, r.mayEdit(t, id, "roles", []string{"viewer"}))
	require.False(t, r.mayRead(t, id, "roles", []string{}))
	require.False(t, r.mayRead(t, id, "roles", nil), "no claim and no stored role")
	r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
		VALUES ($1, 'a@b.c', $2, 'A-092', '{ops}')`, id, r.URL)
	require.True(t, r.mayEdit(t, id, "roles", nil, "sub", "A-092"), "without a claim the stored role counts")
	require.False(t, r.mayEdit(t, id, "roles", []string{"viewer"}, "sub", "A-092"), "with one it does not")
}

func providerDownAtStart(t *testing.T, _ *rig) {
	r := newRig(t, func(s *setup) { s.level = 0 })
	id := r.tenant(t, "A-110")
	r.down.Store(true)
	token := r.token("tenant_id", id)
	for range 3 {
		a := r.get(t, export, token)
		requireProblem(t, a, http.StatusServiceUnavailable, "unavailable")
		require.Regexp(t, `^[1-9][0-9]?$`, a.header.Get("Retry-After"))
		require.NotContains(t, a.body, "CANARY-IDP")
	}
	r.down.Store(false)
	for range 1200 { // a bound for a broken test
		if r.get(t, export, token).status == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("it does not recover")
}

func equalRefusals(t *testing.T, r *rig) {
	want := anonymous(r.get(t, export, "").body)
	for name, token := range r.badTokens() {
		require.Equal(t, want, anonymous(r.get(t, export, token).body), name)
	}
	for _, value := range []string{"Bearer", "Basic dTpw", "Bearer a b"} {
		require.Equal(t, want, anonymous(r.do(t, request{path: export, header: header("Authorization", value)}).body),
			value)
	}
	require.Equal(t, want, anonymous(r.do(t, request{path: export, header: header("Cookie", cookie+"=opaque")}).body))
}

func refusalsNeedNoDatabase(t *testing.T, _ *rig) {
	r := newRig(t, func(s *setup) { s.deps.DB = dead(t); s.level = 100 })
	bad := r.badTokens()
	for range 10_000/len(bad) + 1 {
		for name, token := range bad {
			require.Equal(t, http.StatusUnauthorized, r.get(t, export, token).status, name)
		}
		require.Equal(t, http.StatusUnauthorized, r.get(t, export, "").status)
	}
	a := r.get(t, export, r.token("tenant_id", 1))
	requireProblem(t, a, http.StatusServiceUnavailable, "unavailable")
	require.NotContains(t, a.body, "CANARY")
}
