package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/fault"
)

// newSource returns a source with the environment env and, unless yaml is empty, a leadctl.yaml that ends with a line
// break.
func newSource(t *testing.T, yaml string, env map[string]string) config.Source {
	t.Helper()
	if yaml == "" {
		return config.Source{Dirs: []string{}, Lookup: lookupIn(env)}
	}
	return newFileSource(t, strings.TrimSuffix(yaml, "\n")+"\n", env)
}

func newFileSource(t *testing.T, text string, env map[string]string) config.Source {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600))
	return config.Source{Dirs: []string{dir}, Lookup: lookupIn(env)}
}

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func shownSetting(c config.Config, key string) config.Shown {
	for _, s := range c.Show() {
		if s.Key == key {
			return s
		}
	}
	return config.Shown{}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(newSource(t, "", nil))
	require.NoError(t, err)
	require.False(t, cfg.Development(), "production is the default")
	require.Equal(t, "127.0.0.1:2024", cfg.API.Listen)
	require.Equal(t, slog.LevelInfo, cfg.Log.Level)
	require.Equal(t, []string{"RS256", "ES256"}, cfg.SSO.Algorithms)
	require.True(t, cfg.API.CookieSecure)
	require.Empty(t, cfg.SSO.Audiences)
	require.Zero(t, cfg.ACRA.Interval)
}

// TestVariablesInUseKeepWorking: existing deployments set these variables, so their meaning must not change.
// ODOO_BASE_DSN_TEMPLATE is ignored.
func TestVariablesInUseKeepWorking(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(newSource(t, "", map[string]string{
		"POSTGRES_DSN": "postgres://db/leads", "NEXIUS_ISSUER": "https://id.example/", "NEXIUS_AUDIENCE": "api, ui",
		"NEXIUS_CLIENT_ID": "ui", "NEXIUS_CLIENT_SECRET": "s1", "ALLOW_DEV_BYPASS": "1", "DEFAULT_TENANT_ID": "7",
		"EXTRA_CORS_ORIGINS": "https://a.example,http://localhost:3001", "ODOO_SERVER_URL": "http://odoo:8069",
		"ODOO_MASTER_PASSWORD": "s2", "ODOO_TEMPLATE_DB": "tmpl", "ODOO_POSTGRES_DSN": "postgres://odoo@db/postgres",
		"ODOO_BASE_DSN_TEMPLATE": "postgresql://odoo:pw@db:5432/{db_name}", "ODOO_DEFAULT_DB_NAME": "odoo",
		"API_URL": "https://example.org/search", "RESOURCE_ID": "d_1", "PAGE_SIZE": "100", "INTERVAL_SECONDS": "86400",
		"DISABLE_SCHEDULER": "1", "DISABLE_STARTUP_INGEST": "true", "ACCESS_COOKIE_NAME": "at",
		"REFRESH_COOKIE_NAME": "rt", "COOKIE_SECURE": "false",
	}))
	require.NoError(t, err)
	require.Equal(t, config.Database{DSN: "postgres://db/leads"}, cfg.Database)
	require.Equal(t, "https://id.example/", cfg.SSO.Issuer, "byte for byte")
	require.Equal(t, []string{"api", "ui"}, cfg.SSO.Audiences)
	require.Equal(t, []string{"ui", "s1"}, []string{cfg.SSO.ClientID, cfg.SSO.ClientSecret})
	require.Equal(t, config.Dev{AllowBypass: true, DefaultTenantID: 7}, cfg.Dev)
	require.Equal(t, []string{"https://a.example", "http://localhost:3001"}, cfg.API.CORSOrigins)
	require.Equal(t, config.Odoo{
		ServerURL: "http://odoo:8069", MasterPassword: "s2", TemplateDB: "tmpl",
		PostgresDSN: "postgres://odoo@db/postgres", DefaultDBName: "odoo",
		Mode: "database", Protocol: "auto", DatabasePrefix: "leadctl", Language: "en_US", LeadType: "opportunity",
		PushLimit: 500,
		Assign:    "none",
	}, cfg.Odoo)
	require.Equal(t, config.ACRA{
		APIURL: "https://example.org/search", ResourceIDs: []string{"d_1"}, PageSize: 100, MaxShrink: 5, Interval: 24 * time.Hour,
		DisableScheduler: true, DisableStartupIngest: true,
	}, cfg.ACRA)
	require.Equal(t, []any{"at", "rt", false}, []any{cfg.API.AccessCookie, cfg.API.RefreshCookie, cfg.API.CookieSecure})
}

