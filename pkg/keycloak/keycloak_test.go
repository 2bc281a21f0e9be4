package keycloak_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/keycloak"
	"github.com/leadctl/leadctl/pkg/sso"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "the administrator's password"

// server imitates parts of Keycloak's admin API: sign-in, expiry and errors. The live tests cover a whole realm.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	signIns int
	calls   []string // method and path of each admin call
	answer  func(w http.ResponseWriter, r *http.Request)
	expired int // the number of next admin calls that answer 401
}

func newServer(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/realms/master/protocol/openid-connect/token" {
		s.signIns++
		if r.PostFormValue("password") != password || r.PostFormValue("client_id") != "admin-cli" {
			writeError(w, 401, `{"error":"invalid_grant","error_description":"Invalid user credentials"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"secret-token"}`)
		return
	}
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	if s.expired > 0 || r.Header.Get("Authorization") != "Bearer secret-token" {
		s.expired--
		writeError(w, 401, `{"error":"HTTP 401 Unauthorized"}`)
		return
	}
	s.answer(w, r)
}

func writeError(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (s *server) connect(t *testing.T) *keycloak.Admin {
	t.Helper()
	access := keycloak.Access{URL: s.URL + "/", User: "admin", Secret: password, HTTPClient: s.Client()}
	a, err := keycloak.Connect(t.Context(), access)
	require.NoError(t, err)
	return a
}

func options() keycloak.Options {
	return keycloak.Options{
		Realm: "acme", CreateRealm: true, Client: "ui", CLIClient: "cli",
		Addresses: sso.Addresses{UI: []string{"http://localhost:3000"}},
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	access := keycloak.Access{URL: s.URL, User: "admin", Secret: "wrong", HTTPClient: s.Client()}
	_, err := keycloak.Connect(t.Context(), access)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.ErrorContains(t, err, "Invalid user credentials")
	require.NotContains(t, err.Error(), "wrong")

	for _, bad := range []string{
		"", "keycloak", "ftp://id.example", "http://id.example:8080",
		"https://user:pass@id.example", "https://id.example/realms/acme", "https://id.example?x",
	} {
		_, err := keycloak.Connect(t.Context(), keycloak.Access{URL: bad, User: "admin", Secret: password})
		require.Equal(t, fault.Invalid, fault.KindOf(err), bad)
	}
	_, err = keycloak.Connect(t.Context(), keycloak.Access{URL: "http://127.0.0.1:1", User: "admin", Secret: password})
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.NotContains(t, err.Error(), password)
}

// TestServiceAccount: without a user, Connect signs the client in as a service account.
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	var form map[string][]string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		_, _ = io.WriteString(w, `{"access_token":"x"}`)
	}))
	t.Cleanup(s.Close)
	access := keycloak.Access{URL: s.URL, Client: "robot", Secret: "s", HTTPClient: s.Client()}
	_, err := keycloak.Connect(t.Context(), access)
	require.NoError(t, err)
	want := map[string][]string{"grant_type": {"client_credentials"}, "client_id": {"robot"}, "client_secret": {"s"}}
	require.Equal(t, want, form)
}

func TestTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, 404,
			`{"error":"Realm not found."}`)
	})
	a := s.connect(t)
	s.expired = 1
	opts := options()
	opts.CreateRealm = false
	_, err := a.Setup(t.Context(), opts)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.Equal(t, 2, s.signIns)
	s.expired = 100
	_, err = a.Setup(t.Context(), opts)
	require.Error(t, err, "a new token that is rejected must not be renewed again")
	require.Equal(t, 3, s.signIns)
}

func TestAPIErrors(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]fault.Kind{
		403: fault.Denied, 409: fault.Conflict, 400: fault.Unprocessable,
		500: fault.Unavailable, 302: fault.Unavailable,
	} {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			writeError(w, status, `{"errorMessage":"the reason"}`)
		})
		_, err := s.connect(t).Setup(t.Context(), options())
		require.Equal(t, kind, fault.KindOf(err), status)
		require.NotContains(t, err.Error(), "secret-token")
	}
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) })
	_, err := s.connect(t).Setup(t.Context(), options())
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}

