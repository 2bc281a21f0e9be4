package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/httpapi"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// editor creates a tenant and a token with the role that may edit its rules.
func (r *rig) editor(t *testing.T, name string) (id tenantid.ID, token string) {
	t.Helper()
	id = r.tenant(t, name)
	return id, r.token("tenant_id", id, "roles", []string{"ops"})
}

// dial opens a TCP connection. The deadline ends a test that would hang.
func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.web.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// requireClosed reads one response and requires that the server then closes the connection.
func requireClosed(t *testing.T, conn net.Conn, status int) {
	t.Helper()
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, status, resp.StatusCode)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	rest, _ := io.ReadAll(in) // a reset counts as closed: the server stopped reading
	require.Empty(t, rest)
}

func bigBodies(t *testing.T, r *rig) {
	_, token := r.editor(t, "C-001")
	rule := func(size int) string {
		const frame = `{"name":"x","payload":{"keywords":[""]}}`
		return strings.Replace(frame, `[""]`, `["`+strings.Repeat("a", size-len(frame))+`"]`, 1)
	}
	a := r.post(t, "/icp/rules", token, rule(1<<20+1))
	requireProblem(t, a, http.StatusRequestEntityTooLarge, "too_large")
	require.Equal(t, http.StatusBadRequest, r.post(t, "/icp/rules", token, rule(1<<20)).status,
		"the body is read, but the keyword is too long")

	// without Content-Length
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.web.URL+"/icp/rules",
		io.MultiReader(strings.NewReader(rule(1<<20+1))))
	require.NoError(t, err)
	req.Header = header("Content-Type", "application/json", "Authorization", "Bearer "+token)
	resp, err := r.web.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)

	conn := r.dial(t)
	fmt.Fprintf(conn, "POST /icp/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nTransfer-Encoding: chunked\r\n\r\n", token)
	sent := make(chan int)
	go func() { // writes chunks until the server closes the connection
		n := 0
		for chunk := []byte("4000\r\n" + strings.Repeat(" ", 0x4000) + "\r\n"); ; n++ {
			if _, err := conn.Write(chunk); err != nil {
				sent <- n
				return
			}
		}
	}()
	requireClosed(t, conn, http.StatusRequestEntityTooLarge)
	_ = conn.Close()
	require.Less(t, <-sent, 4096, "at most 64 MiB fit into the buffers")
}

func encodedBodies(t *testing.T, r *rig) {
	_, token := r.editor(t, "C-003")
	for name, content := range map[string]string{"rule": `{"payload":{}}`, "bomb": strings.Repeat(" ", 10<<20)} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := io.WriteString(w, content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		for _, encoding := range []string{"gzip", "br", "identity", "x"} {
			a := r.do(t, request{method: http.MethodPost, path: "/icp/rules", token: token, body: packed.String(),
				header: header("Content-Type", "application/json", "Content-Encoding", encoding)})
			requireProblem(t, a, http.StatusUnsupportedMediaType, "unsupported")
			require.NotEmpty(t, name)
		}
	}
}

func otherMediaTypes(t *testing.T, r *rig) {
	_, token := r.editor(t, "C-004")
	send := func(contentType ...string) answer {
		return r.do(t, request{method: http.MethodPost, path: "/icp/rules", token: token, body: `{"payload":{}}`,
			header: http.Header{"Content-Type": contentType}})
	}
	for _, other := range [][]string{{"text/plain"}, {"application/x-www-form-urlencoded"},
		{"multipart/form-data; boundary=x"}, nil, {""}, {"application/jsonp"},
		{"text/json"}, {"application/json, text/plain"}, {"application/cbor"}, {"application/merge-patch+json"},
		{"application/json;;"}} {
		requireProblem(t, send(other...), http.StatusUnsupportedMediaType, "unsupported")
	}
	for _, good := range []string{"application/json", "application/json;charset=x", "Application/JSON; charset=utf-8"} {
		require.Equal(t, http.StatusOK, send(good).status, good)
	}
	require.Equal(t, http.StatusUnauthorized, r.do(t,
		request{method: http.MethodPost, path: "/icp/rules", header: header("Content-Type", "text/plain")}).status,
		"authentication comes first")
}

