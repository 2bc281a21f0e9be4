package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/pgtest"
)

// cliUser is a user at a terminal, with their own identity provider, database and configuration folder.
type cliUser struct {
	issuer string
	idp    *devidp.Provider
	db     *pgtest.DB
	env    []string
	config string
}

func newCLIUser(t *testing.T) *cliUser {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	d := &cliUser{issuer: "http://" + server.Listener.Addr().String(), db: pgtest.New(t), config: t.TempDir()}
	var err error
	d.idp, err = devidp.New(devidp.Config{
		Issuer: d.issuer,
		Users: []devidp.User{
			{ID: "ann", Name: "Ann", Email: "ann@acme.example", EmailVerified: true, TenantID: "1",
				Roles: []string{"ops"}},
			{ID: "bob", Name: "Bob", Email: "bob@acme.example", EmailVerified: true},
		},
		Clients: []devidp.Client{
			{ID: defaultCLIClient, RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ID: "other", RedirectURIs: []string{"http://127.0.0.1/x"}},
		},
	})
	require.NoError(t, err)
	server.Config.Handler = d.idp
	server.Start()
	t.Cleanup(server.Close)
	_, err = d.db.Owner.Exec(t.Context(), `INSERT INTO tenants (name) VALUES ('Acme')`)
	require.NoError(t, err)
	d.env = []string{
		"HOME=" + d.config, "XDG_CONFIG_HOME=" + d.config, "LEADCTL_ENV=development", "NEXIUS_ISSUER=" + d.issuer,
		"NEXIUS_CLIENT_ID=" + defaultCLIClient, "POSTGRES_DSN=" + d.db.LoginDSN, "PATH=" + os.Getenv("PATH"),
	}
	return d
}

