package websession_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/websession"
)

// FuzzReturnTo resolves every answer of SafeReturn as a browser does on a page of this server, and requires that it
// leads to this server or to a configured origin.
func FuzzReturnTo(f *testing.F) {
	const ui = "https://ui.example"
	m := websession.New(websession.Config{Origins: []string{ui, "http://localhost:3000"}}, nil, nil, nil, nil)
	for _, seed := range []string{
		"/", "/leads?x=1#y", "//evil", `/\evil`, "/\t/evil", "https:evil", "https:/evil", "https:///evil", ui + "/chat", ui + "@evil", ui + ":443/", "HTTPS://UI.EXAMPLE", "http://localhost:3000",
		"javascript:alert(1)", "/..//evil", "/%2f/evil", "?//evil", "#", "//", "//?x", "\x00//evil", " //evil", "/a\r\n//evil", "//ui.example", "http://localhost:3000\\@evil", "https://ui.example%2eevil", "／／evil",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, to string) {
		out := m.SafeReturn(to)
		require.Contains(t, []string{to, "/"}, out)
		origin := browsersOrigin(out)
		require.True(t, origin == "ours" || slices.Contains([]string{ui, "http://localhost:3000"}, origin), "%q leads to %q", out, origin)
		require.False(t, strings.ContainsFunc(out, func(r rune) bool { return r <= ' ' || r > '~' }),
			"%q goes into a header", out)
	})
}

// browsersOrigin is the origin of an address on the page https://leads.example/, after the rules of url.spec.whatwg.org that
// differ from RFC 3986: what is trimmed, what is skipped, what counts as a slash, and how many slashes lead to a host.
func browsersOrigin(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	isSlash := func(r rune) bool { return r == '/' || r == '\\' }
	scheme, rest, found := strings.Cut(s, ":")
	letters := strings.TrimLeft(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") == ""
	if !found || scheme == "" || !letters || strings.ContainsAny(scheme[:1], "0123456789+-.") {
		scheme, rest = "https", s
		if len(rest) < 2 || !isSlash(rune(rest[0])) || !isSlash(rune(rest[1])) {
			return "ours"
		}
	} else if scheme = strings.ToLower(scheme); scheme == "https" &&
		(len(rest) < 2 || !isSlash(rune(rest[0])) || !isSlash(rune(rest[1]))) {
		return "ours" // "https:path" is relative where the page is https
	} else if scheme != "https" && scheme != "http" {
		return scheme + ":"
	}
	host := strings.TrimLeftFunc(rest, isSlash)
	if end := strings.IndexAny(host, `/\?#`); end >= 0 {
		host = host[:end]
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	return scheme + "://" + strings.ToLower(host)
}
