package httpapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/web"
)

// plantedCookies: a sibling domain can set the access and the refresh cookie in a browser, with the values of the
// attacker's own session. Without the session's own cookie they open, change and renew nothing.
func plantedCookies(t *testing.T) {
	r, _, issuer := signInRig(t)
	attacker, victim := signIn(t, r, issuer, ignoreAnswer), signIn(t, r, issuer, ignoreAnswer)
	require.Equal(t, http.StatusAccepted, r.do(t, request{method: http.MethodPost, path: "/onboarding/first_login",
		header: attacker.cookies()}).status)
	before := r.state(t)
	for name, cookies := range map[string][]*http.Cookie{
		"access": {attacker.access}, "refresh": {attacker.refresh}, "both": {attacker.access, attacker.refresh},
		"beside the victim's own": {attacker.access, attacker.refresh, victim.own},
	} {
		h := cookieHeader(cookies...)
		for _, row := range guarded(web.Identity, web.Member) {
			q := call(row, 1, "")
			q.header = h.Clone()
			q.header.Set("Content-Type", "application/json")
			requireProblem(t, r.do(t, q), http.StatusUnauthorized, "unauthenticated")
		}
		renewed := r.do(t, request{method: http.MethodPost, path: "/auth/refresh", header: h})
		requireProblem(t, renewed, http.StatusUnauthorized, "unauthenticated")
		require.Empty(t, cookiesOf(renewed), name)
	}
	require.Equal(t, before, r.state(t))
	require.Equal(t, http.StatusOK, r.do(t, request{path: "/whoami", header: attacker.cookies()}).status)
}

// onlyPagesToReturnTo: after a sign-in the browser goes to a page, not to a route of the API.
func onlyPagesToReturnTo(t *testing.T) {
	r, _, issuer := signInRig(t)
	for to, want := range map[string]string{
		"/auth/login?return_to=%2Fleads": "/", "/auth/callback": "/", "/auth/logout": "/", "/signout": "/",
		"/export/latest_scores.csv": "/", "/whoami": "/", "/odoo/userinfo": "/", "/leads/../auth/login": "/",
		"/leads": "/leads", "/leads?bucket=high": "/leads?bucket=high", uiOrigin + "/chat": uiOrigin + "/chat",
	} {
		begin := r.get(t, "/auth/login?return_to="+url.QueryEscape(to), "")
		require.Equal(t, http.StatusFound, begin.status, begin.body)
		done := r.do(t, request{path: pick(t, issuer, begin.header.Get("Location")),
			header: cookieHeader(cookiesOf(begin)["__Host-leadctl_login"])})
		require.Equal(t, want, done.header.Get("Location"), to)
	}
}

// otherSignatureAtEveryDoor: what was signed out stays signed out, in the header, in the cookie and at the exchange.
func otherSignatureAtEveryDoor(t *testing.T) {
	r, _, issuer := signInRig(t)
	b := signIn(t, r, issuer, ignoreAnswer)
	require.Equal(t, http.StatusNoContent, r.do(t, request{method: http.MethodPost, path: "/auth/logout",
		header: b.cookies()}).status)
	requireSignedOut(t, r, b, b.access.Value)
	for _, other := range []string{b.access.Value + "=", b.access.Value + "\n", " " + b.access.Value} {
		a := r.post(t, "/auth/exchange", "", `{"id_token":"`+strings.ReplaceAll(other, "\n", `\n`)+`"}`)
		requireProblem(t, a, http.StatusUnauthorized, "unauthenticated")
	}
	require.Zero(t, r.count(t, `SELECT count(*) FROM sessions`))
}

// tokensBeforeARefresh: a sign-out revokes the session's older tokens too.
func tokensBeforeARefresh(t *testing.T) {
	r, _, issuer := signInRig(t)
	b := signIn(t, r, issuer, ignoreAnswer)
	older := b.access.Value
	r.exec(t, `UPDATE sessions SET refreshed_at = refreshed_at - interval '1 minute'`)
	renewed := r.do(t, request{method: http.MethodPost, path: "/auth/refresh", header: b.cookies()})
	require.Equal(t, http.StatusOK, renewed.status, renewed.body)
	b.access = cookiesOf(renewed)[cookie]
	require.NotEqual(t, older, b.access.Value)
	require.Equal(t, http.StatusOK, r.get(t, "/info", older).status)
	require.Equal(t, http.StatusNoContent, r.do(t, request{method: http.MethodPost, path: "/auth/logout",
		header: b.cookies()}).status)
	requireSignedOut(t, r, b, older)
	requireSignedOut(t, r, b, b.access.Value)
}