func controlCharacters(t *testing.T, r *rig) {
	_, token := r.editor(t, "C-006")
	for _, c := range []string{"\x00", "\x01", "\t", "\r\n", "\x1b[2J", "\x7f", "\xff", "\xc3\x28"} {
		for _, path := range []string{"/scores/latest?limit=", "/scores/latest?afterId=", "/scores/latest?afterScore=",
			"/candidates/latest?industry=a",
			"/candidates/latest?afterUpdatedAt=", "/export/latest_scores.csv?limit="} {
			requireProblem(t, r.get(t, path+url.QueryEscape(c), token), http.StatusBadRequest, "invalid")
		}
		requireProblem(t, r.get(t, "/tenants/"+url.PathEscape("1"+c), token), http.StatusNotFound, "not_found")
	}
	for _, c := range []string{`\u0000`, `\u0001`, `\n`, `\u001b`, `\u007f`} {
		requireProblem(t, r.post(t, "/icp/rules", token, `{"name":"a`+c+`b","payload":{}}`), http.StatusBadRequest,
			"invalid")
		requireProblem(t, r.post(t, "/icp/rules", token, `{"name":"a","payload":{"keywords":["a`+c+`b"]}}`),
			http.StatusBadRequest, "invalid")
	}
	for _, raw := range []string{"{\"name\":\"a\x01b\",\"payload\":{}}", "", "{", "null", "[]", `"x"`,
		`{"payload":{}}x`, `{"name":7,"payload":{}}`, `{"name":null}`, `{}`,
		`{"name":"` + strings.Repeat("n", 201) + `","payload":{}}`, strings.Repeat("[", 20000)} {
		requireProblem(t, r.post(t, "/icp/rules", token, raw), http.StatusBadRequest, "invalid")
	}
}

func limits(t *testing.T, r *rig) {
	id, token := r.editor(t, "C-007")
	for i := range 3 {
		r.lead(t, id, fmt.Sprint("CNR-007-", i), 0.5)
	}
	for _, path := range []string{"/scores/latest", "/candidates/latest", "/export/latest_scores.json",
		"/export/latest_scores.csv"} {
		for _, bad := range []string{"limit=-1", "limit=0", "limit=10001", "limit=2147483648",
			"limit=9223372036854775808", "limit=10abc", "limit=", "limit", "limit=1&limit=1",
			"limit=1e3", "limit=%205", "limit=5%20", "limit=%2B5", "limit=05", "limit=1.0", "limit=ALL", "limit=%zz",
			"limit=1;x=2", "limit=１", "limit=0x1"} {
			a := r.get(t, path+"?"+bad, token)
			require.Equal(t, http.StatusBadRequest, a.status, "%s?%s: %s", path, bad, a.body)
			requireProblem(t, a, http.StatusBadRequest, "invalid")
		}
		for _, good := range []string{"", "?limit=1", "?limit=10000"} {
			require.Equal(t, http.StatusOK, r.get(t, path+good, token).status, path+good)
		}
	}
	for _, bad := range []string{"afterId=-1", "afterId=2147483648", "afterId=x", "afterScore=x", "afterScore=NaN",
		"afterScore=Inf", "afterScore=1e999", "afterId=1&afterId=2"} {
		requireProblem(t, r.get(t, "/scores/latest?"+bad, token), http.StatusBadRequest, "invalid")
	}
	requireProblem(t, r.get(t, "/candidates/latest?afterUpdatedAt=yesterday", token), http.StatusBadRequest, "invalid")
	requireProblem(t, r.get(t, "/scores/latest?limit=all", token), http.StatusBadRequest, "invalid")
	require.Equal(t, http.StatusOK, r.get(t, "/export/latest_scores.csv?limit=all", token).status)
}

