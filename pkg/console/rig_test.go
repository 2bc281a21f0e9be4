package console_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/console"
	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/serve"
)

// site is a running `serve` with an identity provider and an Odoo.
type site struct {
	base string
	db   *pgtest.DB
	odoo *odootest.Server
}

// testUsers returns the users who can sign in. Their names are their ids.
func testUsers() []devidp.User {
	user := func(id, email string, roles ...string) devidp.User {
		return devidp.User{ID: id, Name: id, Email: email, EmailVerified: true, Roles: roles}
	}
	return []devidp.User{user("alice", "alice@acme.example", "ops"), user("bob", "bob@borealis.example", "viewer"),
		user("olga", "olga@platform.example", "platform-operator"), user("nora", "nora@acme.example", "guest"),
		{ID: "vera", Name: "vera", Email: "vera@acme.example", EmailVerified: true, TenantID: "1",
			Roles: []string{"viewer"}}, {ID: "ada", Name: "ada", Email: "ada@acme.example", EmailVerified: true,
			TenantID: "1", Roles: []string{"admin"}},
		{ID: "una", Name: "una", Email: "una@acme.example", Roles: []string{"viewer"}}}
}

func newSite(t *testing.T, changes ...func(*config.Config)) *site {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &site{base: "http://" + ln.Addr().String(), db: pgtest.New(t),
		odoo: odootest.New(odootest.Options{Master: "master"})}
	cfg, err := config.Load(config.Source{Dirs: []string{t.TempDir()},
		Lookup: func(string) (string, bool) { return "", false }})
	require.NoError(t, err)
	keyset, err := secret.Generate()
	require.NoError(t, err)
	cfg.Env, cfg.Database.DSN, cfg.Secrets.Keyset = "development", s.db.LoginDSN, string(keyset)
	cfg.SSO.Issuer, cfg.SSO.ClientID = s.startProvider(t), "console"
	cfg.API.Listen, cfg.API.CookieSecure, cfg.API.MetricsListen = ln.Addr().String(), false, ""
	s.configureOdoo(t, &cfg)
	for _, change := range changes {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- serve.Run(ctx, cfg, serve.Options{Version: "test",
			Listen: func() (net.Listener, error) { return ln, nil }, Started: func(net.Addr) { close(started) },
			Examine: func(context.Context, config.Config) []console.Check {
				return []console.Check{{Name: "clock", State: "failed", Fact: "far off", Fix: "set it"}}
			}})
	}()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
	select {
	case <-started:
	case err := <-ended:
		ended <- nil
		t.Fatalf("not started: %v", err)
	}
	return s
}

func (s *site) startProvider(t *testing.T) (issuer string) {
	idp := httptest.NewUnstartedServer(nil)
	issuer = "http://" + idp.Listener.Addr().String()
	provider, err := devidp.New(devidp.Config{Issuer: issuer, Users: testUsers(),
		Clients: []devidp.Client{{ID: "console", RedirectURIs: []string{s.base + "/auth/callback"},
			PostLogoutRedirectURIs: []string{s.base + "/"}}}})
	require.NoError(t, err)
	idp.Config.Handler = provider
	idp.Start()
	t.Cleanup(idp.Close)
	return issuer
}

func (s *site) configureOdoo(t *testing.T, cfg *config.Config) {
	web := httptest.NewServer(s.odoo)
	t.Cleanup(web.Close)
	cfg.Odoo.ServerURL, cfg.Odoo.TemplateDB, cfg.Odoo.MasterPassword, cfg.Odoo.TemplatePassword = web.URL, "template",
		"master", string(odoo.NewSecret())
	server, err := odoo.New(odoo.Options{BaseURL: web.URL})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(t.Context(), server,
		provision.Template{Name: "template", Master: "master", Secret: odoo.Secret(cfg.Odoo.TemplatePassword)})
	require.NoError(t, err)
}

// browser is a client with its own cookies. It does not follow redirects by itself.
type browser struct {
	*http.Client
	site *site
	t    *testing.T
}

func (s *site) browser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{&http.Client{Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, s, t}
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	body   string
	at     *url.URL
}