// runLeadctl runs leadctl with args and returns its exit code and output. screen, if not nil, gets a copy of stderr.
func (d *cliUser) runLeadctl(t *testing.T, screen io.Writer, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "leadctl", args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = d.env, d.config, &out, &errs
	if screen != nil {
		cmd.Stderr = io.MultiWriter(&errs, screen)
	}
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// loginScreen is a screen for stderr. It opens the first address that is written to it and signs in there as user.
type loginScreen struct {
	text   bytes.Buffer
	user   string
	issuer string
	done   chan error // gets the result of the sign-in
}

func (p *loginScreen) Write(b []byte) (int, error) {
	seen := p.text.Len()
	p.text.Write(b)
	address := regexp.MustCompile(`http://\S+(authorize\?|/device\?)\S+`)
	if !address.Match(p.text.Bytes()[:seen]) && address.Match(p.text.Bytes()) {
		at := strings.TrimSuffix(address.FindString(p.text.String()), ",")
		go func() { p.done <- p.signIn(at) }()
	}
	return len(b), nil
}

func (p *loginScreen) signIn(address string) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	form, path := url.Values{"user": {p.user}}, "/device"
	if m := regexp.MustCompile(`name="request" value="([^"]+)"`).FindSubmatch(page); m != nil {
		path = "/login"
		form.Set("request", string(m[1]))
	} else if m := regexp.MustCompile(`[A-Z]{4}-[A-Z]{4}`).Find(page); m != nil {
		form.Set("user_code", string(m))
	}
	resp, err = http.PostForm(p.issuer+path, form)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (d *cliUser) signIn(t *testing.T, user string, flags ...string) signedIn {
	t.Helper()
	screen := &loginScreen{user: user, issuer: d.issuer, done: make(chan error, 1)}
	code, out, said := d.runLeadctl(t, screen, append([]string{"sso", "login", "-o", "json"}, flags...)...)
	require.Zero(t, code, said)
	require.NoError(t, <-screen.done)
	var in signedIn
	require.NoError(t, json.Unmarshal([]byte(out), &in))
	return in
}

// explainToken returns the output of `sso whoami --explain` by check.
func (d *cliUser) explainToken(t *testing.T, wantCode int, args ...string) map[string]explainedCheck {
	t.Helper()
	code, out, said := d.runLeadctl(t, nil, append([]string{"sso", "whoami", "--explain", "-o", "json"}, args...)...)
	require.Equal(t, wantCode, code, said)
	var list []explainedCheck
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	byName := map[string]explainedCheck{}
	for _, r := range list {
		byName[r.Check] = r
	}
	return byName
}

// TestSignInAtTheTerminal runs login, whoami, a silent renewal and logout.
func TestSignInAtTheTerminal(t *testing.T) {
	t.Parallel()
	d := newCLIUser(t)
	in := d.signIn(t, "ann", "--no-browser")
	require.Equal(t, "ann@acme.example", in.Email)
	require.Equal(t, []string{"ops"}, in.TokenRoles)
	require.True(t, strings.HasPrefix(in.File, filepath.Join(d.config, "leadctl")), in.File)

	code, out, said := d.runLeadctl(t, nil, "sso", "whoami", "-o", "json")
	require.Zero(t, code, said)
	var who whoami
	require.NoError(t, json.Unmarshal([]byte(out), &who))
	require.EqualValues(t, 1, who.Tenant)
	require.Equal(t, "Acme", who.TenantName)
	require.Equal(t, []string{"ops"}, who.Roles)

	was, err := os.ReadFile(in.File)
	require.NoError(t, err)
	expired := regexp.MustCompile(`"expires_at": "[^"]*"`).
		ReplaceAll(was, []byte(`"expires_at": "`+time.Now().Format(time.RFC3339)+`"`))
	require.NoError(t, os.WriteFile(in.File, expired, 0o600))
	for range 2 {
		code, _, said = d.runLeadctl(t, nil, "sso", "whoami")
		require.Zero(t, code, said)
	}
	now, err := os.ReadFile(in.File)
	require.NoError(t, err)
	require.NotEqual(t, string(expired), string(now))

	code, _, said = d.runLeadctl(t, nil, "sso", "logout")
	require.Zero(t, code, said)
	require.NoFileExists(t, in.File)
	code, _, said = d.runLeadctl(t, nil, "sso", "whoami")
	require.Equal(t, 5, code)
	require.Contains(t, said, "hint: leadctl sso login")
}

// TestExplainEndsInTheDatabase checks the last check of --explain: tenant and roles of a valid token.
func TestExplainEndsInTheDatabase(t *testing.T) {
	t.Parallel()
	d := newCLIUser(t)
	in := d.signIn(t, "bob", "--device")
	found := d.explainToken(t, 5)
	require.Equal(t, "passed", found["signature"].State)
	require.Equal(t, "passed", found["clock"].State, found["clock"].Detail)
	require.Equal(t, "warning", found["tenant"].State)
	require.Equal(t, "failed", found["database"].State)
	require.Contains(t, found["database"].Hint, "first_login")

	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := d.db.Owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(
		`INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
			VALUES (1, 'bob@acme.example', $1, $2, '{}')`,
		in.Issuer,
		in.Subject,
	)
	found = d.explainToken(t, 5)
	require.Contains(t, found["database"].Detail, "no role in it")
	require.Contains(t, found["database"].Hint, "leadctl tenant user add 1 bob@acme.example --role viewer")

	exec(`UPDATE tenant_users SET roles = '{viewer}'`)
	require.Equal(
		t,
		"tenant 1 (Acme), active; roles viewer, stored for the user",
		d.explainToken(t, 0)["database"].Detail,
	)
	exec(`UPDATE tenants SET status = 'suspended'`)
	require.Contains(t, d.explainToken(t, 5)["database"].Hint, "leadctl tenant resume 1")

	d.env = append(d.env, "POSTGRES_DSN=")
	require.Equal(t, "skipped", d.explainToken(t, 0)["database"].State)
	code, out, said := d.runLeadctl(t, nil, "sso", "whoami", "-o", "json")
	require.Zero(t, code, said)
	require.Contains(t, said, "no tenant was looked up")
	require.Contains(t, out, `"tenant_id": 0`)
}

// TestTokenOfAnotherApplication uses a valid token that was issued for another client.
func TestTokenOfAnotherApplication(t *testing.T) {
	t.Parallel()
	d := newCLIUser(t)
	token, err := d.idp.IssueToken(t.Context(), "ann", "other")
	require.NoError(t, err)
	file := filepath.Join(d.config, "token")
	require.NoError(t, os.WriteFile(file, []byte("Bearer "+token+"\n"), 0o600))
	code, out, said := d.runLeadctl(t, nil, "sso", "whoami", "--token-file", file)
	require.Equal(t, 5, code)
	require.Empty(t, out)
	require.Contains(t, said, "wrong_audience")
	require.NotContains(t, said, token[len(token)-20:])
	found := d.explainToken(t, 5, "--token-file", file)
	require.Equal(t, "failed", found["audience"].State)
	require.Equal(t, "passed", found["signature"].State)
	require.Equal(t, "skipped", found["database"].State)
}

// TestEveryRefusalIsInTheManual checks that docs/sso.md explains each reason that the log can contain.
func TestEveryRefusalIsInTheManual(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile(filepath.Join(repoRoot, "pkg", "sso", "reason.go"))
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(repoRoot, "docs", "sso.md"))
	require.NoError(t, err)
	reasons := regexp.MustCompile(`Reason\w+\s+Reason = "(\w+)"`).FindAllSubmatch(code, -1)
	require.Greater(t, len(reasons), 15)
	for _, r := range reasons {
		require.Contains(t, string(page), "`"+string(r[1])+"`")
	}
}