// TestDryRunWithoutRealm: for a missing realm the plan is complete, and the dry run reads only the realm.
func TestDryRunWithoutRealm(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { writeError(w, 404, `{}`) })
	opts := options()
	opts.DryRun, opts.OdooClient = true, "odoo"
	opts.Addresses.Odoo = []string{"http://localhost:8069/"}
	opts.Users = []keycloak.User{{Email: "a@b.example", Tenant: "acme", Roles: []sso.Role{sso.Ops}}}
	r, err := s.connect(t).Setup(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, []string{"GET /admin/realms/acme"}, s.calls)
	require.True(t, r.Changed())
	kinds := map[string]int{}
	for _, c := range r.Plan {
		require.Equal(t, keycloak.Create, c.Action)
		kinds[c.Kind]++
	}
	require.Equal(t, map[string]int{
		"realm": 1, "user attribute": 1, "client": 3, "client role": 3, "client scope": 1,
		"mapper": 4, "scope of client": 2, "role scope": 1, "user": 1,
	}, kinds)
	require.Contains(t, r.Plan, keycloak.Change{
		Action: "create", Kind: "client", Name: "odoo",
		Detail: "public, implicit flow; redirects to http://localhost:8069/auth_oauth/signin",
	})
	user := keycloak.Change{Action: "create", Kind: "user", Name: "a@b.example", Detail: "tenant acme, ops"}
	require.Contains(t, r.Plan, user)
	require.Equal(t, s.URL+"/realms/acme", r.Issuer)
}

func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(http.ResponseWriter, *http.Request) { t.Error("sent a request") })
	a := s.connect(t)
	for name, change := range map[string]func(*keycloak.Options){
		"no realm":     func(o *keycloak.Options) { o.Realm = "" },
		"path":         func(o *keycloak.Options) { o.Realm = "a/b" },
		"master":       func(o *keycloak.Options) { o.Realm = "master" },
		"no client":    func(o *keycloak.Options) { o.Client = "" },
		"same client":  func(o *keycloak.Options) { o.CLIClient = o.Client },
		"same as odoo": func(o *keycloak.Options) { o.OdooClient = o.Client },
		"no e-mail":    func(o *keycloak.Options) { o.Users, o.Password = []keycloak.User{{Email: "x"}}, "p" },
		"bad tenant": func(o *keycloak.Options) {
			o.Users, o.Password = []keycloak.User{{Email: "x@y.z", Tenant: "01"}}, "p"
		},
		"bad role": func(o *keycloak.Options) {
			o.Users, o.Password = []keycloak.User{{Email: "x@y.z", Roles: []sso.Role{"root"}}}, "p"
		},
		"no password": func(o *keycloak.Options) { o.Users = []keycloak.User{{Email: "x@y.z"}} },
	} {
		opts := options()
		change(&opts)
		_, err := a.Setup(t.Context(), opts)
		require.Equal(t, fault.Invalid, fault.KindOf(err), name)
	}
	_, err := a.Assign(t.Context(), keycloak.Assignment{Realm: "acme", Client: "ui", User: "x"})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

// TestDroppedAttribute: Keycloak accepts an attribute that its user profile does not declare, and drops it.
func TestDroppedAttribute(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]string{
			"/admin/realms/acme/users":    `[{"id":"u1","username":"ann"}]`,
			"/admin/realms/acme/users/u1": `{"id":"u1","username":"ann"}`,
			"/admin/realms/acme/clients":  `[{"id":"c1","clientId":"ui"}]`,
		}[r.URL.Path]
		_, _ = io.WriteString(w, answer)
	})
	as := keycloak.Assignment{Realm: "acme", Client: "ui", User: "Ann", Tenant: "7"}
	_, err := s.connect(t).Assign(t.Context(), as)
	require.Equal(t, fault.Operator, fault.KindOf(err))
	require.Contains(t, fault.Hint(err), "leadctl sso keycloak setup")
}

func TestTenantEditors(t *testing.T) {
	t.Parallel()
	both := `"permissions":{"view":["admin","user"],"edit":["admin","user"]}`
	for profile, want := range map[string][]string{
		`{"attributes":[{"name":"email"},{"name":"tenant_id",` + both + `}]}`:    {"admin", "user"},
		`{"attributes":[{"name":"tenant_id","permissions":{"edit":["admin"]}}]}`: {"admin"},
		`{"attributes":[{"name":"tenant_id"}]}`:                                  nil,
	} {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, profile) })
		editors, err := s.connect(t).TenantEditors(t.Context(), "acme")
		require.NoError(t, err)
		require.Equal(t, want, editors)
		require.Equal(t, []string{"GET /admin/realms/acme/users/profile"}, s.calls)
	}
	for _, answer := range []func(w http.ResponseWriter, r *http.Request){
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"attributes":[{"name":"email"}]}`)
		},
		func(w http.ResponseWriter, _ *http.Request) { writeError(w, 404, `{"error":"HTTP 404 Not Found"}`) },
	} {
		_, err := newServer(t, answer).connect(t).TenantEditors(t.Context(), "acme")
		require.True(t, fault.Is(err, fault.NotFound), "%v", err)
		require.Contains(t, fault.Hint(err), "setup")
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	a := s.connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.Setup(ctx, options())
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, s.calls)
}

// TestPlanAsJSON: scripts rely on these member names.
func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(keycloak.Change{Action: keycloak.Update, Kind: "client", Name: "ui", Detail: "x"})
	require.NoError(t, err)
	require.JSONEq(t, `{"action":"update","kind":"client","name":"ui","detail":"x"}`, string(b))
}
