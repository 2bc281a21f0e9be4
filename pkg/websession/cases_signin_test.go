package websession_test

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("A-116", statesThatAreNotOurs)
	t.Run("A-117", oneCallbackOneSession)
	t.Run("A-118", nonceOfAnotherSignIn)
	t.Run("A-119", pkceIsAlwaysSent)
	t.Run("A-121", refusalIsNotReflected)
	t.Run("A-122", callbackInAnotherBrowser)
	t.Run("A-123", everySignInHasItsOwnHandle)
	t.Run("A-124", badIDTokens)
	t.Run("A-125", userinfoIsNeverAsked)
	t.Run("A-134", nothingReadableInTheDatabase)
	t.Run("A-140", otherSignatureAfterSignOut)
	t.Run("A-141", refreshesOfOtherProviders)
	t.Run("A-142", failuresThatPass)
	t.Run("A-143", tokensBeforeARefresh)
	t.Run("A-144", tokensOfTheSameSecond)
	t.Run("A-147", answersOfAnotherIssuer)
	t.Run("C-025", handlesOfAnotherKeyring)
	t.Run("C-026", sessionsEnd)
	t.Run("C-027", placesToReturnTo)
}

func statesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	browser, answer := r.arrive(t, "/")
	for name, c := range map[string]struct {
		browser string
		answer  url.Values
	}{
		"no state":         {browser, url.Values{"code": answer["code"]}},
		"wrong state":      {browser, url.Values{"code": answer["code"], "state": {"nonsense"}}},
		"no cookie":        {"", answer},
		"another's cookie": {"someone else's", answer},
		"no code":          {browser, url.Values{"state": {"nonsense"}}},
	} {
		_, _, err := r.Finish(t.Context(), c.browser, "", c.answer)
		require.Equal(t, 400, fault.HTTPStatus(err), name)
	}
	_, err := r.db.Owner.Exec(t.Context(), `UPDATE login_attempts SET started_at = started_at - interval '11 minutes'`)
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), browser, "", answer)
	require.Equal(t, 400, fault.HTTPStatus(err), "older than ten minutes")
	require.Zero(t, r.redeems.Load())
	require.Zero(t, r.sessions(t))
}

func oneCallbackOneSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	browser, answer := r.arrive(t, "/")
	var wg sync.WaitGroup
	var good atomic.Int64
	for range 5 {
		wg.Go(func() {
			if _, _, err := r.Finish(t.Context(), browser, "", answer); err == nil {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, good.Load())
	require.Equal(t, 1, r.sessions(t))
	require.EqualValues(t, 1, r.redeems.Load())
}

func nonceOfAnotherSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	older, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	_, err = r.db.Owner.Exec(t.Context(), `UPDATE login_attempts SET nonce = 'another'`)
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), browser, "", r.walk(t, older))
	require.True(t, fault.Is(err, fault.Unauthenticated), "%v", err)
	require.Zero(t, r.sessions(t))
}

func pkceIsAlwaysSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seen := map[string]bool{}
	for range 3 {
		location, _, err := r.Begin(t.Context(), "/")
		require.NoError(t, err)
		u, err := url.Parse(location)
		require.NoError(t, err)
		require.Equal(t, "S256", u.Query().Get("code_challenge_method"))
		require.Len(t, u.Query().Get("code_challenge"), 43)
		require.NotEmpty(t, u.Query().Get("nonce"))
		require.Equal(t, callback, u.Query().Get("redirect_uri"))
		require.False(t, seen[u.Query().Get("code_challenge")])
		seen[u.Query().Get("code_challenge")] = true
	}
	weak := r.manager(t, func(d *sso.Discovery) { d.ChallengeMethods = []string{"plain"} })
	_, _, err := weak.Begin(t.Context(), "/")
	require.Equal(t, fault.Operator, fault.KindOf(err), "a provider that offers plain only")
}