func manyHeaders(t *testing.T, r *rig) {
	token := r.token("tenant_id", r.tenant(t, "C-008"))
	big := r.do(t, request{path: "/whoami", token: token, header: header("X-Big", strings.Repeat("a", 32<<10+1))})
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, big.status)
	many, cookies, lines := header(), header(), header()
	for i := range 1000 {
		many.Set(fmt.Sprint("X-H", i), "1")
		lines.Add("X-Same", "1")
		cookies.Add("Cookie", fmt.Sprintf("c%d=1", i))
	}
	for _, h := range []http.Header{many, lines, cookies, header("Cookie", strings.Repeat("a=b; ", 999)+"a=b")} {
		requireProblem(t, r.do(t, request{path: "/whoami", token: token, header: h}),
			http.StatusRequestHeaderFieldsTooLarge, "headers_too_many")
	}
	usual := r.do(t, request{path: "/whoami", token: token,
		header: header("Cookie", strings.Repeat("a=b; ", 20)+"a=b")})
	require.Equal(t, http.StatusOK, usual.status)
}

func longURLs(t *testing.T, r *rig) {
	token := r.token("tenant_id", r.tenant(t, "C-009"))
	for _, path := range []string{"/whoami?" + strings.Repeat("a", 8<<10), "/" + strings.Repeat("a", 8<<10),
		"/whoami?" + strings.Repeat("a&", 10_000)} {
		requireProblem(t, r.get(t, path, token), http.StatusRequestURITooLong, "url_too_long")
	}
	requireProblem(t, r.get(t, "/scores/latest?"+strings.Repeat("a&", 4000), token), http.StatusBadRequest, "invalid")
	require.Equal(t, http.StatusOK, r.get(t, "/whoami?x="+strings.Repeat("a", 8000), token).status)
}

func otherMethods(t *testing.T, r *rig) {
	id, token := r.editor(t, "C-015")
	methods := map[string][]string{}
	for _, row := range httpapi.Routes() {
		methods[row.Path] = append(methods[row.Path], row.Method)
	}
	for path, known := range methods {
		path = strings.ReplaceAll(path, "{id}", id.String())
		for _, method := range []string{"TRACE", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "get"} {
			if slices.Contains(known, method) {
				continue
			}
			a := r.do(t, request{method: method, path: path, token: token,
				header: header("X-HTTP-Method-Override", "GET", "X-Method-Override", "GET")})
			p := requireProblem(t, a, http.StatusMethodNotAllowed, "method_not_allowed")
			require.NotContains(t, p["detail"], method)
			for _, m := range known {
				require.Contains(t, a.header.Get("Allow"), m)
			}
		}
	}
	require.Equal(t, http.StatusOK, r.do(t, request{path: "/icp/rules", token: token,
		header: header("X-HTTP-Method-Override", "POST")}).status)
	require.Zero(t, r.count(t, `SELECT count(*) FROM icp_rules WHERE tenant_id = $1`, id))
	for _, line := range []string{"CONNECT /health HTTP/1.1", "CONNECT evil.example:443 HTTP/1.1",
		"OPTIONS * HTTP/1.1"} {
		conn := r.dial(t)
		fmt.Fprintf(conn, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", line)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusBadRequest},
			resp.StatusCode, line)
	}
	head := r.do(t, request{method: http.MethodHead, path: "/whoami"})
	require.Equal(t, http.StatusUnauthorized, head.status, "HEAD is GET without the body, guard included")
}

func forwardedHeaders(t *testing.T, r *rig) {
	id := r.tenant(t, "C-017")
	token := r.token("tenant_id", id)
	h := header("X-Forwarded-For", "127.0.0.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example",
		"X-Forwarded-Uri", "/health",
		"X-Forwarded-Prefix", "/evil", "X-Original-URL", "/health", "X-Rewrite-URL", "/health", "X-Real-IP",
		"127.0.0.1", "Forwarded", "for=127.0.0.1;host=evil.example")
	requireProblem(t, r.do(t, request{path: "/whoami", header: h}), http.StatusUnauthorized, "unauthenticated")
	for _, path := range []string{"/whoami", "/session/odoo_info", "/openapi.json", "/docs"} {
		want, got := r.get(t, path, token), r.do(t, request{path: path, token: token, header: h})
		require.Equal(t, want.body, got.body)
		require.Equal(t, want.status, got.status)
		require.NotContains(t, fmt.Sprint(got.header), "evil")
	}
}

