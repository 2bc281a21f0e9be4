//go:build live

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// realm is a Keycloak realm that only this test knows, made by `sso keycloak setup`.
type realm struct {
	base, name string
	more       []string // flags of setup beyond the usual ones
	db         *pgtest.DB
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	env := func(name string) string {
		v := os.Getenv(name)
		require.NotEmpty(t, v, "%s is not set; scripts/live sets it", name)
		return v
	}
	r := &realm{base: env("LEADCTL_LIVE_KEYCLOAK_URL"), name: fmt.Sprintf("leadctl-%d", time.Now().UnixNano()), db: pgtest.New(t)}
	t.Setenv("LEADCTL_KEYCLOAK_PASSWORD_FILE", env("LEADCTL_LIVE_KEYCLOAK_PASSWORD_FILE"))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	t.Cleanup(func() { r.callAdmin(t, http.MethodDelete, "", nil, nil) })
	return r
}

// callAdmin is a call of the admin API below the realm, for what leadctl itself never does.
func (r *realm) callAdmin(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	password, err := os.ReadFile(os.Getenv("LEADCTL_KEYCLOAK_PASSWORD_FILE"))
	require.NoError(t, err)
	token := r.requestToken(t, "master", url.Values{"client_id": {"admin-cli"}, "grant_type": {"password"}, "username": {"admin"}, "password": {strings.TrimSpace(string(password))}})
	body, err := json.Marshal(in)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, r.base+"/admin/realms/"+r.name+path, bytes.NewReader(body))
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

// requestToken asks a realm's token endpoint; the answer's texts, which for a refusal are error and error_description.
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

// leadctl runs a command and gives its exit code and what it said.
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

// setUp is the dry run, the run, the run again, and the settings taken over from what it printed.
func (r *realm) setUp(t *testing.T) {
	require.NoError(t, os.WriteFile("test.password", []byte(livePassword+"\n"), 0o600))
	code, _, said := leadctl(t, r.setup()...)
	require.Equal(t, 4, code, "the realm is only made when that is asked for")
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

// person is somebody's browser.
type person struct {
	*http.Client
	email string
}

func newPerson(t *testing.T, email string) person {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return person{&http.Client{Jar: jar, Timeout: 30 * time.Second}, email}
}

var formAction = regexp.MustCompile(`(?s)<form[^>]*\baction="([^"]*)"`)

// signInAt signs in at address as Keycloak's pages ask for it, and consents where they ask for that. It gives the last
// page.
func (p person) signInAt(t *testing.T, address string) string {
	resp, err := p.Get(address)
	if !assert.NoError(t, err) {
		return ""
	}
	for range 4 {
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		page := string(raw)
		if !assert.NoError(t, err) || !strings.Contains(page, "<form") {
			return page
		}
		at, err := resp.Request.URL.Parse(html.UnescapeString(formAction.FindStringSubmatch(page)[1]))
		if !assert.NoError(t, err) {
			return page
		}
		form := url.Values{"username": {p.email}, "password": {livePassword}, "credentialId": {""}}
		if !strings.Contains(page, `name="password"`) {
			form = hiddenFields(page)
			form.Set("accept", "Yes")
		}
		if resp, err = p.PostForm(at.String(), form); !assert.NoError(t, err) {
			return ""
		}
	}
	t.Errorf("%s: no end of forms", address)
	return ""
}

func hiddenFields(page string) url.Values {
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// loginTerminal is stderr with somebody looking at it: the first address on it is visited.
type loginTerminal struct {
	mu    sync.Mutex
	text  strings.Builder
	once  sync.Once
	visit func(address string)
	done  sync.WaitGroup
}

var loginAddress = regexp.MustCompile(`https?://[^\s]+/(auth\?|device\?)[^\s]+`)

func (s *loginTerminal) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if address := loginAddress.FindString(s.text.String()); address != "" {
		s.once.Do(func() { s.done.Go(func() { s.visit(address) }) })
	}
	return len(b), nil
}

// logIn runs `sso login` with somebody at the browser.
func logIn(t *testing.T, email string, flags ...string) (said signedIn) {
	t.Helper()
	who := newPerson(t, email)
	screen := &loginTerminal{visit: func(address string) {
		page := who.signInAt(t, address)
		assert.Regexp(t, `Signed in\. This page can be closed|Device Login Successful`, page)
	}}
	var out bytes.Buffer
	code := run(t.Context(), append([]string{"sso", "login", "-o", "json"}, flags...), strings.NewReader(""), &out, screen)
	screen.done.Wait()
	t.Logf("leadctl sso login %v: exit %d\n%s%s", flags, code, screen.text.String(), out.String())
	require.Zero(t, code)
	require.NoError(t, json.Unmarshal(out.Bytes(), &said))
	return said
}

func whoAmI(t *testing.T) whoami {
	t.Helper()
	code, out, _ := leadctl(t, "sso", "whoami", "-o", "json")
	require.Zero(t, code)
	var who whoami
	require.NoError(t, json.Unmarshal([]byte(out), &who))
	return who
}

// explainChecks is `sso whoami --explain` by name.
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

// shiftedClock is the clock, moved.
type shiftedClock struct {
	mu sync.Mutex
	by time.Duration
}

func newShiftedClock() *shiftedClock { return &shiftedClock{} }

func (s *shiftedClock) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.by)
}

func (s *shiftedClock) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by += d
}
