package config_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
)

// validEnv returns the minimal environment of a production server, changed by pairs of name and value.
func validEnv(pairs ...string) map[string]string {
	env := map[string]string{
		"POSTGRES_DSN": "postgres://db/leads", "NEXIUS_ISSUER": "https://id.example", "NEXIUS_AUDIENCE": "api",
	}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return env
}

func serveError(t *testing.T, env map[string]string) error {
	t.Helper()
	cfg, _ := config.Load(newSource(t, "", env))
	return cfg.ForServe()
}

func TestForServe(t *testing.T) {
	t.Parallel()
	development := func(pairs ...string) map[string]string {
		return validEnv(append(pairs, "LEADCTL_ENV", "development")...)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want []string // nil: it may start
	}{
		"production":        {validEnv(), nil},
		"client id alone":   {validEnv("NEXIUS_AUDIENCE", "", "NEXIUS_CLIENT_ID", "ui"), nil},
		"audience off":      {validEnv("NEXIUS_AUDIENCE", ""), nil},
		"no database":       {validEnv("POSTGRES_DSN", ""), []string{"POSTGRES_DSN is not set"}},
		"no issuer":         {validEnv("NEXIUS_ISSUER", ""), []string{"NEXIUS_ISSUER is not set"}},
		"no issuer, laptop": {development("NEXIUS_ISSUER", ""), []string{"NEXIUS_ISSUER is not set"}},
		"http issuer": {
			validEnv("NEXIUS_ISSUER", "HTTP://id.example"), []string{"NEXIUS_ISSUER is not https"},
		},
		"http issuer, laptop":   {development("NEXIUS_ISSUER", "http://localhost:8080"), nil},
		"http inside":           {validEnv("LEADCTL_SSO_INTERNAL_URL", "http://keycloak:8080"), nil},
		"plain cookies":         {validEnv("COOKIE_SECURE", "false"), []string{"COOKIE_SECURE is off"}},
		"plain cookies, laptop": {development("COOKIE_SECURE", "false"), nil},
		"http public URL": {
			validEnv("LEADCTL_API_PUBLIC_URL", "http://x.example"), []string{"LEADCTL_API_PUBLIC_URL"},
		},
		"no domains": {
			validEnv("LEADCTL_ONBOARDING_POLICY", "domains"), []string{"LEADCTL_ONBOARDING_DOMAINS"},
		},
		"everything, with problems of Load": {
			map[string]string{"PAGE_SIZE": "x", "COOKIE_SECURE": "0", "ALLOW_DEV_BYPASS": "1",
				"LEADCTL_API_LISTEN": ":2024"},
			[]string{"PAGE_SIZE", "COOKIE_SECURE", "POSTGRES_DSN", "NEXIUS_ISSUER", "NEXIUS_AUDIENCE",
				"ALLOW_DEV_BYPASS", ":2024"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := serveError(t, c.env)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, 3, fault.ExitCode(err))
			for _, part := range c.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(newSource(t, "", validEnv("NEXIUS_AUDIENCE", "", "ALLOW_DEV_BYPASS", "1")))
	require.NoError(t, err)
	require.Len(t, cfg.Warnings(), 2)
	require.Contains(t, cfg.Warnings()[0], "NEXIUS_AUDIENCE")
	cfg, err = config.Load(newSource(t, "", validEnv()))
	require.NoError(t, err)
	require.Empty(t, cfg.Warnings())
}

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("A-054", func(t *testing.T) {
		t.Parallel()
		err := serveError(t, validEnv("NEXIUS_AUDIENCE", "", "NEXIUS_ISSUER", ""))
		require.Equal(t, 3, fault.ExitCode(err))
		require.ErrorContains(t, err, "NEXIUS_ISSUER")
		require.ErrorContains(t, err, "NEXIUS_AUDIENCE")
	})
	t.Run("A-100", testBypassMatrix)
}

// testBypassMatrix: the bypass is allowed only in development, on loopback, with an exact spelling.
func testBypassMatrix(t *testing.T) {
	t.Parallel()
	spelled := map[string]bool{"1": true, "true": true, "TRUE": true, "yes": true, "on": true, " 1 ": false,
		"01": false}
	machines := map[string]bool{
		"": false, "prod": false, "production": false, "staging": false, "Prod": false, "DEVELOPMENT": false,
		"dev": true, "development": true,
	}
	listeners := map[string]bool{
		"127.0.0.1:2024": true, "127.9.9.9:2024": true, "[::1]:2024": true, "localhost:2024": true,
		"[::ffff:127.0.0.1]:2024": true, "0.0.0.0:2024": false, "[::]:2024": false, ":8080": false,
		"10.0.0.7:2024": false, "example.com:2024": false, "localhost.example.com:2024": false,
	}
	for _, spelling := range slices.Sorted(maps.Keys(spelled)) {
		for _, machine := range slices.Sorted(maps.Keys(machines)) {
			for _, listen := range slices.Sorted(maps.Keys(listeners)) {
				for _, issuer := range []string{"http://localhost:8080/realms/dev", "https://id.example"} {
					err := serveError(t, validEnv("ALLOW_DEV_BYPASS", spelling, "LEADCTL_ENV", machine,
						"LEADCTL_API_LISTEN", listen, "NEXIUS_ISSUER", issuer))
					name := fmt.Sprintf("%q in %q on %s with %s", spelling, machine, listen, issuer)
					if spelled[spelling] && machines[machine] && listeners[listen] {
						require.NoError(t, err, name)
						continue
					}
					require.Equal(t, 3, fault.ExitCode(err), name)
				}
			}
		}
	}
}