func TestPrecedenceOfOrigins(t *testing.T) {
	t.Parallel()
	const yaml = "api: {listen: '127.0.0.1:1'}"
	env := map[string]string{"LEADCTL_API_LISTEN": "127.0.0.1:2"}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags, "api.listen", "log.level")
	require.NoError(t, flags.Parse([]string{"--listen", "127.0.0.1:3"}))

	for _, c := range []struct {
		name, yaml string
		env        map[string]string
		flags      *pflag.FlagSet
		want       string
		origin     string
	}{
		{"default", "", nil, nil, "127.0.0.1:2024", "default"},
		{"file", yaml, nil, nil, "127.0.0.1:1", "file "},
		{"environment", yaml, env, nil, "127.0.0.1:2", "env LEADCTL_API_LISTEN"},
		{"flag", yaml, env, flags, "127.0.0.1:3", "--listen"},
		{"empty variable is unset", yaml, map[string]string{"LEADCTL_API_LISTEN": ""}, nil, "127.0.0.1:1", "file "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := newSource(t, c.yaml, c.env)
			src.Flags = c.flags
			cfg, err := config.Load(src)
			require.NoError(t, err)
			require.Equal(t, c.want, cfg.API.Listen)
			require.Equal(t, c.want, shownSetting(cfg, "api.listen").Value)
			require.True(t, strings.HasPrefix(shownSetting(cfg, "api.listen").Origin, c.origin),
				shownSetting(cfg, "api.listen").Origin)
			require.Equal(t, "default", shownSetting(cfg, "log.level").Origin, "a flag that is not given sets nothing")
		})
	}
}

func TestSecondNameOfASetting(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(newSource(t, "", map[string]string{"DATABASE_URL": "postgres://b/"}))
	require.NoError(t, err)
	require.Equal(t, "postgres://b/", cfg.Database.DSN)
	require.Equal(t, "env DATABASE_URL", shownSetting(cfg, "database.dsn").Origin)

	cfg, err = config.Load(newSource(t, "", map[string]string{"DATABASE_URL": "postgres://b/",
		"POSTGRES_DSN": "postgres://a/"}))
	require.NoError(t, err)
	require.Equal(t, "postgres://a/", cfg.Database.DSN)
}

func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(newSource(t, `
env: development
sso:
  issuer: http://localhost:8080/realms/nexius-dev
  audiences: [api, "ui"]
acra:
  page_size: 500
  interval: 12h
  disable_scheduler: true
odoo: # all commented out
`, nil))
	require.NoError(t, err)
	require.True(t, cfg.Development())
	require.Equal(t, []string{"api", "ui"}, cfg.SSO.Audiences)
	require.Equal(t, 500, cfg.ACRA.PageSize)
	require.Equal(t, 12*time.Hour, cfg.ACRA.Interval)
	require.True(t, cfg.ACRA.DisableScheduler)
	require.Equal(t, "auto", cfg.Odoo.Protocol, "an empty group keeps the defaults")
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte("hunter2\n"), 0o600))

	cfg, err := config.Load(newSource(t, "secrets: {keyset_file: "+path+"}",
		map[string]string{"NEXIUS_CLIENT_SECRET_FILE": path}))
	require.NoError(t, err)
	require.Equal(t, "hunter2", cfg.SSO.ClientSecret)
	require.Equal(t, "hunter2", cfg.Secrets.Keyset)
	require.Equal(t, "env NEXIUS_CLIENT_SECRET_FILE", shownSetting(cfg, "sso.client_secret").Origin)
	require.NotContains(t, strings.Join(shownValues(cfg), " "), "hunter2")

	_, err = config.Load(newSource(t, "", map[string]string{
		"NEXIUS_CLIENT_SECRET": "hunter2", "NEXIUS_CLIENT_SECRET_FILE": path, "ODOO_MASTER_PASSWORD_FILE": "/nowhere",
		"NEXIUS_ISSUER_FILE": path, // not a secret, so this variable is ignored
	}))
	require.ErrorContains(t, err, "NEXIUS_CLIENT_SECRET and NEXIUS_CLIENT_SECRET_FILE: both are set")
	require.ErrorContains(t, err, "ODOO_MASTER_PASSWORD_FILE: open /nowhere")
	require.NotContains(t, err.Error(), "hunter2")
}

func shownValues(c config.Config) []string {
	var out []string
	for _, s := range c.Show() {
		out = append(out, s.Value)
	}
	return out
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	src := newSource(t, "odooo: {mode: x}\nodoo: {mod: company, protocol: soap}\ndsn: x\n", map[string]string{
		"LEADCTL_ENV": "staging", "PAGE_SIZE": "many", "COOKIE_SECURE": "maybe", "NEXIUS_ISSUER": "id.example",
		"EXTRA_CORS_ORIGINS": "https://a.example,https://b.example/", "DEFAULT_TENANT_ID": "+1",
		"INTERVAL_SECONDS": "-1", "LEADCTL_LOG_LEVEL": "loud", "LEADCTL_API_LISTEN": "2024",
	})
	cfg, err := config.Load(src)
	require.True(t, fault.Is(err, fault.Invalid))
	for _, want := range []string{
		"unknown key odooo.mode; did you mean odoo.mode?", "unknown key odoo.mod; did you mean odoo.mode?",
		"unknown key dsn; did you mean database.dsn?", `odoo.protocol "soap": must be one of auto, xmlrpc, json2`,
		`LEADCTL_ENV "staging": must be one of`, `PAGE_SIZE "many": must be a whole number`,
		`COOKIE_SECURE "maybe": must be one of 1, true`,
		`NEXIUS_ISSUER "id.example": must be an http or https URL`, `item "https://b.example/"`,
		`DEFAULT_TENANT_ID "+1": must be a tenant's number`, `INTERVAL_SECONDS "-1": must be 0 or more`,
		`LEADCTL_LOG_LEVEL "loud": must be one of`, `LEADCTL_API_LISTEN "2024": must be host:port`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, "many", shownSetting(cfg, "acra.page_size").Value, "Show includes wrong values")
}