func otherOrigins(t *testing.T, r *rig) {
	token := r.token("tenant_id", r.tenant(t, "C-018"))
	for _, origin := range []string{"https://evil.example", "null", "https://ui.example.evil.com", "https://evilui.example", "http://ui.example", "https://ui.example:8443",
		"https://UI.example", "https://uı.example", "https://ui.example/", "http://localhost:3000", "http://127.0.0.1:3000", "*", "", "https://ui.example, https://evil.example"} {
		a := r.do(t, request{path: "/whoami", token: token, header: http.Header{"Origin": {origin}}})
		require.Equal(t, http.StatusOK, a.status)
		require.NotContains(t, fmt.Sprint(a.header), "Access-Control", origin)
		require.Equal(t, "Origin", a.header.Get("Vary"))
		if origin == "" {
			continue
		}
		// A page of another origin cannot make a browser change anything either.
		write := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
			header: header("Origin", origin, "Cookie", cookie+"="+token)})
		requireProblem(t, write, http.StatusForbidden, "CROSS_ORIGIN")
	}
	site := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		header: header("Sec-Fetch-Site", "cross-site", "Cookie", cookie+"="+token)})
	requireProblem(t, site, http.StatusForbidden, "CROSS_ORIGIN")
	a := r.do(t, request{path: "/whoami", token: token, header: header("Origin", uiOrigin)})
	require.Equal(t, uiOrigin, a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "Origin", a.header.Get("Vary"))
	refused := r.do(t, request{path: "/whoami", header: header("Origin", uiOrigin)})
	require.Equal(t, uiOrigin, refused.header.Get("Access-Control-Allow-Origin"),
		"the page may read why it was refused")
	write := r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login", token: token,
		header: header("Origin", uiOrigin, "Sec-Fetch-Site", "cross-site")})
	require.Less(t, write.status, 300, write.body)
}

func preflights(t *testing.T, _ *rig) {
	r := newRig(t, func(s *setup) { s.deps.DB = dead(t) })
	for _, row := range httpapi.Routes() {
		path := strings.ReplaceAll(row.Path, "{id}", "1")
		for _, method := range []string{row.Method, "PATCH"} {
			a := r.do(t, request{method: http.MethodOptions, path: path,
				header: header("Origin", uiOrigin, "Access-Control-Request-Method", method,
					"Access-Control-Request-Headers", "authorization,x-evil")})
			require.Equal(t, http.StatusNoContent, a.status)
			require.Empty(t, a.body)
			require.Equal(t, "GET, POST, DELETE", a.header.Get("Access-Control-Allow-Methods"))
			require.Equal(t, "authorization, content-type, x-tenant-id", a.header.Get("Access-Control-Allow-Headers"))
			require.Equal(t, uiOrigin, a.header.Get("Access-Control-Allow-Origin"))
		}
		a := r.do(t, request{method: http.MethodOptions, path: path, header: header("Origin", "https://evil.example", "Access-Control-Request-Method", row.Method)})
		require.Equal(t, http.StatusNoContent, a.status)
		require.NotContains(t, fmt.Sprint(a.header), "Access-Control")
	}
	require.Zero(t, r.hits.Load())
}

func nothingToDebug(t *testing.T, r *rig) {
	id := r.tenant(t, "CNR-042-TENANT")
	token := r.token("tenant_id", id, "roles", []string{"admin"}, "email", "cnr-042@acme.example", "sub", "CNR-042-SUB")
	for _, path := range []string{"/metrics", "/debug", "/debug/", "/debug/pprof", "/debug/pprof/", "/debug/pprof/heap",
		"/debug/pprof/cmdline", "/debug/vars", "/debug/requests", "/debug/routes"} {
		for _, token := range []string{"", token} {
			requireProblem(t, r.get(t, path, token), http.StatusNotFound, "not_found")
		}
	}
	for _, row := range httpapi.Routes() {
		r.do(t, call(row, id, token))
	}
	r.get(t, "/CNR-042-PATH", token)
	families, err := r.reg.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	var all strings.Builder
	for _, f := range families {
		all.WriteString(f.String())
	}
	require.Contains(t, all.String(), "GET /tenants/{id}")
	for _, canary := range []string{"CNR-042", "cnr-042", "@", "eyJ"} {
		require.NotContains(t, all.String(), canary)
	}
}