func refusalIsNotReflected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	location, browser, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	u, err := url.Parse(location)
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), browser, "",
		url.Values{"state": u.Query()["state"], "error": {"access_denied"},
			"error_description": {"<script>CANARY</script>" + strings.Repeat("x", 10_000)}})
	require.Equal(t, 403, fault.HTTPStatus(err))
	require.NotContains(t, fault.Text(err)+fault.Hint(err), "CANARY")
	require.Less(t, len(err.Error()), 1000)
}

func callbackInAnotherBrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	attacker, _, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	_, victim, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	_, _, err = r.Finish(t.Context(), victim, "", r.walk(t, attacker))
	require.Equal(t, 400, fault.HTTPStatus(err))
	require.Zero(t, r.sessions(t))
}

func everySignInHasItsOwnHandle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.signIn(t)
	browser, answer := r.arrive(t, "/")
	second, _, err := r.Finish(t.Context(), browser, first.Handle, answer)
	require.NoError(t, err)
	require.NotEqual(t, first.Handle, second.Handle)
	for _, handle := range []string{"planted by an attacker", first.Handle} {
		_, err = r.Refresh(t.Context(), handle)
		require.True(t, fault.Is(err, fault.Unauthenticated), handle)
	}
	require.True(t, r.revoked(t, first.ID), "the previous session's token")
	require.False(t, r.revoked(t, second.ID))
	require.Equal(t, 1, r.sessions(t))
}

func nothingReadableInTheDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.signIn(t)
	_, _, err := r.Begin(t.Context(), "/")
	require.NoError(t, err)
	var dump string
	require.NoError(t, r.db.Owner.QueryRow(t.Context(), `SELECT (SELECT string_agg(s::text, ' ') FROM sessions s)
		|| (SELECT string_agg(l::text, ' ') FROM login_attempts l)`).Scan(&dump))
	require.NotContains(t, dump, tokens.Handle)
	require.NotRegexp(t, `eyJ[A-Za-z0-9_-]{10,}\.`, dump)
}

func placesToReturnTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, fine := range []string{"/", "/leads", "/leads?bucket=high&limit=5", "/a/b#c", "https://ui.example/chat", "https://ui.example"} {
		require.Equal(t, fine, r.SafeReturn(fine))
	}
	for _, bad := range []string{"", "//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`,
		`\\evil.example`, "/%09/evil.example", "/%5cevil.example", "/%2fevil.example",
		"/%2f%2fevil.example", "https:evil.example", "https:/evil.example", "http://evil.example", "https://ui.example.evil.example", "https://ui.example@evil.example",
		"https://ui.example:444/", "http://ui.example/", "https://UI.example.", "/..//evil.example", "/a/../..//evil.example", "//evil.example%2f..", "javascript:alert(1)",
		"data:text/html,x", "vbscript:x", "/a\r\nSet-Cookie: x=y", "/%0d%0aSet-Cookie:x", "／／evil.example",
		"@evil.example", "evil.example", "./evil", "../evil", "?next=//evil",
		"#//evil", " /leads", "/leads ", "\t//evil.example", "/\t/evil.example", "https://[::1]/", "https://127.0.0.1/", "ftp://ui.example/", "//ui.example/", "///ui.example",
		"/%252f%252e%252e", "https://ui.example\\@evil.example", "https://ui.example%2eevil.example", "https://ui.example%00.evil", "blob:https://ui.example/x",
		"file:///etc/passwd", "/" + strings.Repeat("a", 4096), "https://evil.example#https://ui.example", "https://evil.example/https://ui.example", "\u2028//evil", "/\u00a0/evil",
		"//", "/%252f%252fevil.example", "/%25252f%25252fevil.example", "/%25255cevil.example", "/.%2e//evil.example", "/%2e%2e/%2e%2e//evil.example", "https:///evil.example",
		"https:\\\\evil.example", "HTTPS://EVIL.EXAMPLE", "https://ui.example\u3002evil", "https://ui.example:@evil.example/", "https://user:pass@ui.example/"} {
		require.Equal(t, "/", r.SafeReturn(bad), "%q", bad)
	}
}
