package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
)

// FuzzBearerHeader holds the reading of credentials to the grammar: one header, the scheme in any case, one space, a
// token without what separates things; or one cookie; or both, when they say the same.
func FuzzBearerHeader(f *testing.F) {
	const name = "nx_access"
	for _, seed := range [][2]string{
		{"Bearer abc.def.ghi", ""}, {"bearer x", "nx_access=x"}, {"BEARER x", "nx_access=y"}, {"Bearer", ""},
		{"Bearer  x", ""}, {"Bearer\tx", ""}, {"Bearer a b", ""}, {"Bearer a,b", ""},
		{"Basic dTpw", "nx_access=x"}, {"", "nx_access=x"}, {"", "nx_access=x; nx_access=y"}, {"", `nx_access="x"`},
		{"\u00a0Bearer x", ""}, {"", "other=1; nx_access="}, {"", "nx_access ;nx_access=0"},
		{"Bearer x\r\nX: y", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	grammar := regexp.MustCompile(`^(?i:bearer) [^ \t,]+$`)
	f.Fuzz(func(t *testing.T, authorization, cookies string) {
		r := &http.Request{Header: http.Header{}}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if cookies != "" {
			r.Header.Set("Cookie", cookies)
		}
		token, err := bearerOrCookie(r, name)
		if err != nil {
			require.Empty(t, token)
			require.Contains(t, []fault.Kind{fault.Unauthenticated, fault.Invalid}, fault.KindOf(err))
			require.NotContains(t, fault.Text(err), "abc.def.ghi")
			return
		}
		require.NotEmpty(t, token)
		if authorization == "" {
			require.Contains(t, cookies, token)
			for _, c := range r.CookiesNamed(name) {
				require.Contains(t, []string{token, ""}, c.Value, "never one of two")
			}
			return
		}
		require.Regexp(t, grammar, strings.ReplaceAll(authorization, "\n", "·"))
		require.Equal(t, authorization[len("Bearer "):], token)

		r.Header.Add("Authorization", authorization)
		_, err = bearerOrCookie(r, name)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "two headers")
	})
}