func TestAllowDevBypassSpellings(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"1": "on", "true": "on", "TRUE": "on", "yes": "on", "on": "on", "": "off", "0": "off", "false": "off",
		" 1 ": "error", "01": "error", "no": "error", "off": "error", "disabled": "error", " ": "error",
	} {
		cfg, err := config.Load(newSource(t, "", map[string]string{"ALLOW_DEV_BYPASS": value}))
		got := map[bool]string{true: "on", false: "off"}[cfg.Dev.AllowBypass]
		if err != nil {
			require.ErrorContains(t, err, "ALLOW_DEV_BYPASS")
			got = "error"
		}
		require.Equal(t, want, got, "ALLOW_DEV_BYPASS=%q", value)
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{File: filepath.Join(t.TempDir(), "none.yaml")})
	require.ErrorContains(t, err, "none.yaml", "a file that is named must exist")
	_, err = config.Load(newSource(t, "api: [unclosed", nil))
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = config.Load(newSource(t, "database: postgres://x/", nil))
	require.ErrorContains(t, err, "unknown key database; did you mean database.dsn?")
}

// TestFileCutShort cuts a file at each byte. What is left is rejected, or means the same as the whole file.
func TestFileCutShort(t *testing.T) {
	t.Parallel()
	const body = `env: development
database: {dsn: "postgres://db/leads", max_conns: 120}
sso:
  issuer: http://id.example:8080/realms/acme
  audiences: [api]
onboarding:
  policy: invite
quotas:
  members: 50
`
	whole, err := config.Load(newSource(t, body, nil))
	require.NoError(t, err)
	require.NoError(t, whole.ForServe())
	for name, text := range map[string]string{"marked": "---\n" + body + "...\n", "unmarked": body} {
		for at := range text {
			cfg, err := config.Load(newFileSource(t, text[:at], nil))
			if err != nil || cfg.ForServe() != nil {
				continue
			}
			require.Equal(t, "invite", cfg.Onboarding.Policy, "%s: cut at %d", name, at)
			if name == "marked" {
				require.Equal(t, shownValues(whole), shownValues(cfg), "cut at %d", at)
			}
		}
	}
	for text, problem := range map[string]string{"quotas: {members: 5}": "no line break",
		"---\nquotas: {members: 5}\n": "does not end with the line ...",
		"quotas:\n  members:\n":       "quotas.members has no value",
	} {
		_, err := config.Load(newFileSource(t, text, nil))
		require.ErrorContains(t, err, problem)
	}
	env := map[string]string{"POSTGRES_DSN": "postgres://db/leads", "NEXIUS_ISSUER": "https://id.example",
		"NEXIUS_AUDIENCE": "api"}
	cfg, err := config.Load(newSource(t, "quotas: {members: 5}\n", env))
	require.NoError(t, err)
	require.ErrorContains(t, cfg.ForServe(), "onboarding.policy is not set")
	cfg, err = config.Load(newSource(t, "quotas: {members: 5}\n...\n", env))
	require.NoError(t, err)
	require.NoError(t, cfg.ForServe())
}

func TestProgramIsNotReadAsConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "leadctl"), []byte("\x7fELF"), 0o700))
	src := newSource(t, "", nil)
	src.Dirs = []string{dir}
	_, err := config.Load(src)
	require.NoError(t, err)
}

func TestSettingsAreConsistent(t *testing.T) {
	t.Parallel()
	envs, keys := map[string]bool{}, map[string]bool{}
	for _, s := range config.Settings() {
		require.False(t, keys[s.Key], "key %s is not unique", s.Key)
		keys[s.Key] = true
		require.NotEmpty(t, s.Doc, s.Key)
		require.Contains(t, []string{"", "all", "password"}, s.Secret, s.Key)
		require.True(t, s.Secret == "" || s.Flag == "" && s.Default == "", "%s: a secret has no flag and no default",
			s.Key)
		for _, name := range s.Env {
			require.False(t, envs[name], "variable %s is not unique", name)
			envs[name] = true
		}
	}
	require.True(t, reflect.DeepEqual(config.Settings(), config.Settings()))
}
