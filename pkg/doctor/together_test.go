package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/doctor"
)

// Independent checks run concurrently: each of these servers answers only when all of them were asked. The order of the
// checks is fixed.
func TestIndependentChecksRunConcurrently(t *testing.T) {
	t.Parallel()
	var asked sync.WaitGroup
	slow := func() string {
		asked.Add(1)
		var first sync.Once
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			first.Do(asked.Done)
			all := make(chan struct{})
			go func() { asked.Wait(); close(all) }()
			select {
			case <-all:
				http.Error(w, "all were asked", http.StatusTeapot)
			case <-r.Context().Done():
			}
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	env := map[string]string{"LEADCTL_ENV": "development", "POSTGRES_DSN": "postgres://user@127.0.0.1:1/none?connect_timeout=1",
		"NEXIUS_ISSUER": slow(), "ODOO_SERVER_URL": slow(), "API_URL": slow()}
	cfg, err := config.Load(config.Source{Dirs: []string{t.TempDir()},
		Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	require.NoError(t, err)
	checks := doctor.Examine(t.Context(), doctor.Options{Config: cfg,
		Free: func(string) (doctor.Space, error) { return doctor.Space{Free: 60 << 30, Total: 100 << 30}, nil }})

	var names []string
	for _, c := range checks {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
		if slices.Contains([]string{"odoo", "issuer", "register source"}, c.Name) {
			require.NotContains(t, c.Fact, "deadline", c.Name)
			require.NotContains(t, c.Fact, "does not answer", c.Name)
		}
	}
	require.Subset(t, names, []string{"odoo", "issuer", "register source"})
	order := []string{"configuration", "postgresql", "migrations", "two tenants", "odoo", "issuer", "token",
		"register source", "disk"}
	inReport := func(a, b string) int { return slices.Index(names, a) - slices.Index(names, b) }
	require.True(t, slices.IsSortedFunc(order, inReport), "%v", names)
}