func requireSignedOut(t *testing.T, r *rig, b browser, token string) {
	t.Helper()
	old := *b.access
	old.Value = token
	for _, path := range []string{"/info", "/whoami"} {
		requireProblem(t, r.get(t, path, token), http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, r.do(t, request{path: path, header: cookieHeader(&old, b.refresh, b.own)}),
			http.StatusUnauthorized, "unauthenticated")
	}
	requireProblem(t, r.post(t, "/auth/exchange", "", `{"id_token":"`+token+`"}`), http.StatusUnauthorized,
		"unauthenticated")
}

// bypassHelpsNoBadCookie: the development bypass is for requests without credentials, of the API and of pages.
func bypassHelpsNoBadCookie(t *testing.T) {
	r := newRig(t, func(s *setup) { s.cfg.DevBypass = true })
	id := r.tenant(t, "A-151")
	caller := func(h http.Header) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080/leads", nil)
		require.NoError(t, err)
		req.Header, req.RemoteAddr = h, "127.0.0.1:1234"
		_, _, err = r.door.Caller(discard{}, req)
		return err
	}
	chosen := "leadctl_dev_tenant=" + id.String()
	require.NoError(t, caller(header("Cookie", chosen)))
	for _, bad := range []string{cookie + "=garbage", cookie + "=", "nx_refresh=garbage", "leadctl_session=garbage"} {
		require.Error(t, caller(header("Cookie", chosen+"; "+bad)), bad)
	}
	requireProblem(t, r.do(t, request{path: "/whoami", header: header("Cookie", chosen+"; "+cookie+"=garbage")}),
		http.StatusUnauthorized, "unauthenticated")
}

// discard is a ResponseWriter whose answer is thrown away.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// onlyStrictJSON: what two parsers could read in two ways is refused as a whole.
func onlyStrictJSON(t *testing.T, r *rig) {
	id, token := r.editor(t, "C-067")
	before := r.count(t, `SELECT count(*) FROM icp_rules WHERE tenant_id = $1`, id)
	for _, body := range []string{
		`{"name":"a","name":"b","payload":{}}`, `{"payload":{},"payload":{"keywords":["x"]}}`,
		`{"payload":{"keywords":["x"],"keywords":["y"]}}`, `{"payload":{"employee_range":{"min":1,"min":2}}}`,
		`{"payload":{"own":{"deep":[{"a":1,"a":2}]}}}`, `{"payload":{"own":1,"\u006fwn":2}}`,
		`{"Name":"a","payload":{}}`, `{"name":"a","NAME":"b","payload":{}}`, `{"payload":{},"Payload":{}}`,
		`{"payload":{"Keywords":["x"]}}`, `{"payload":{"keyword\u017f":["x"]}}`, `{"payload":{"SSIC_codes":["62"]}}`,
		`{"payload":{"employee_range":{"Min":1}}}`, `{"payload":{"employee_range":{"least":1}}}`,
		`{"payload":{"exclusions":{"UENs":[]}}}`, `{"payload":{"exclusions":{"uen":[]}}}`,
		`{"name":"\ud800","payload":{}}`, `{"payload":{"own":"\udc00\ud800"}}`, "{\"name\":\"\xff\",\"payload\":{}}",
		"{\"payload\":{\"own\":\"\xc3\x28\"}}", `{"name":null,"payload":{}}`, `{"payload":null}`,
		`{"payload":{}}{}`, `{"payload":{}} x`, "{\"payload\":{}}\x00", "\xef\xbb\xbf{\"payload\":{}}",
	} {
		require.Equal(t, http.StatusBadRequest, r.post(t, "/icp/rules", token, body).status, body)
		requireProblem(t, r.post(t, "/icp/rules", token, body), http.StatusBadRequest, "invalid")
	}
	require.Equal(t, before, r.count(t, `SELECT count(*) FROM icp_rules WHERE tenant_id = $1`, id))
	require.Equal(t, http.StatusOK, r.post(t, "/icp/rules", token, " {\"payload\":{\"own\":1}}\n").status)

	signing, _, _ := signInRig(t)
	for _, body := range []string{`{"id_token":"x","id_token":"y"}`, `{"ID_token":"x"}`, `{"id_token":null}`,
		`{"id_token":"\ud800"}`, `{"id_token":"x"}{}`} {
		requireProblem(t, signing.post(t, "/auth/exchange", "", body), http.StatusBadRequest, "invalid")
	}
}
