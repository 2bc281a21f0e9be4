package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
)

const twoProfiles = `
database: {dsn: "postgres://db/file", max_conns: 7}
profiles:
  Staging:
    database: {dsn: "postgres://db/staging"}
    sso: {issuer: "https://id.staging.example"}
  live:
    database: {dsn_file: SECRET}
    env: production
`

// TestProfile: a profile overrides the environment and the rest of the file; a flag overrides the profile.
func TestProfile(t *testing.T) {
	t.Parallel()
	env := map[string]string{"POSTGRES_DSN": "postgres://db/shell", "NEXIUS_AUDIENCE": "api"}
	src := newSource(t, twoProfiles, env)
	cfg, err := config.Load(src)
	require.NoError(t, err)
	require.Equal(t, "postgres://db/shell", cfg.Database.DSN, "no profile is chosen")
	require.Equal(t, []string{"live", "staging"}, config.Profiles(src))

	src.Profile = "staging"
	src.Flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(src.Flags, "log.level")
	require.NoError(t, src.Flags.Parse([]string{"--log-level", "debug"}))
	cfg, err = config.Load(src)
	require.NoError(t, err)
	require.Equal(t, "postgres://db/staging", cfg.Database.DSN)
	require.Equal(t, "https://id.staging.example", cfg.SSO.Issuer)
	require.Equal(t, 7, cfg.Database.MaxConns, "the file sets what the profile does not")
	require.Equal(t, []string{"api"}, cfg.SSO.Audiences)
	require.Equal(t, "profile staging", shownSetting(cfg, "database.dsn").Origin)
	require.Equal(t, "--log-level", shownSetting(cfg, "log.level").Origin)
}

func TestProfileFromTheEnvironmentWithASecretFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(file, []byte("postgres://db/live\n"), 0o600))
	src := newSource(t, "profiles: {live: {database: {dsn_file: "+file+"}}}",
		map[string]string{"LEADCTL_PROFILE": "live"})
	cfg, err := config.Load(src)
	require.NoError(t, err)
	require.Equal(t, "postgres://db/live", cfg.Database.DSN)
}

func TestWrongProfiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, profile, says string }{
		"unknown": {twoProfiles, "stagign",
			"profile stagign: not in the configuration file, which has live, staging"},
		"no profiles": {"env: development", "staging", "profile staging: the configuration file has no profiles"},
		"no file":     {"", "staging", "has no profiles"},
		"unknown key": {"profiles: {a: {database: {dns: x}}}", "",
			"unknown key profiles.a.database.dns; did you mean database.dsn?"},
		"wrong value": {"profiles: {a: {database: {max_conns: many}}}", "a",
			`profile a: database.max_conns "many": must be a whole number`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := newSource(t, c.yaml, nil)
			src.Profile = c.profile
			_, err := config.Load(src)
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
}
