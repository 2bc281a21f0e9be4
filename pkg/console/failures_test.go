package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/web"
)

// An error page explains the failure to the user and contains no internal details.
func TestFailurePages(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.7:5432: SELECT secret FROM somewhere")
	caller := tenant.Principal{Identity: sso.Identity{Subject: "ann", Email: "ann@acme.example"}}
	for name, c := range map[string]struct {
		fail   func() error
		status int
		words  string
	}{
		"dependency down": {func() error { return fault.New(fault.Unavailable, "database: no answer").Because(secret) },
			503, "leadctl cannot reach a service that it needs"},
		"unclassified": {func() error { return secret }, 500, "Internal error"},
		"panic":        {func() error { panic(secret) }, 500, "Internal error"},
		"suspended": {func() error {
			return tenant.Tenant{ID: 7, Status: tenant.Suspended}.Usable()
		}, 403, "This workspace is suspended"},
		"too slow": {func() error { return context.DeadlineExceeded }, 503,
			"leadctl cannot reach a service that it needs"},
	} {
		t.Run("C-044/"+name, func(t *testing.T) {
			t.Parallel()
			pages := console.New(console.Config{},
				console.Deps{Door: failingDoor{caller: caller, fail: c.fail}}).Pages()
			for _, path := range []string{"GET /leads", "GET /setup", "GET /leads/rows"} {
				for _, htmx := range []string{"", "true"} {
					w, r := httptest.NewRecorder(),
						httptest.NewRequestWithContext(web.WithRequestID(t.Context(), "REQUEST7"), http.MethodGet,
							path[4:], nil)
					r.Header.Set("HX-Request", htmx)
					pages[path].ServeHTTP(w, r)
					require.Contains(t, w.Body.String(), c.words, path)
					require.Contains(t, w.Body.String(), "REQUEST7", path)
					require.NotRegexp(t, `10\.0\.0\.7|SELECT|goroutine|\.go:`, w.Body.String(), path)
					require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'", path)
					if htmx == "" {
						require.Equal(t, c.status, w.Code, path)
					} else {
						require.Equal(t, "#notice", w.Header().Get("HX-Retarget"), "the notice is added to the page")
					}
				}
			}
		})
	}
}

// failingDoor is a Door whose Caller returns the error of the case.
type failingDoor struct {
	console.Door
	caller tenant.Principal
	fail   func() error
}

func (d failingDoor) Caller(_ http.ResponseWriter, r *http.Request) (context.Context, tenant.Principal, error) {
	return r.Context(), d.caller, d.fail()
}
