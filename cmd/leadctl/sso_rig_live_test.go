//go:build live

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// realm is a Keycloak realm of one test, made by `sso keycloak setup`.
type realm struct {
	base, name string
	more       []string // additional flags of setup
	db         *pgtest.DB
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	env := func(name string) string {
		v := os.Getenv(name)
		require.NotEmpty(t, v, "%s is not set; scripts/live sets it", name)
		return v
	}
	r := &realm{
		base: env("LEADCTL_LIVE_KEYCLOAK_URL"),
		name: fmt.Sprintf("leadctl-%d", time.Now().UnixNano()),
		db:   pgtest.New(t),
	}
	t.Setenv("LEADCTL_KEYCLOAK_PASSWORD_FILE", env("LEADCTL_LIVE_KEYCLOAK_PASSWORD_FILE"))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	t.Cleanup(func() { r.callAdmin(t, http.MethodDelete, "", nil, nil) })
	return r
}

// callAdmin calls Keycloak's admin API below the realm and returns the status code.
func (r *realm) callAdmin(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	password, err := os.ReadFile(os.Getenv("LEADCTL_KEYCLOAK_PASSWORD_FILE"))
	require.NoError(t, err)
	token := r.requestToken(
		t,
		"master",
		url.Values{
			"client_id":  {"admin-cli"},
			"grant_type": {"password"},
			"username":   {"admin"},
			"password":   {strings.TrimSpace(string(password))},
		},
	)
	body, err := json.Marshal(in)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(
		context.WithoutCancel(t.Context()),
		method,
		r.base+"/admin/realms/"+r.name+path,
		bytes.NewReader(body),
	)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token["access_token"])
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	if out != nil && resp.StatusCode == http.StatusOK {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(out))
	}
	return resp.StatusCode
}

// requestToken calls a realm's token endpoint and returns the string fields of the response: tokens, or error and
// error_description.
func (r *realm) requestToken(t *testing.T, realm string, form url.Values) map[string]string {
	t.Helper()
	resp, err := http.PostForm(r.base+"/realms/"+realm+"/protocol/openid-connect/token", form)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	out := map[string]string{}
	for name, v := range answer {
		if s, ok := v.(string); ok {
			out[name] = s
		}
	}
	return out
}

// leadctl runs a command and returns its exit code and output.
func leadctl(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	t.Logf("leadctl %s: exit %d\n%s%s", strings.Join(args, " "), code, errs.String(), out.String())
	return code, out.String(), errs.String()
}

func (r *realm) setup(extra ...string) []string {
	return slices.Concat([]string{
		"sso", "keycloak", "setup", "--url", r.base, "--realm", r.name, "--odoo-url", "http://127.0.0.1:8069",
		"--ui-url", "http://localhost:3000", "--ui-url", "https://app.acme.example",
		"--test-user", alice + ":1:ops", "--test-user", bob, "--test-password-file", "test.password",
	}, r.more, extra)
}

// setUp runs `sso keycloak setup` as a dry run, for real and a second time, and sets the printed settings.
func (r *realm) setUp(t *testing.T) {
	require.NoError(t, os.WriteFile("test.password", []byte(livePassword+"\n"), 0o600))
	code, _, said := leadctl(t, r.setup()...)
	require.Equal(t, 4, code, "setup does not create the realm without --create-realm")
	require.Contains(t, said, "--create-realm")

	code, planned, _ := leadctl(t, r.setup("--create-realm", "--dry-run", "-o", "json")...)
	require.Zero(t, code)
	require.Equal(t, 404, r.callAdmin(t, http.MethodGet, "", nil, nil), "a dry run writes nothing")
	for _, c := range planOf(t, planned) {
		require.Equal(t, keycloak.Create, c.Action, c)
	}

	code, printed, _ := leadctl(t, r.setup("--create-realm", "--secret-file", "client.secret", "--print", "api-dev")...)
	require.Zero(t, code)
	require.NotContains(t, printed, livePassword)
	code, again, _ := leadctl(t, r.setup("--print", "plan", "-o", "json")...)
	require.Zero(t, code)
	require.Greater(t, len(planOf(t, again)), len(planOf(t, planned)))
	for _, c := range planOf(t, again) {
		require.Equal(t, keycloak.Keep, c.Action, "the second run changes nothing: %v", c)
	}

	info, err := os.Stat("client.secret")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	secret, err := os.ReadFile("client.secret")
	require.NoError(t, err)
	require.NotContains(t, printed, strings.TrimSpace(string(secret)))
	for line := range strings.Lines(printed) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			t.Setenv(name, value)
		}
	}
	t.Setenv("POSTGRES_DSN", r.db.LoginDSN)
	_, err = r.db.Owner.Exec(t.Context(), `INSERT INTO tenants (name) VALUES ('Acme'), ('Borealis')`)
	require.NoError(t, err)
}

func planOf(t *testing.T, text string) (plan []keycloak.Change) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &plan))
	return plan
}

func whoAmI(t *testing.T) whoami {
	t.Helper()
	code, out, _ := leadctl(t, "sso", "whoami", "-o", "json")
	require.Zero(t, code)
	var who whoami
	require.NoError(t, json.Unmarshal([]byte(out), &who))
	return who
}

// explainChecks returns the checks of `sso whoami --explain` by name.
func explainChecks(t *testing.T, wantCode int, args ...string) map[string]explainedCheck {
	t.Helper()
	code, out, _ := leadctl(t, append([]string{"sso", "whoami", "--explain", "-o", "json"}, args...)...)
	require.Equal(t, wantCode, code)
	var rows []explainedCheck
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Equal(t, "database", rows[len(rows)-1].Check, "the tenant's row comes last")
	byName := map[string]explainedCheck{}
	for _, c := range rows {
		byName[c.Check] = c
	}
	return byName
}
