//go:build live

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/sso"
)

const (
	liveClient   = "agent-chat-ui"
	livePassword = "a password with & and ü"
	alice, bob   = "alice@acme.example", "bob@acme.example"
)

// TestLiveSSOOnRealKeycloak runs an operator's commands on a real Keycloak, from an empty server to signed-in users.
func TestLiveSSOOnRealKeycloak(t *testing.T) {
	r := newRealm(t)
	r.setUp(t)

	t.Run("code flow", func(t *testing.T) { r.signInByBrowser(t) })
	t.Run("session is renewed", func(t *testing.T) { r.renewSession(t) })
	t.Run("keys rotate", func(t *testing.T) { r.rotateKeys(t) })
	t.Run("logout", func(t *testing.T) { r.logOut(t) })
	t.Run("device flow", func(t *testing.T) { r.signInByDevice(t) })
	t.Run("another client of the realm", func(t *testing.T) { r.rejectForeignClient(t) })
	t.Run("users cannot choose their tenant", func(t *testing.T) { r.rejectOwnTenantChange(t) })
	t.Run("assign", func(t *testing.T) { r.assignUser(t) })
	t.Run("drift is put right", func(t *testing.T) { r.repairDrift(t) })
}

func (r *realm) signInByBrowser(t *testing.T) {
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
	for name, c := range explainChecks(t, 0) {
		if name != "clock" { // Keycloak sends no Date
			require.Equal(t, "passed", c.State, "%s: %s", name, c.Detail)
		}
	}
	code, found, _ := leadctl(t, "sso", "discover", "-o", "csv", "--ui-url", "https://app.acme.example")
	require.Zero(t, code)
	require.Contains(t, found, "register,redirect URI,https://app.acme.example/api/auth/callback/nexius")
	require.Regexp(t, `key,.*RS256 RSA 2048 bit, .* old",verifies tokens`, found)
}

// savedSession returns the session file of `sso login` and its content.
func savedSession(t *testing.T) (path string, fields map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "leadctl", "session-*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &fields))
	return files[0], fields
}

// renewSession checks that a command renews an expired session without a message.
func (r *realm) renewSession(t *testing.T) {
	_, old := savedSession(t)
	r.expireSession(t)
	require.Equal(t, alice, whoAmI(t).Email)
	_, now := savedSession(t)
	require.NotEqual(t, old["access_token"], now["access_token"])
}

func (r *realm) logOut(t *testing.T) {
	_, s := savedSession(t)
	code, _, _ := leadctl(t, "sso", "logout")
	require.Zero(t, code)
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "leadctl", "session-*.json"))
	require.NoError(t, err)
	require.Empty(t, left)
	answer := r.requestToken(
		t,
		r.name,
		url.Values{
			"client_id":     {defaultCLIClient},
			"grant_type":    {"refresh_token"},
			"refresh_token": {s["refresh_token"]},
		},
	)
	require.Equal(t, "invalid_grant", answer["error"], "the provider knows that the session is over")
	code, _, said := leadctl(t, "sso", "whoami")
	require.Equal(t, 5, code)
	require.Contains(t, said, "leadctl sso login")
}

// signInByDevice signs in as bob, whose token has neither tenant nor role, and checks that the database then decides.
func (r *realm) signInByDevice(t *testing.T) {
	in := logIn(t, bob, "--device")
	require.Empty(t, in.TokenRoles)
	code, _, said := leadctl(t, "sso", "whoami")
	require.Equal(t, 5, code)
	require.Contains(t, said, "no tenant yet")
	found := explainChecks(t, 5)
	require.Equal(t, "warning", found["tenant"].State)
	require.Contains(t, found["tenant"].Hint, "leadctl sso keycloak assign")
	require.Equal(t, "warning", found["roles"].State)
	require.Equal(t, "failed", found["database"].State)
	require.Contains(t, found["database"].Hint, "first_login")

	_, err := r.db.Owner.Exec(
		t.Context(),
		`INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles) VALUES (2, $1, $2, $3, '{viewer}')`,
		bob,
		in.Issuer,
		in.Subject,
	)
	require.NoError(t, err)
	who := whoAmI(t)
	require.EqualValues(t, 2, who.Tenant)
	require.Equal(
		t,
		[]string{"viewer"},
		who.Roles,
		"stored roles count: Keycloak's default roles say nothing about leadctl",
	)
	require.Contains(t, explainChecks(t, 0)["database"].Detail, "stored for the user")
}

// rejectForeignClient adds a second application to the realm. Its tokens are valid, and Keycloak even adds leadctl's
// client to aud if the user has a role there. Then azp shows that the token is for another client.
func (r *realm) rejectForeignClient(t *testing.T) {
	require.Equal(
		t,
		201,
		r.callAdmin(
			t,
			http.MethodPost,
			"/clients",
			map[string]any{"clientId": "spa2", "publicClient": true, "directAccessGrantsEnabled": true},
			nil,
		),
	)
	for user, reason := range map[string]sso.Reason{alice: sso.ReasonParty, bob: sso.ReasonAudience} {
		require.NoError(t, os.WriteFile("foreign.token", []byte(r.passwordToken(t, "spa2", user)), 0o600))
		code, _, said := leadctl(t, "sso", "whoami", "--token-file", "foreign.token")
		require.Equal(t, 5, code)
		require.Contains(t, said, string(reason))
		require.Contains(t, said, `"spa2"`)
		found := explainChecks(t, 5, "--token-file", "foreign.token")
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
	answer := r.requestToken(
		t,
		r.name,
		url.Values{
			"client_id":  {client},
			"grant_type": {"password"},
			"username":   {user},
			"password":   {livePassword},
			"scope":      {"openid"},
		},
	)
	require.NotEmpty(t, answer["access_token"], answer["error_description"])
	return answer["access_token"]
}

// rejectOwnTenantChange checks that alice cannot change her tenant_id through Keycloak's account API.
func (r *realm) rejectOwnTenantChange(t *testing.T) {
	token := r.passwordToken(t, "spa2", alice)
	body := fmt.Sprintf(
		`{"username":%q,"email":%q,"firstName":"Alice","lastName":"Changed","attributes":{"tenant_id":["2"]}}`,
		alice,
		alice,
	)
	req, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodPost,
		r.base+"/realms/"+r.name+"/account",
		strings.NewReader(body),
	)
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
	require.Equal(
		t,
		200,
		r.callAdmin(t, http.MethodGet, "/users?exact=true&username="+url.QueryEscape(alice), nil, &users),
	)
	require.Equal(t, []string{"1"}, users[0].Attributes["tenant_id"])
}

func (r *realm) assignUser(t *testing.T) {
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
	assign(4, "unknown@acme.example", "--tenant", "1")
	r.expireSession(t)
	who := whoAmI(t)
	require.EqualValues(t, 1, who.Tenant)
	require.Equal(t, []string{"ops"}, who.Roles, "the token's roles count before the stored ones")
}

// expireSession sets the session's expiry to now, so that the next command renews it.
func (r *realm) expireSession(t *testing.T) {
	path, s := savedSession(t)
	s["expires_at"] = time.Now().Format(time.RFC3339)
	raw, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
}
