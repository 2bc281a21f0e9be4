package provision_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// testDoors are the tests of the sign-in. On real servers they run with one way of making workspaces.
func testDoors(t *testing.T, r rig) {
	t.Run("side doors", func(t *testing.T) { testSideDoors(t, r) })
	t.Run("visit", func(t *testing.T) { testVisit(t, r) })
}

func TestDoorsOnStandIn(t *testing.T) {
	t.Parallel()
	for name, o := range serverVariants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testDoors(t, standIn(t, o))
		})
		t.Run(name+", companies", func(t *testing.T) {
			t.Parallel()
			testDoors(t, standInFor(t, o, provision.Provisioning{Mode: provision.ModeCompany, Shared: "shared"}))
		})
	}
}

// failedCheck runs the smoke test and returns the name of the check that failed, "" when all passed.
func (r rig) failedCheck(t *testing.T, w provision.Workspace) string {
	t.Helper()
	checks, err := r.prov.SmokeTest(t.Context(), w)
	last := checks[len(checks)-1]
	if err == nil {
		require.NoError(t, last.Err)
		return ""
	}
	require.NotEmpty(t, fault.Hint(err), "%v", err)
	return last.Name
}

// testSideDoors opens each way in beside the identity provider by hand. The smoke test and CheckDoors notice it, and
// EnsureProvider closes it again. An administrator of Odoo keeps a password.
func testSideDoors(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 120)
	her := r.ensurePerson(t, w, "her@example.com")
	s, err := r.prov.OpenForSettings(ctx, w)
	require.NoError(t, err)
	require.Empty(t, r.failedCheck(t, w), "without single sign-on, people have passwords")
	require.NoError(t, s.SetPassword(ctx, her, "from-before-the-single-sign-on", nil))
	ensure := func() {
		t.Helper()
		_, err := r.prov.EnsureProvider(ctx, w, keycloak)
		require.NoError(t, err)
		require.Empty(t, r.failedCheck(t, w))
		require.NoError(t, r.prov.CheckDoors(ctx, w))
	}
	ensure()
	_, opens, err := r.server.Authenticate(ctx, w.Database, "her@example.com", "from-before-the-single-sign-on")
	require.NoError(t, err)
	require.False(t, opens, "an old password still opens the workspace")

	rule := func() []int64 {
		found, err := s.SearchRead(ctx, "ir.rule", odoo.Query{Fields: []string{"name"}, Domain: odoo.Domain{
			odoo.Where("name", "=", "leadctl: changing res.users.apikeys.description")}})
		require.NoError(t, err)
		require.Len(t, found, 1)
		return odoo.IDsOf(found)
	}
	for name, open := range map[string]func() error{
		"password reset": func() error { return s.SetParameter(ctx, "auth_signup.reset_password", "True") },
		"free sign-up":   func() error { return s.SetParameter(ctx, "auth_signup.invitation_scope", "b2c") },
		"rule switched off": func() error {
			return s.Write(ctx, "ir.rule", rule(), odoo.Record{"active": false}, nil)
		},
		"rule changed": func() error {
			return s.Write(ctx, "ir.rule", rule(), odoo.Record{"domain_force": "[(1,'=',1)]"}, nil)
		},
		"rule deleted": func() error { return s.Unlink(ctx, "ir.rule", rule()) },
		"password":     func() error { return s.SetPassword(ctx, her, "set-by-an-administrator", nil) },
	} {
		require.NoError(t, open(), name)
		require.Equal(t, "side doors", r.failedCheck(t, w), name)
		require.Equal(t, odoo.CodeMisconfig, fault.Code(r.prov.CheckDoors(ctx, w)), name)
		ensure()
	}
	_, opens, err = r.server.Authenticate(ctx, w.Database, "her@example.com", "set-by-an-administrator")
	require.NoError(t, err)
	require.False(t, opens)
	if r.how.Mode == provision.ModeCompany { // there no person may administer Odoo
		return
	}
	r.makeAdministrator(t, w, s, her)
	require.NoError(t, s.SetPassword(ctx, her, "break-glass", nil))
	ensure()
	_, opens, err = r.server.Authenticate(ctx, w.Database, "her@example.com", "break-glass")
	require.NoError(t, err)
	require.True(t, opens, "Odoo's administrators keep their passwords")
}

func (r rig) ensurePerson(t *testing.T, w provision.Workspace, email string) int64 {
	t.Helper()
	uid, err := r.prov.EnsureUser(t.Context(), w, provision.User{Email: email, Role: "ops"})
	require.NoError(t, err)
	return uid
}

// makeAdministrator gives a user the right to Odoo's settings.
func (r rig) makeAdministrator(t *testing.T, w provision.Workspace, s *odoo.Session, uid int64) {
	t.Helper()
	ids, err := s.ResolveXMLIDs(t.Context(), []string{"base.group_system"})
	require.NoError(t, err)
	have, err := s.FieldsGet(t.Context(), "res.users", []string{"group_ids", "groups_id"})
	require.NoError(t, err)
	for field := range have {
		require.NoError(t, s.Write(t.Context(), "res.users", []int64{uid},
			odoo.Record{field: []any{[]any{4, ids["base.group_system"]}}}, nil))
	}
}

// testVisit checks an operator's visit: it opens the workspace with its password until its end, the side-door check
// accepts the password for that time only, and the next visit has another password.
func testVisit(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 121)
	_, err := r.prov.EnsureProvider(ctx, w, keycloak)
	require.NoError(t, err)
	opens := func(login string, password odoo.Secret) bool {
		t.Helper()
		_, ok, err := r.server.Authenticate(ctx, w.Database, login, password)
		require.NoError(t, err)
		return ok
	}
	ended, err := r.prov.EndVisit(ctx, w, time.Now().Add(2*time.Hour))
	require.NoError(t, err)
	require.False(t, ended)
	var last odoo.Secret
	for range 2 {
		password := odoo.NewSecret()
		login, err := r.prov.OpenVisit(ctx, w, password, time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.True(t, opens(login, password))
		require.False(t, last != "" && opens(login, last), "the password of the visit before")
		require.Empty(t, r.failedCheck(t, w), "the check accepts the visit")
		_, err = r.prov.EnsureProvider(ctx, w, keycloak)
		require.NoError(t, err)
		require.True(t, opens(login, password), "the visit outlasts a configuration")

		ended, err := r.prov.EndVisit(ctx, w, time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.False(t, ended, "the end of an earlier visit")
		ended, err = r.prov.EndVisit(ctx, w, time.Now().Add(2*time.Hour))
		require.NoError(t, err)
		require.True(t, ended)
		require.False(t, opens(login, password))
		require.Empty(t, r.failedCheck(t, w))
		last = password
	}
	_, err = r.prov.OpenVisit(ctx, w, last, time.Now().Add(-time.Second))
	require.NoError(t, err)
	require.Equal(t, "side doors", r.failedCheck(t, w), "a visit that did not end in time")
}
