package httpapi_test

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// untilRefused repeats q until the answer is 429, and returns that answer and the number of answers before it.
func untilRefused(t *testing.T, r *rig, q request) (refused answer, before int) {
	t.Helper()
	const most = 1000
	for ; before < most; before++ {
		if a := r.do(t, q); a.status == http.StatusTooManyRequests {
			return a, before
		}
	}
	t.Fatalf("%s %s: %d times without a refusal", q.method, q.path, most)
	return refused, before
}

// signInIsPaced: the open routes of a sign-in have a limit per address.
func signInIsPaced(t *testing.T, _ *rig) {
	behindProxy := func(s *setup) { s.door.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	r, provider, _ := signInRig(t, behindProxy)
	r.api.StopClock(time.Now())
	token, err := provider.IssueToken(t.Context(), "alice", "console")
	require.NoError(t, err)
	from := func(address string, more ...string) http.Header {
		return header(append([]string{"X-Forwarded-For", address, "Content-Type", "application/json"}, more...)...)
	}
	for n, q := range []request{
		{method: http.MethodGet, path: "/auth/login"},
		{method: http.MethodGet, path: "/auth/callback?state=x&code=y"},
		{method: http.MethodPost, path: "/auth/refresh"},
		{method: http.MethodPost, path: "/auth/exchange", body: `{"id_token":"x` + strings.Repeat("y", 20) + `"}`},
	} {
		address := "203.0.113." + strconv.Itoa(n+1)
		q.header = from(address)
		refused, before := untilRefused(t, r, q)
		require.GreaterOrEqual(t, before, 60, "an office shares one address: %s", q.path)
		requireProblem(t, refused, http.StatusTooManyRequests, "too_many")
		wait, err := strconv.Atoi(refused.header.Get("Retry-After"))
		require.NoError(t, err)
		require.Positive(t, wait)
		q.header = from("198.51.100." + strconv.Itoa(n+1) + ", 10.1.1.1, " + "198.51.100." + strconv.Itoa(n+1))
		require.NotEqual(t, http.StatusTooManyRequests,
			r.do(t, request{method: http.MethodGet, path: "/auth/login", header: q.header}).status, "another address")
		q.path, q.body, q.method = "/whoami", "", http.MethodGet
		q.header, q.token = from(address), token
		require.NotEqual(t, http.StatusTooManyRequests, r.do(t, q).status, "an authenticated caller has no such limit")
	}
}

// oneHolderIsPaced: one refresh token or ID token has the same limit from many addresses as from one.
func oneHolderIsPaced(t *testing.T, _ *rig) {
	r, _, issuer := signInRig(t, func(s *setup) {
		s.door.Proxies = []netip.Prefix{netip.MustParsePrefix(
			"127.0.0.0/8")}
	})
	r.api.StopClock(time.Now())
	b := signIn(t, r, issuer, ignoreAnswer)
	for path, q := range map[string]request{
		"/auth/refresh": {header: b.cookies()},
		"/auth/exchange": {body: `{"id_token":"` + b.access.Value + `"}`,
			header: header("Content-Type", "application/json")},
	} {
		q.method, q.path = http.MethodPost, path
		last := answer{}
		for n := 0; n < 1000 && last.status != http.StatusTooManyRequests; n++ {
			q.header.Set("X-Forwarded-For", "10.0."+strconv.Itoa(n/250)+"."+strconv.Itoa(n%250))
			last = r.do(t, q)
		}
		requireProblem(t, last, http.StatusTooManyRequests, "too_many")
		require.Empty(t, cookiesOf(last))
	}
	require.LessOrEqual(t, r.count(t, `SELECT count(*) FROM sessions`), 200, "the number of sessions is limited")
}

// sourcesAreNotBelieved: without a trusted proxy, forged X-Forwarded-For headers do not evade the limit.
func sourcesAreNotBelieved(t *testing.T, _ *rig) {
	r, _, _ := signInRig(t)
	r.api.StopClock(time.Now())
	for n := range 1000 {
		address := "203.0." + strconv.Itoa(n/250) + "." + strconv.Itoa(n%250)
		h := header("X-Forwarded-For", address, "X-Real-IP", address, "Forwarded", "for="+address)
		if r.do(t, request{path: "/auth/callback?state=x&code=y", header: h}).status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("X-Forwarded-For was believed")
}
