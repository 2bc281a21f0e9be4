package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/secret"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// withOdoo returns workspaces on a simulated Odoo, the server behind them, and the change that gives them to a rig.
func withOdoo(t *testing.T) (*workspace.Service, *odoo.Server, func(*setup)) {
	t.Helper()
	web := httptest.NewServer(odootest.New(odootest.Options{Master: "master"}))
	t.Cleanup(web.Close)
	server, err := odoo.New(odoo.Options{BaseURL: web.URL, Timeout: 5 * time.Second})
	require.NoError(t, err)
	_, err = provision.PrepareTemplate(t.Context(), server,
		provision.Template{Name: "template", Master: "master", Secret: "template-admin"})
	require.NoError(t, err)
	provisioner, err := provision.NewProvisioner(server,
		provision.Provisioning{Installation: "test", Template: "template", Master: "master",
			TemplateSecret: "template-admin"})
	require.NoError(t, err)
	keyset, err := secret.Generate()
	require.NoError(t, err)
	keys, err := secret.Parse(keyset)
	require.NoError(t, err)
	spaces := &workspace.Service{Keys: keys, Odoo: provisioner, BaseURL: web.URL, Prefix: "t", Log: logging.Discard()}
	return spaces, server, func(s *setup) {
		spaces.DB = s.deps.DB
		s.deps.Workspaces = spaces
	}
}

// provisioned creates a workspace for a tenant of the rig.
func provisioned(t *testing.T, spaces *workspace.Service, id tenantid.ID) provision.Workspace {
	t.Helper()
	w, err := spaces.Prepare(t.Context(), id, tenant.By{Actor: "test"})
	require.NoError(t, err)
	_, err = spaces.Odoo.EnsureDatabase(t.Context(), w)
	require.NoError(t, err)
	_, err = spaces.Odoo.EnsureServiceAccount(t.Context(), w)
	require.NoError(t, err)
	return w
}

func TestRotatingTheOdooKey(t *testing.T) {
	t.Parallel()
	spaces, server, with := withOdoo(t)
	r := newRig(t, with)
	own, other := r.tenant(t, "Own"), r.tenant(t, "Other")
	r.exec(t, `DELETE FROM odoo_connections`)
	before, theirs := provisioned(t, spaces, own), provisioned(t, spaces, other)
	path := func(id string) string { return "/tenants/" + id + "/odoo/api-key/rotate" }
	admin := r.token("tenant_id", own, "roles", []string{"admin"})

	requireProblem(t, r.post(t, path(own.String()), r.token("tenant_id", own, "roles", []string{"ops"}), ""),
		http.StatusForbidden, "INSUFFICIENT_ROLE")
	bodies := map[string]bool{}
	for _, id := range []string{other.String(), "9999", "0", "x", own.String() + "0"} {
		a := r.post(t, path(id), admin, "")
		requireProblem(t, a, http.StatusNotFound, "not_found")
		bodies[anonymous(a.body)] = true
	}
	require.Len(t, bodies, 1, "the same answer for existing and unknown tenants")

	a := r.do(t, request{method: http.MethodPost, path: path(own.String()), token: admin,
		header: header("X-Request-Id", "rotate-1")})
	require.Equal(t, http.StatusNoContent, a.status, a.body)
	require.Empty(t, a.body)
	after, err := spaces.Current(t.Context(), own)
	require.NoError(t, err)
	for w, want := range map[provision.Workspace]bool{before: false, after: true, theirs: true} {
		_, open, err := server.Authenticate(t.Context(), w.Database, odoo.ServiceLogin, w.Secret)
		require.NoError(t, err)
		require.Equal(t, want, open, w.Database)
	}
	require.Equal(t, 2, r.count(t, `SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND actor = 'user-1'
		AND request_id = 'rotate-1' AND action LIKE 'odoo.key.%'`, own))
	for _, s := range []odoo.Secret{before.Secret, after.Secret} {
		require.NotContains(t, r.log.String(), string(s))
	}
}

const odooClient = "odoo"

