package keycloak_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	places := sso.Addresses{
		UI: []string{"http://localhost:3000", "https://app.acme.example"}, API: "https://api.acme.example/",
	}
	s := keycloak.Settings{Issuer: "https://id.example/realms/acme", Client: "ui", CLIClient: "cli", Addresses: places}
	blocks := map[string]string{}
	for _, b := range s.Blocks() {
		blocks[b.Name] = b.String()
	}
	require.Len(t, blocks, 4)
	require.Contains(t, blocks["api-prod"], "LEADCTL_ENV=production\n")
	require.Contains(t, blocks["api-prod"], "EXTRA_CORS_ORIGINS=https://app.acme.example\n")
	require.Contains(t, blocks["api-prod"], "LEADCTL_API_PUBLIC_URL=https://api.acme.example\n")
	require.Contains(t, blocks["api-prod"], "NEXIUS_AUDIENCE=ui\n")
	require.Contains(t, blocks["api-prod"], "LEADCTL_SSO_EXTRA_CLIENTS=cli\n")
	require.Contains(t, blocks["api-dev"], "EXTRA_CORS_ORIGINS=http://localhost:3000\n")
	require.Contains(t, blocks["ui-dev"], "NEXT_PUBLIC_ENABLE_TENANT_SWITCHER=true\n")
	require.Contains(t, blocks["ui-prod"], "NEXTAUTH_URL=https://app.acme.example\n")
	require.Contains(t, blocks["ui-prod"], "NEXT_PUBLIC_ENABLE_TENANT_SWITCHER=false\n")
	require.Contains(t, blocks["ui-prod"], "NEXIUS_CLIENT_SECRET=\n", "must not contain the secret")
	require.NotContains(t, s.YAML(), "development")

	s.SecretFile = "/run/secret"
	require.Contains(t, s.Blocks()[0].String(), "NEXIUS_CLIENT_SECRET_FILE=/run/secret\n")
	require.Contains(t, s.YAML(), `client_secret_file: "/run/secret"`)
	s.SecretFile, s.Secret, s.Issuer = "", "hush", "http://127.0.0.1:8080/realms/acme"
	require.Contains(t, s.Blocks()[2].String(), "NEXIUS_CLIENT_SECRET=hush\n")
	require.Contains(t, s.Blocks()[1].String(), "must be the realm's https address")
	require.True(t, strings.HasPrefix(s.YAML(), "---\nenv: development\n"))
	require.Contains(t, s.YAML(), "  public_url: \"http://localhost:2024\"\n  cors_origins: [\"http://localhost:3000\"]\n")
	require.True(t, strings.HasSuffix(s.YAML(), "\n...\n"), "shows that nothing is missing")
}
