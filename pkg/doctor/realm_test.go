package doctor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
)

func TestTenantAttribute(t *testing.T) {
	t.Parallel()
	var cfg config.Config
	cfg.SSO.Issuer = "https://id.example/realms/acme"
	says := func(editors []string, err error) func(context.Context) ([]string, error) {
		return func(context.Context) ([]string, error) { return editors, err }
	}
	for name, c := range map[string]struct {
		ask   func(context.Context) ([]string, error)
		state string
		fix   string
	}{
		"administrators only": {says([]string{"admin"}, nil), OK, ""},
		"no editor":           {says(nil, nil), OK, ""},
		"users too":           {says([]string{"admin", "user"}, nil), Failed, "sso keycloak setup"},
		"not declared": {says(nil, fault.New(fault.NotFound,
			"not declared").WithHint("leadctl sso keycloak setup")), Failed, "sso keycloak setup"},
		"no administrator": {nil, Skipped, "LEADCTL_KEYCLOAK_PASSWORD_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checks := checkTenantEditors(t.Context(), Options{Config: cfg, TenantEditors: c.ask})
			require.Len(t, checks, 1)
			require.Equal(t, c.state, checks[0].State)
			require.Contains(t, checks[0].Fix, c.fix)
		})
	}
	other := cfg // the cases above run when this function has returned
	other.SSO.Issuer = "https://acme.auth0.com/"
	require.Empty(t, checkTenantEditors(t.Context(), Options{Config: other}), "only Keycloak is checked")
}
