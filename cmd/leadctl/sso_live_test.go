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
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/doctor"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/sso"
)

const (
	liveClient   = "agent-chat-ui"
	livePassword = "a password with & and ü"
	alice, bob   = "alice@acme.example", "bob@acme.example"
)

// realm is a Keycloak realm that only this test knows, made by `sso keycloak setup`.
type realm struct {
	base, name string
	more       []string // flags of setup beyond the usual ones
	db         *pgtest.DB
}

// TestLiveSSOOnRealKeycloak is the way from an empty Keycloak to people signed in, as an operator walks it.
func TestLiveSSOOnRealKeycloak(t *testing.T) {
	r := newRealm(t)
	r.setUp(t)

	t.Run("code flow", func(t *testing.T) { r.aliceByBrowser(t) })
	t.Run("session is renewed", func(t *testing.T) { r.renewed(t) })
	t.Run("keys rotate", func(t *testing.T) { r.keysRotate(t) })
	t.Run("logout", func(t *testing.T) { r.loggedOut(t) })
	t.Run("device flow", func(t *testing.T) { r.bobByDevice(t) })
	t.Run("another client of the realm", func(t *testing.T) { r.foreignClient(t) })
	t.Run("users cannot choose their tenant", func(t *testing.T) { r.tenantIsNotTheirs(t) })
	t.Run("assign", func(t *testing.T) { r.assigned(t) })
	t.Run("drift is put right", func(t *testing.T) { r.driftIsPutRight(t) })
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
	t.Cleanup(func() { r.rest(t, http.MethodDelete, "", nil, nil) })
	return r
}

// rest is a call of the admin API below the realm, for what leadctl itself never does.
func (r *realm) rest(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	password, err := os.ReadFile(os.Getenv("LEADCTL_KEYCLOAK_PASSWORD_FILE"))
	require.NoError(t, err)
	token := r.grant(t, "master", url.Values{"client_id": {"admin-cli"}, "grant_type": {"password"}, "username": {"admin"}, "password": {strings.TrimSpace(string(password))}})
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

// grant asks a realm's token endpoint; the answer's texts, which for a refusal are error and error_description.
func (r *realm) grant(t *testing.T, realm string, form url.Values) map[string]string {
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
	require.Equal(t, 404, r.rest(t, http.MethodGet, "", nil, nil), "a dry run writes nothing")
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

// visit signs in at address as Keycloak's pages ask for it, and consents where they ask for that. It gives the last page.
func (p person) visit(t *testing.T, address string) string {
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
			form = hidden(page)
			form.Set("accept", "Yes")
		}
		if resp, err = p.PostForm(at.String(), form); !assert.NoError(t, err) {
			return ""
		}
	}
	t.Errorf("%s: no end of forms", address)
	return ""
}

func hidden(page string) url.Values {
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// terminal is stderr with somebody looking at it: the first address on it is visited.
type terminal struct {
	mu    sync.Mutex
	text  strings.Builder
	once  sync.Once
	visit func(address string)
	done  sync.WaitGroup
}

var anAddress = regexp.MustCompile(`https?://[^\s]+/(auth\?|device\?)[^\s]+`)

func (s *terminal) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if address := anAddress.FindString(s.text.String()); address != "" {
		s.once.Do(func() { s.done.Go(func() { s.visit(address) }) })
	}
	return len(b), nil
}