// odooSSO verifies tokens of Odoo's client.
func odooSSO(t *testing.T) func(*setup) {
	return func(s *setup) {
		v, err := sso.NewVerifier(sso.Config{Issuer: s.cfg.Issuer, Audiences: []string{odooClient},
			ClientIDs: []string{odooClient}, HTTPClient: s.idp.Client()})
		require.NoError(t, err)
		t.Cleanup(v.Close)
		s.deps.OdooTokens = v
	}
}

func (r *rig) odooToken(pairs ...any) string {
	return r.token(append([]any{"aud", odooClient, "azp", odooClient}, pairs...)...)
}

// member adds the subject to the tenant as a viewer.
func (r *rig) member(t *testing.T, id tenantid.ID, subject string) {
	t.Helper()
	r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
		VALUES ($1, $2, $3, $2, '{viewer}')`, id, subject, r.URL)
}

func TestOdooAsksWhoseTokenItIs(t *testing.T) {
	t.Parallel()
	r := newRig(t, odooSSO(t))
	own := r.tenant(t, "Own")
	r.member(t, own, "user-1")
	route := workspace.ValidationPath + "?tenant=" + own.String()
	want := map[string]any{"user_id": "user-1", "sub": "user-1", "email": "ann@acme.example",
		"name": "ann@acme.example"}

	inQuery := r.get(t, route+"&access_token="+r.odooToken(), "") // Odoo 14
	require.Equal(t, http.StatusOK, inQuery.status, inQuery.body)
	require.Equal(t, want, inQuery.object(t))
	require.Equal(t, "no-store", inQuery.header.Get("Cache-Control"))
	inHeader := r.get(t, route, r.odooToken()) // Odoo 19
	require.Equal(t, want, inHeader.object(t))
	require.Equal(t, want, r.get(t, workspace.ValidationPath, r.odooToken()).object(t),
		"a shared database sends no tenant")
	require.NotContains(t, r.log.String(), "eyJ")
}

// Every rejection has the same answer, which both versions of Odoo understand.
func TestOdooLearnsNothingFromRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, odooSSO(t))
	r.api.StopClock(time.Now())
	own, other, suspended := r.tenant(t, "Own"), r.tenant(t, "Other"), r.tenant(t, "Suspended")
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, suspended)
	r.member(t, own, "user-1")
	r.member(t, suspended, "user-1")
	at := func(id string) string { return workspace.ValidationPath + "?tenant=" + id }
	asked := map[string]request{
		"no token":         {path: at(own.String())},
		"token of the API": {path: at(own.String()), token: r.token()},
		"other audience":   {path: at(own.String()), token: r.odooToken("aud", "account")},
		"other party":      {path: at(own.String()), token: r.odooToken("azp", "console")},
		"expired":          {path: at(own.String()), token: r.odooToken("exp", 1_700_000_000, "iat", 1_699_999_000)},
		"stranger's key": {path: at(own.String()),
			token: signed(signingKeys()[1], r.claims("aud", odooClient, "azp", odooClient))},
		"garbage":             {path: at(own.String()) + "&access_token=opaque"},
		"another's workspace": {path: at(other.String()), token: r.odooToken()},
		"suspended tenant":    {path: at(suspended.String()), token: r.odooToken()},
		"no tenant":           {path: at("9999"), token: r.odooToken()},
		"tenant is no number": {path: at("x"), token: r.odooToken()},
		"a stranger":          {path: at(own.String()), token: r.odooToken("sub", "user-2")},
	}
	for name, q := range asked {
		a := r.do(t, q)
		require.Equal(t, http.StatusUnauthorized, a.status, name)
		require.JSONEq(t, `{"error":"invalid_token"}`, a.body, name)
		require.Equal(t, `Bearer error="invalid_token"`, a.header.Get("WWW-Authenticate"), name)
	}
	last := 0
	for range 100 {
		if last = r.get(t, at(own.String()), "opaque").status; last == http.StatusTooManyRequests {
			return
		}
	}
	t.Errorf("refusals without end: %d", last)
}

func TestWithoutOdooSignInThereIsNoSuchRoute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	requireProblem(t, r.get(t, workspace.ValidationPath, r.odooToken()), http.StatusNotFound, "not_found")
}
