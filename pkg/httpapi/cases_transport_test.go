package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/web"
)

func tokensElsewhere(t *testing.T, _ *rig) {
	r := newRig(t)
	id := r.tenant(t, "A-093")
	token := r.token("tenant_id", id)
	form := header("Content-Type", "application/x-www-form-urlencoded")
	for name, q := range map[string]request{
		"access_token": {path: export + "&access_token=" + token},
		"token":        {path: export + "&token=" + token},
		"form": {method: http.MethodPost, path: "/onboarding/first_login", body: "access_token=" + token,
			header: form},
		"form, rules": {method: http.MethodPost, path: "/icp/rules", body: "access_token=" + token, header: form},
		"own header":  {path: export, header: header("X-Access-Token", token)},
		"websocket": {path: export, header: header("Connection", "Upgrade", "Upgrade", "websocket",
			"Sec-WebSocket-Version", "13",
			"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol", "bearer, "+token)},
		"other cookie": {path: export, header: header("Cookie", "access="+token)},
		"proxy":        {path: export, header: header("Proxy-Authorization", "Bearer "+token)},
	} {
		a := r.do(t, q)
		requireProblem(t, a, http.StatusUnauthorized, "unauthenticated")
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"), name)
	}
	require.NotContains(t, r.log.String(), token)
	require.NotContains(t, r.log.String(), "eyJ")

	require.Equal(t, http.StatusOK, r.do(t, request{path: export, header: header("Cookie", cookie+"="+token)}).status)
	require.Equal(t, http.StatusOK, r.do(t, request{path: export, token: token,
		header: header("Cookie", cookie+"="+token)}).status)
	other := r.token("tenant_id", id, "sub", "another user")
	for name, h := range map[string]http.Header{
		"two headers":                {"Authorization": {"Bearer " + token, "Bearer " + token}},
		"header and other cookie":    {"Authorization": {"Bearer " + other}, "Cookie": {cookie + "=" + token}},
		"two cookies":                {"Cookie": {cookie + "=" + token + "; " + cookie + "=" + other}},
		"two cookies in two headers": {"Cookie": {cookie + "=" + token, cookie + "=" + other}},
	} {
		t.Run(name, func(t *testing.T) {
			requireProblem(t, r.do(t, request{path: export, header: h}), http.StatusBadRequest, "invalid_request")
		})
	}
}

func schemeInAnyCase(t *testing.T, r *rig) {
	token := r.token("tenant_id", r.tenant(t, "A-096"))
	for _, scheme := range []string{"Bearer", "bearer", "BEARER", "bEaReR"} {
		require.Equal(t, http.StatusOK, r.do(t, request{path: export,
			header: header("Authorization", scheme+" "+token)}).status, scheme)
	}
}

func malformedAuthorization(t *testing.T, r *rig) {
	token := r.token("tenant_id", r.tenant(t, "A-097"))
	for _, value := range []string{"Bearer", "Bearer  ", "Bearer  " + token, "Bearer\t" + token,
		"Bearer " + token + " " + token, "Bearer " + token + "," + token,
		"Bearer " + token + ",", "Basic " + token, "Token " + token, "\u00a0Bearer " + token, token, "Bearer" + token,
		`Bearer "` + token + `"`, "Bearer \u00a0" + token, "Bearer token=" + token} {
		requireProblem(t, r.do(t, request{path: export, header: header("Authorization", value)}),
			http.StatusUnauthorized, "unauthenticated")
	}
}

func tenantHeaderIgnored(t *testing.T, r *rig) {
	own, other := r.tenant(t, "A-098"), r.tenant(t, "A-098 other")
	r.lead(t, own, "CNR-098-OWN", 0.5)
	r.lead(t, other, "CNR-098-OTHER", 0.5)
	token := r.token("tenant_id", own)
	for _, path := range []string{"/export/latest_scores.json", "/export/latest_scores.csv", "/scores/latest",
		"/whoami", "/session/odoo_info", "/icp/rules", "/shortlist/status", "/candidates/latest"} {
		want := r.get(t, path, token)
		require.NotContains(t, want.body, "CNR-098-OTHER")
		for _, name := range []string{"X-Tenant-ID", "x-tenant-id", "X_Tenant_ID", "X-Forwarded-Tenant", "Tenant-Id",
			"X-Original-Tenant"} {
			got := r.do(t, request{path: path, token: token, header: http.Header{name: {other.String()}}})
			require.Equal(t, want.body, got.body, "%s with %s", path, name)
			require.Equal(t, want.status, got.status)
		}
		got := r.get(t, path+"?tenant_id="+other.String(), token)
		require.Equal(t, want.body, got.body, path)
	}
}