// logIn runs `sso login` with somebody at the browser.
func logIn(t *testing.T, email string, flags ...string) (said signedIn) {
	t.Helper()
	who := newPerson(t, email)
	screen := &terminal{visit: func(address string) {
		page := who.visit(t, address)
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

// checks is `sso whoami --explain` by name.
func checks(t *testing.T, wantCode int, args ...string) map[string]explained {
	t.Helper()
	code, out, _ := leadctl(t, append([]string{"sso", "whoami", "--explain", "-o", "json"}, args...)...)
	require.Equal(t, wantCode, code)
	var rows []explained
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Equal(t, "database", rows[len(rows)-1].Check, "the tenant's row comes last")
	byName := map[string]explained{}
	for _, c := range rows {
		byName[c.Check] = c
	}
	return byName
}

func (r *realm) aliceByBrowser(t *testing.T) {
	in := logIn(t, alice, "--no-browser")
	require.Equal(t, alice, in.Email)
	require.Equal(t, []string{"ops"}, in.TokenRoles)
	info, err := os.Stat(in.File)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	who := whoAmI(t)
	require.EqualValues(t, 1, who.Tenant)
	require.Equal(t, "Acme", who.TenantName)
	require.Equal(t, []string{"ops"}, who.Roles)
	require.Equal(t, alice, who.Email)
	require.True(t, who.EmailVerified)
	require.Equal(t, sso.KindAccess, who.Kind)
	require.Contains(t, who.Audience, liveClient)
	for name, c := range checks(t, 0) {
		if name != "clock" { // Keycloak sends no Date
			require.Equal(t, "passed", c.State, "%s: %s", name, c.Detail)
		}
	}
	code, found, _ := leadctl(t, "sso", "discover", "-o", "csv", "--ui-url", "https://app.acme.example")
	require.Zero(t, code)
	require.Contains(t, found, "register,redirect URI,https://app.acme.example/api/auth/callback/nexius")
	require.Regexp(t, `key,.*RS256 RSA 2048 bit, .* old",verifies tokens`, found)
}

// keptSession is the file that login keeps.
func keptSession(t *testing.T) (path string, fields map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "leadctl", "session-*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &fields))
	return files[0], fields
}

// renewed lets the session look expired: the next command renews it, and says nothing about it.
func (r *realm) renewed(t *testing.T) {
	_, old := keptSession(t)
	r.expire(t)
	require.Equal(t, alice, whoAmI(t).Email)
	_, now := keptSession(t)
	require.NotEqual(t, old["access_token"], now["access_token"])
}

// keysRotate makes a new signing key, and later takes the old one away, while tokens are verified all the time.
func (r *realm) keysRotate(t *testing.T) {
	now := newShift()
	v, err := sso.NewVerifier(sso.Config{Issuer: os.Getenv("NEXIUS_ISSUER"), Audiences: []string{liveClient}, ClientIDs: []string{defaultCLIClient}, AllowInsecure: true, Now: now.Now})
	require.NoError(t, err)
	defer v.Close()
	_, s := keptSession(t)
	before := s["access_token"]
	stop, verifying := make(chan struct{}), sync.WaitGroup{}
	verified := 0
	verifying.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				_, err := v.Verify(t.Context(), before)
				assert.NoError(t, err)
				verified++
			}
		}
	})
	old := r.keyProvider(t)
	require.Equal(t, 201, r.rest(t, http.MethodPost, "/components", map[string]any{
		"name": "rsa-next", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider", "parentId": r.id(t),
		"config": map[string][]string{"priority": {"200"}, "enabled": {"true"}, "active": {"true"}, "algorithm": {"RS256"}, "keySize": {"2048"}},
	}, nil))
	answer := r.grant(t, r.name, url.Values{"client_id": {defaultCLIClient}, "grant_type": {"refresh_token"}, "refresh_token": {s["refresh_token"]}})
	after := answer["access_token"]
	require.NotEmpty(t, after, answer["error_description"])
	require.NotEqual(t, keyIDOf(t, before), keyIDOf(t, after))
	_, err = v.Verify(t.Context(), after)
	require.NoError(t, err, "the new key counts at once")
	close(stop)
	verifying.Wait()
	require.Positive(t, verified)

	require.Equal(t, 204, r.rest(t, http.MethodDelete, "/components/"+old, nil, nil))
	now.advance(11 * time.Minute)
	_, err = v.Verify(t.Context(), before)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "a key that is gone counts no more")
	r.expire(t)
	require.Equal(t, alice, whoAmI(t).Email, "the renewed session is signed with the new key")
}

func (r *realm) id(t *testing.T) string {
	var realm struct{ ID string }
	require.Equal(t, 200, r.rest(t, http.MethodGet, "", nil, &realm))
	return realm.ID
}

func (r *realm) keyProvider(t *testing.T) string {
	var list []struct{ ID, ProviderID string }
	require.Equal(t, 200, r.rest(t, http.MethodGet, "/components?type=org.keycloak.keys.KeyProvider", nil, &list))
	for _, c := range list {
		if c.ProviderID == "rsa-generated" {
			return c.ID
		}
	}
	t.Fatal("no key provider")
	return ""
}

func (r *realm) loggedOut(t *testing.T) {
	_, s := keptSession(t)
	code, _, _ := leadctl(t, "sso", "logout")
	require.Zero(t, code)
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "leadctl", "session-*.json"))
	require.NoError(t, err)
	require.Empty(t, left)
	answer := r.grant(t, r.name, url.Values{"client_id": {defaultCLIClient}, "grant_type": {"refresh_token"}, "refresh_token": {s["refresh_token"]}})
	require.Equal(t, "invalid_grant", answer["error"], "the provider knows that the session is over")
	code, _, said := leadctl(t, "sso", "whoami")
	require.Equal(t, 5, code)
	require.Contains(t, said, "leadctl sso login")
}