// send sends a request as a browser does for a page. extra holds more headers, as pairs of name and value.
func (b *browser) send(method, path string, form url.Values, extra ...string) answer {
	b.t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = b.site.base + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(extra); i += 2 {
		req.Header.Set(extra[i], extra[i+1])
	}
	res, err := b.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return answer{res.StatusCode, res.Header, string(body), req.URL}
}

func (b *browser) get(path string, extra ...string) answer {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil, extra...)
}

func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.send(http.MethodPost, path, form)
}

// follow follows redirects to the last response.
func (b *browser) follow(a answer) answer {
	b.t.Helper()
	for range 10 {
		if a.status < 300 || a.status > 399 {
			return a
		}
		next, err := a.at.Parse(a.header.Get("Location"))
		require.NoError(b.t, err)
		a = b.get(next.String())
	}
	b.t.Fatal("more than 10 redirects")
	return a
}

var requestField = regexp.MustCompile(`name="request" value="([^"]+)"`)

// signIn signs a user in at the provider's page and returns the page after the last redirect.
func (b *browser) signIn(user string) answer {
	b.t.Helper()
	page := b.get("/signin")
	require.Contains(b.t, page.body, `href="/auth/login?return_to=%2F"`)
	begun := b.get("/auth/login?return_to=%2F")
	picker := begun.header.Get("Location")
	list := b.follow(begun)
	found := requestField.FindStringSubmatch(list.body)
	require.Len(b.t, found, 2, list.body)
	at, err := url.Parse(picker)
	require.NoError(b.t, err)
	picked := b.send(http.MethodPost, at.Scheme+"://"+at.Host+"/login", url.Values{"request": {found[1]}, "user": {user}})
	return b.follow(picked)
}

// signInAndWait signs a user in and waits for the user's workspace.
func (b *browser) signInAndWait(user string) *browser {
	b.t.Helper()
	page := b.signIn(user)
	require.Equal(b.t, http.StatusOK, page.status, page.body)
	require.Contains(b.t, page.body, `data-submit`, "the page of a new user starts the setup by itself")
	page = b.follow(b.post("/setup"))
	for range 600 {
		if strings.Contains(page.body, "Your workspace is ready") {
			return b
		}
		time.Sleep(50 * time.Millisecond)
		page = b.get("/setup")
		require.Equal(b.t, http.StatusOK, page.status, page.body)
	}
	b.t.Fatalf("workspace not ready: %s", page.body)
	return b
}

func (b *browser) cookie(name string) string {
	at, err := url.Parse(b.site.base)
	require.NoError(b.t, err)
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(name, value string) {
	at, err := url.Parse(b.site.base)
	require.NoError(b.t, err)
	age := 3600
	if value == "" {
		age = -1
	}
	b.Jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/", MaxAge: age}})
}

// exec runs a statement as the database's owner.
func (s *site) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := s.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// waitForJobs waits until every job of a kind is recorded as completed. The queue records it shortly after the work is
// done.
func (s *site) waitForJobs(t *testing.T, kind string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var done bool
		require.NoError(t, s.db.Owner.QueryRow(t.Context(),
			`SELECT bool_and(state = 'completed') FROM river.river_job WHERE kind = $1`, kind).Scan(&done))
		return done
	}, time.Minute, 20*time.Millisecond, "jobs of kind %s", kind)
}

// addLeads inserts n scored leads of tenant id, with ascending names and scores.
func (s *site) addLeads(t *testing.T, id, n int) {
	t.Helper()
	s.exec(t, `WITH c AS (INSERT INTO companies (uen, name, industry_code, industry_norm, live)
			SELECT $1 || '-' || i, 'TENANT ' || $1 || ' COMPANY ' || i, '62011', 'computer programming', true
			FROM generate_series(1, $2::int) i RETURNING company_id, name)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source)
		SELECT $1::text::int, company_id, (row_number() OVER (ORDER BY company_id))::float8 / ($2::int + 1),
			CASE WHEN row_number() OVER (ORDER BY company_id) * 4 > 3 * $2::int THEN 'high' ELSE 'low' END,
			'Fits "Default" at 50 of 100: in good standing (50 of 50); no website known (0 of 50).', 'other' FROM c`,
		formatInt(id), n)
}
