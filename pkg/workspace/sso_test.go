package workspace_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

const issuer = "https://idp.example"

// withSSO configures single sign-on to Odoo, with a provider that is never called and route as validation route.
func (r *rig) withSSO(t *testing.T, route http.HandlerFunc) {
	t.Helper()
	api := httptest.NewServer(route)
	t.Cleanup(api.Close)
	r.OdooLogin = &workspace.OdooLogin{ClientID: "odoo", Issuer: issuer, BaseURL: api.URL, PagesURL: "https://leadctl.example/",
		Discover: func(context.Context) (sso.Discovery, error) {
			return sso.Discovery{AuthorizationURL: issuer + "/auth"}, nil
		}}
}

func refusing(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != workspace.ValidationPath || r.Header.Get("Authorization") == "" {
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"error":"invalid_token"}`))
}

// user inserts a member of the tenant; a member with a subject has signed in.
func (r *rig) user(t *testing.T, id tenantid.ID, email, subject string) {
	t.Helper()
	r.exec(t, `INSERT INTO tenant_users (tenant_id, user_id, issuer, subject, roles)
		VALUES ($1, $2, CASE WHEN $3 <> '' THEN '`+issuer+`' END, nullif($3, ''), '{viewer}')`, id, email, subject)
}

func states(t *testing.T, checks []provision.Check) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, c := range checks {
		out[c.Name] = c.Err == nil
	}
	return out
}

func TestConfigureAndVerifySSO(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.withSSO(t, refusing)
	id, w := r.tenant(t, "Acme")
	r.user(t, id, "alice@acme.example", "subject-a")
	r.user(t, id, "invited@acme.example", "")
	checks, err := r.VerifySSO(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"identity provider": true, "provider in Odoo": false, "side doors": false,
		"user alice@acme.example": false, "validation route": true}, states(t, checks))

	for round := range 2 {
		effects := len(r.stand.Ledger())
		left, err := r.ConfigureSSO(t.Context(), w, tester)
		require.NoError(t, err)
		require.Empty(t, left)
		if round > 0 {
			require.Len(t, r.stand.Ledger(), effects, "the second run changes nothing")
		}
	}
	checks, err = r.VerifySSO(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"identity provider": true, "provider in Odoo": true, "side doors": true,
		"user alice@acme.example": true, "validation route": true}, states(t, checks))
	providers, err := r.session(t, id).SearchRead(t.Context(), "auth.oauth.provider", odoo.Query{
		Domain: odoo.Domain{odoo.Where("enabled", "=", true)},
		Fields: []string{"client_id", "auth_endpoint", "validation_endpoint"}})
	require.NoError(t, err)
	require.Len(t, providers, 1)
	require.Equal(t, r.OdooLogin.BaseURL+"/odoo/userinfo?tenant="+id.String(), providers[0].Text("validation_endpoint"))
	require.Equal(t, issuer+"/auth", providers[0].Text("auth_endpoint"))
	refused, err := r.session(t, id).Parameter(t.Context(), "leadctl.refused_page")
	require.NoError(t, err)
	require.Equal(t, "https://leadctl.example/odoo/refused", refused)
	require.NoError(t, r.session(t, id).SetParameter(t.Context(), "auth_signup.reset_password", "True"))
	checks, err = r.VerifySSO(t.Context(), id)
	require.NoError(t, err)
	require.False(t, states(t, checks)["side doors"], "a door that was opened by hand")
}

// ConfigureSSO does not change an account that is linked to another subject or archived, and links the others.
func TestConfigureSSOSkipsLinkedAndArchivedAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.withSSO(t, refusing)
	id, w := r.tenant(t, "Acme")
	r.user(t, id, "alice@acme.example", "subject-a")
	_, err := r.ConfigureSSO(t.Context(), w, tester)
	require.NoError(t, err)
	// The provider gave the address to another account.
	r.user(t, id, "alice@acme.example (subject-b)", "subject-b")
	r.user(t, id, "gone@acme.example", "subject-g")
	r.user(t, id, "new@acme.example", "subject-n")
	_, err = r.EnsureUsers(t.Context(), w, []tenant.Member{{UserID: "gone@acme.example"}})
	require.NoError(t, err)
	s := r.session(t, id)
	gone, err := s.SearchRead(t.Context(), "res.users",
		odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", "gone@acme.example")}, Fields: []string{"login"}})
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), "res.users", []int64{gone[0].ID()}, odoo.Record{"active": false}, nil))

	left, err := r.ConfigureSSO(t.Context(), w, tester)
	require.NoError(t, err)
	require.Len(t, left, 2)
	for login, want := range map[string]string{"alice@acme.example": "subject-a", "new@acme.example": "subject-n"} {
		is, err := r.Odoo.LinkedSubject(t.Context(), w, login)
		require.NoError(t, err)
		require.Equal(t, want, is, login)
	}
}

func TestVerifySSOReportsAForeignValidationRoute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.withSSO(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("welcome")) })
	id, _ := r.tenant(t, "Acme")
	checks, err := r.VerifySSO(t.Context(), id)
	require.NoError(t, err)
	last := checks[len(checks)-1]
	require.True(t, fault.Is(last.Err, fault.Operator), "%v", last.Err)
	require.Contains(t, fault.Hint(last.Err), "LEADCTL_ODOO_VALIDATION_URL")
	r.OdooLogin = nil
	_, err = r.VerifySSO(t.Context(), id)
	require.True(t, fault.Is(err, fault.Operator))
}