// bobByDevice: somebody whom nobody gave a tenant or a role. He belongs nowhere, and then where the database says.
func (r *realm) bobByDevice(t *testing.T) {
	in := logIn(t, bob, "--device")
	require.Empty(t, in.TokenRoles)
	code, _, said := leadctl(t, "sso", "whoami")
	require.Equal(t, 5, code)
	require.Contains(t, said, "no tenant yet")
	found := checks(t, 5)
	require.Equal(t, "warning", found["tenant"].State)
	require.Contains(t, found["tenant"].Hint, "leadctl sso keycloak assign")
	require.Equal(t, "warning", found["roles"].State)
	require.Equal(t, "failed", found["database"].State)
	require.Contains(t, found["database"].Hint, "first_login")

	_, err := r.db.Owner.Exec(t.Context(), `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles) VALUES (2, $1, $2, $3, '{viewer}')`, bob, in.Issuer, in.Subject)
	require.NoError(t, err)
	who := whoAmI(t)
	require.EqualValues(t, 2, who.Tenant)
	require.Equal(t, []string{"viewer"}, who.Roles, "stored roles count: Keycloak's default roles say nothing about leadctl")
	require.Contains(t, checks(t, 0)["database"].Detail, "stored for the user")
}

// foreignClient makes a second application in the realm, whose tokens are as genuine as ours. Keycloak even puts us into
// aud when the user has a role at our client; then the client that the token was made for gives it away.
func (r *realm) foreignClient(t *testing.T) {
	require.Equal(t, 201, r.rest(t, http.MethodPost, "/clients", map[string]any{"clientId": "spa2", "publicClient": true, "directAccessGrantsEnabled": true}, nil))
	for user, reason := range map[string]sso.Reason{alice: sso.ReasonParty, bob: sso.ReasonAudience} {
		require.NoError(t, os.WriteFile("foreign.token", []byte(r.passwordToken(t, "spa2", user)), 0o600))
		code, _, said := leadctl(t, "sso", "whoami", "--token-file", "foreign.token")
		require.Equal(t, 5, code)
		require.Contains(t, said, string(reason))
		require.Contains(t, said, `"spa2"`)
		found := checks(t, 5, "--token-file", "foreign.token")
		require.Equal(t, "failed", found["azp"].State)
		require.Contains(t, found["azp"].Hint, "LEADCTL_SSO_EXTRA_CLIENTS")
		require.Equal(t, "passed", found["signature"].State, "the token is genuine")
		require.Equal(t, "skipped", found["database"].State)
		if user == bob {
			require.Equal(t, "failed", found["audience"].State)
			require.Contains(t, found["audience"].Detail, `issued to client "spa2"`)
			require.Contains(t, found["audience"].Hint, "leadctl audience")
		}
	}
}

func (r *realm) passwordToken(t *testing.T, client, user string) string {
	t.Helper()
	answer := r.grant(t, r.name, url.Values{"client_id": {client}, "grant_type": {"password"}, "username": {user}, "password": {livePassword}, "scope": {"openid"}})
	require.NotEmpty(t, answer["access_token"], answer["error_description"])
	return answer["access_token"]
}

// tenantIsNotTheirs: alice writes to her own account, as Keycloak's account page does.
func (r *realm) tenantIsNotTheirs(t *testing.T) {
	token := r.passwordToken(t, "spa2", alice)
	body := fmt.Sprintf(`{"username":%q,"email":%q,"firstName":"Alice","lastName":"Changed","attributes":{"tenant_id":["2"]}}`, alice, alice)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/realms/"+r.name+"/account", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotEqual(t, 401, resp.StatusCode, "the account page was reached: %s", answer)
	require.NotEqual(t, 403, resp.StatusCode, "the account page was reached: %s", answer)
	t.Logf("account: status %d %s", resp.StatusCode, answer)
	var users []struct{ Attributes map[string][]string }
	require.Equal(t, 200, r.rest(t, http.MethodGet, "/users?exact=true&username="+url.QueryEscape(alice), nil, &users))
	require.Equal(t, []string{"1"}, users[0].Attributes["tenant_id"])
}

func (r *realm) assigned(t *testing.T) {
	assign := func(wantCode int, args ...string) string {
		code, out, said := leadctl(t, append([]string{"sso", "keycloak", "assign"}, args...)...)
		require.Equal(t, wantCode, code)
		return out + said
	}
	require.Contains(t, assign(0, bob, "--tenant", "1", "--role", "admin", "--role", "viewer", "--dry-run"), "+viewer")
	require.Contains(t, assign(0, bob, "--tenant", "1", "--role", "admin", "--role", "viewer"), "+admin")
	require.NotContains(t, assign(0, bob, "--tenant", "1", "--role", "admin", "--role", "viewer"), "update")
	require.Contains(t, assign(0, bob, "--role", "ops"), "-admin -viewer")
	assign(2, bob)
	assign(2, bob, "--tenant", "0")
	assign(2, bob, "--role", "root")
	assign(4, "nobody@acme.example", "--tenant", "1")
	r.expire(t)
	who := whoAmI(t)
	require.EqualValues(t, 1, who.Tenant)
	require.Equal(t, []string{"ops"}, who.Roles, "the token's roles count before the stored ones")
}