func tenantHeaderIsNoClaim(t *testing.T, r *rig) {
	other := r.tenant(t, "A-099")
	a := r.do(t, request{path: export, token: r.token("sub", "A-099"), header: header("X-Tenant-ID", other.String())})
	requireProblem(t, a, http.StatusForbidden, "TENANT_REQUIRED")
}

// from returns the answer to q with peer as the client's address.
func (r *rig) from(t *testing.T, peer string, q request) answer {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, q.path, nil)
	if q.method != "" {
		req.Method = q.method
	}
	req.RemoteAddr, req.Host = peer, "127.0.0.1:2024"
	for name, values := range q.header {
		req.Header[name] = values
	}
	if host := q.header.Get("Host"); host != "" {
		req.Host = host
	}
	w := httptest.NewRecorder()
	r.web.Config.Handler.ServeHTTP(w, req)
	return answer{w.Code, w.Header(), w.Body.String(), nil}
}

func developmentBypass(t *testing.T, _ *rig) {
	const loopback = "127.0.0.1:50000"
	r := newRig(t, func(s *setup) { s.cfg.DevBypass = true })
	id := r.tenant(t, "A-101")
	asked := header("X-Tenant-Id", id.String())
	with := func(pairs ...string) http.Header {
		h := asked.Clone()
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, peer := range []string{loopback, "[::1]:50000"} {
		a := r.from(t, peer, request{path: "/whoami", header: asked})
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Equal(t, "1", a.header.Get("X-Dev-Bypass"))
		require.InDelta(t, int(id), a.object(t)["tenant_id"], 0)
	}
	first := r.from(t, loopback, request{method: http.MethodPost, path: "/onboarding/first_login", header: asked})
	require.Equal(t, http.StatusOK, first.status, first.body)
	require.InDelta(t, int(id), first.object(t)["tenant_id"], 0, "the first sign-in uses the same tenant")

	before := r.state(t)
	for name, c := range map[string]struct {
		peer string
		h    http.Header
	}{
		"another machine":     {"203.0.113.7:50000", asked},
		"forwarded":           {loopback, with("X-Forwarded-For", "127.0.0.1")},
		"forwarded, standard": {loopback, with("Forwarded", "for=127.0.0.1")},
		"a proxy":             {loopback, with("Via", "1.1 proxy")},
		"a rebound name":      {loopback, with("Host", "evil.example")},
		"no tenant":           {loopback, http.Header{}},
		"no number":           {loopback, with("X-Tenant-Id", " 1")},
		"a bad token":         {loopback, with("Authorization", "Bearer x")},
	} {
		for _, row := range guarded(web.Identity, web.Member) {
			a := r.from(t, c.peer, request{method: row.Method, path: strings.ReplaceAll(row.Path, "{id}", id.String()),
				header: c.h})
			require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s %s", name, row.Method, row.Path)
			require.Empty(t, a.header.Get("X-Dev-Bypass"), name)
		}
	}
	requireProblem(t, r.from(t, loopback, request{path: "/whoami", header: header("X-Tenant-Id", "777")}),
		http.StatusForbidden, "TENANT_INVALID")
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
	requireProblem(t, r.from(t, loopback, request{path: "/whoami", header: asked}), http.StatusForbidden,
		"TENANT_SUSPENDED")
	r.exec(t, `UPDATE tenants SET status = 'active' WHERE tenant_id = $1`, id)
	require.Equal(t, before, r.state(t))

	off := newRig(t)
	off.tenant(t, "One")
	requireProblem(t, off.from(t, loopback, request{path: "/whoami", header: header("X-Tenant-Id", "1")}),
		http.StatusUnauthorized, "unauthenticated")

	gone := newRig(t, func(s *setup) { s.cfg.DevBypass = true; s.deps.DB = dead(t) })
	requireProblem(t, gone.from(t, loopback, request{path: "/whoami", header: asked}), http.StatusServiceUnavailable,
		"unavailable")
}