// expire makes the next command renew the session.
func (r *realm) expire(t *testing.T) {
	path, s := keptSession(t)
	s["expires_at"] = time.Now().Format(time.RFC3339)
	raw, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
}

// driftIsPutRight: somebody opened the attribute to users, switched PKCE off, and took the e-mail address and the audience
// out of the tokens. Redirect URIs that others added stay.
func (r *realm) driftIsPutRight(t *testing.T) {
	var profile map[string]any
	require.Equal(t, 200, r.rest(t, http.MethodGet, "/users/profile", nil, &profile))
	attributes, ok := profile["attributes"].([]any)
	require.True(t, ok)
	for _, a := range attributes {
		if m := a.(map[string]any); m["name"] == "tenant_id" {
			m["permissions"] = map[string]any{"view": []string{"admin", "user"}, "edit": []string{"admin", "user"}}
		}
	}
	require.Equal(t, 200, r.rest(t, http.MethodPut, "/users/profile", profile, nil))
	var clients []map[string]any
	require.Equal(t, 200, r.rest(t, http.MethodGet, "/clients?clientId="+liveClient, nil, &clients))
	clients[0]["attributes"].(map[string]any)["pkce.code.challenge.method"] = ""
	clients[0]["redirectUris"] = []string{"https://other.example/callback", "https://wide.example/*"}
	require.Equal(t, 204, r.rest(t, http.MethodPut, "/clients/"+clients[0]["id"].(string), clients[0], nil))

	client := "/clients/" + clients[0]["id"].(string)
	var scopes []struct{ ID, Name string }
	require.Equal(t, 200, r.rest(t, http.MethodGet, "/client-scopes", nil, &scopes))
	for _, s := range scopes {
		switch s.Name {
		case "email":
			require.Equal(t, 204, r.rest(t, http.MethodDelete, client+"/default-client-scopes/"+s.ID, nil, nil))
		case "leadctl":
			var mappers []struct{ ID, Name string }
			require.Equal(t, 200, r.rest(t, http.MethodGet, "/client-scopes/"+s.ID+"/protocol-mappers/models", nil, &mappers))
			for _, m := range mappers {
				if m.Name == "leadctl audience" {
					require.Equal(t, 204, r.rest(t, http.MethodDelete, "/client-scopes/"+s.ID+"/protocol-mappers/models/"+m.ID, nil, nil))
				}
			}
		}
	}

	require.Equal(t, "failed", r.diagnosed(t)["tenant attribute"].State)
	code, out, warned := leadctl(t, r.setup("--dry-run", "-o", "json")...)
	require.Zero(t, code)
	require.Contains(t, warned, "users may edit tenant_id themselves")
	drifted := map[string]string{}
	for _, c := range planOf(t, out) {
		if c.Action != keycloak.Keep {
			drifted[c.Kind+" "+c.Name] = c.Detail
		}
	}
	require.Len(t, drifted, 4, drifted)
	require.Contains(t, drifted, "mapper leadctl audience")
	require.Contains(t, drifted["scope of client "+liveClient], "email")
	require.Contains(t, drifted["user attribute tenant_id"], "permissions.edit")
	require.Contains(t, drifted["client "+liveClient], "pkce.code.challenge.method")

	code, _, said := leadctl(t, r.setup()...)
	require.Zero(t, code)
	require.Contains(t, said, "https://wide.example/*", "a redirect URI that is too wide is pointed out")
	require.Equal(t, 200, r.rest(t, http.MethodGet, "/clients?clientId="+liveClient, nil, &clients))
	require.Contains(t, clients[0]["redirectUris"], "https://other.example/callback")
	require.Contains(t, clients[0]["redirectUris"], "http://localhost:3000/api/auth/callback/nexius")
	code, again, _ := leadctl(t, r.setup("--print", "plan")...)
	require.Zero(t, code)
	require.NotContains(t, again, "update")
	require.NotContains(t, again, "create")
	require.Equal(t, "ok", r.diagnosed(t)["tenant attribute"].State)
}

// diagnosed is what `doctor` says, by name of the check.
func (r *realm) diagnosed(t *testing.T) map[string]doctor.Check {
	_, out, _ := leadctl(t, "doctor", "-o", "json")
	var checks []doctor.Check
	require.NoError(t, json.Unmarshal([]byte(out), &checks))
	byName := map[string]doctor.Check{}
	for _, c := range checks {
		byName[c.Name] = c
	}
	return byName
}

// shift is the clock, moved.
type shift struct {
	mu sync.Mutex
	by time.Duration
}

func newShift() *shift { return &shift{} }

func (s *shift) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.by)
}

func (s *shift) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by += d
}

func keyIDOf(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	return head
}
