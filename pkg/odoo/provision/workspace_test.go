package provision_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

func TestWorkspaceOnStandIn(t *testing.T) {
	t.Parallel()
	for name, o := range serverVariants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testWorkspace(t, standIn(t, o))
			testCRM(t, standIn(t, o))
		})
	}
	t.Run("19, XML-RPC configured", func(t *testing.T) {
		t.Parallel()
		xmlrpc := odoo.Options{Protocol: odoo.ProtocolXMLRPC}
		testWorkspace(t, standIn(t, serverVariants["19"]).withOptions(t, xmlrpc))
		testCRM(t, standIn(t, serverVariants["19"]).withOptions(t, xmlrpc))
	})
}

// serverVariants are servers with different interfaces open.
var serverVariants = map[string]odootest.Options{
	"14":                 {Major: 14},
	"19":                 {Major: 19},
	"14 by forms":        {Major: 14, Shut: []string{"/xmlrpc/2/db"}},
	"19 by forms":        {Major: 19, Shut: []string{"/xmlrpc/2/db"}},
	"19 without XML-RPC": {Major: 19, Shut: []string{"/xmlrpc", "/jsonrpc"}},
}

// testWorkspace runs the tests of making, checking and dropping workspaces on a rig with a database for each tenant.
func testWorkspace(t *testing.T, r rig) {
	t.Run("template again", func(t *testing.T) { testTemplateAgain(t, r) })
	t.Run("first sign-in, twice", func(t *testing.T) { testSteps(t, r) })
	t.Run("two workspaces share nothing", func(t *testing.T) { t.Parallel(); testTenantsShareNothing(t, r) })
	t.Run("foreign database", func(t *testing.T) { t.Parallel(); testForeign(t, r) })
	t.Run("rotation", func(t *testing.T) { t.Parallel(); testRotate(t, r) })
	t.Run("racing attempts", func(t *testing.T) { t.Parallel(); testRace(t, r) })
	t.Run("sign-on link", func(t *testing.T) { t.Parallel(); testSSO(t, r) })
	t.Run("report", func(t *testing.T) { t.Parallel(); testReport(t, r) })
	t.Run("JSON-2", func(t *testing.T) { t.Parallel(); testJSON2(t, r) })
	t.Run("push", func(t *testing.T) { t.Parallel(); testPush(t, r) })
	t.Run("fields", func(t *testing.T) { t.Parallel(); testFields(t, r) })
	t.Run("drop", func(t *testing.T) { t.Parallel(); testDrop(t, r) })
}

// testCRM runs the tests of what leadctl does inside a workspace. They do not depend on how the workspace
// is made, so on real servers they run once for each version and mode. testWorkspace pushes on every rig.
func testCRM(t *testing.T, r rig) {
	t.Run("push keeps sales changes", func(t *testing.T) { t.Parallel(); testPushKeepsSalesChanges(t, r) })
	t.Run("withdraw", func(t *testing.T) { t.Parallel(); testWithdraw(t, r) })
	t.Run("roles", func(t *testing.T) { t.Parallel(); testRoles(t, r) })
	t.Run("feedback", func(t *testing.T) { t.Parallel(); testFeedback(t, r) })
}

// testSteps runs all steps in onboarding's order, twice. The second time nothing changes.
func testSteps(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.workspace(t, 101)
	var first int64
	for round := range 2 {
		start := time.Now()
		step := func(name string) {
			t.Logf("round %d: %-20s %6.3fs", round, name, time.Since(start).Seconds())
			start = time.Now()
		}
		created, err := r.prov.EnsureDatabase(ctx, w)
		require.NoError(t, err)
		require.Equal(t, round == 0, created)
		step("database")
		account, err := r.prov.EnsureServiceAccount(ctx, w)
		require.NoError(t, err)
		require.Equal(t, r.prov.ServiceLogin(w.Tenant), account.Login)
		step("service account")
		made, err := r.prov.EnsureFields(ctx, w)
		require.NoError(t, err)
		require.Empty(t, made, "the template has them")
		step("fields")
		uid, err := r.prov.EnsureUser(ctx, w, provision.User{Email: "Tan.Ah.Kow@Example.com ", Name: "Tan Ah Kow"})
		require.NoError(t, err)
		if round == 0 {
			first = uid
		}
		require.Equal(t, first, uid)
		step("user")
		require.NoError(t, r.prov.EnsureBaseline(ctx, w, "Kow & Sons <Pte> Ltd"))
		step("baseline")
		checks, err := r.prov.SmokeTest(ctx, w)
		require.NoError(t, err)
		require.Len(t, checks, 12)
		step("smoke test")
	}
	about, err := r.prov.About(ctx, w)
	require.NoError(t, err)
	require.NotEmpty(t, about.Version)
	speaks := odoo.ProtocolWeb
	switch {
	case r.speaks != "":
		speaks = r.speaks
	case strings.HasPrefix(about.Version, "14"):
		speaks = odoo.ProtocolXMLRPC
	case r.how.ClusterDSN != "":
		speaks = odoo.ProtocolJSON2
	}
	require.Equal(t, speaks, about.Protocol)
	require.Equal(t, r.how.Mode == provision.ModeCompany, about.Company > 0)
	s, err := r.prov.Session(ctx, w)
	require.NoError(t, err)
	company, err := s.SearchRead(ctx, "res.company", odoo.Query{Fields: []string{"name"}})
	require.NoError(t, err)
	require.Equal(t, "Kow & Sons <Pte> Ltd", company[0].Text("name"))
	users, err := s.SearchRead(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "=", first)},
		Fields: []string{"login", "email"}})
	require.NoError(t, err)
	require.Equal(t, "tan.ah.kow@example.com", users[0].Text("login"))
	leftovers, err := s.SearchCount(ctx, "res.partner",
		odoo.Query{Domain: odoo.Domain{odoo.Where("ref", "=like", "leadctl-smoke-%")}, Archived: true})
	require.NoError(t, err)
	require.Zero(t, leftovers)
	refused := [][2]string{{"admin", "admin"}, {odoo.ServiceLogin, adminPassword}}
	if r.how.Mode != provision.ModeCompany { // there leadctl itself signs in with it
		refused = append(refused, [2]string{"admin", adminPassword})
	}
	for _, c := range refused {
		_, open, err := r.server.Authenticate(ctx, w.Database, c[0], odoo.Secret(c[1]))
		require.NoError(t, err)
		require.False(t, open, "%v opens a workspace", c)
	}
}

// testTenantsShareNothing checks that one tenant's secret, identity and rows are not in another tenant's workspace.
func testTenantsShareNothing(t *testing.T, r rig) {
	ctx := context.Background()
	a, b := r.provision(t, 102), r.provision(t, 103)
	uuid := map[string]bool{}
	for _, w := range []provision.Workspace{a, b} {
		s, err := r.prov.Session(ctx, w)
		require.NoError(t, err)
		rows, err := s.SearchRead(ctx, "ir.config_parameter", odoo.Query{Fields: []string{"value"},
			Domain: odoo.Domain{odoo.Where("key", "in", []string{"database.uuid", "database.secret"})}})
		require.NoError(t, err)
		for _, row := range rows {
			require.False(t, uuid[row.Text("value")], "one identity for two workspaces")
			uuid[row.Text("value")] = true
		}
	}
	require.Len(t, uuid, 4)
	if r.how.ClusterDSN != "" {
		s, err := r.prov.Session(ctx, a)
		require.NoError(t, err)
		twice := []odoo.Record{{"name": "Once", "x_uen": "202099999A"}, {"name": "Twice", "x_uen": "202099999A"}}
		_, err = s.Create(ctx, "res.partner", twice, nil)
		require.NoError(t, err, "a unique index makes the merge of contacts fail")
	}
	stolen := b
	stolen.Secret = a.Secret
	_, err := r.prov.Session(ctx, stolen)
	require.Equal(t, odoo.CodeAccessDenied, fault.Code(err))
	// B-057: a job of A with B's database fails, because the marker names B.
	mixed := a
	mixed.Database = b.Database
	_, err = r.prov.EnsureDatabase(ctx, mixed)
	require.Equal(t, odoo.CodeForeign, fault.Code(err))
	_, err = r.prov.DropDatabase(ctx, mixed)
	require.Equal(t, odoo.CodeForeign, fault.Code(err))
}

// testForeign checks that a database that leadctl did not make stays unchanged, even with the name of a workspace.
func testForeign(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.workspace(t, 104)
	other := r.provision(t, 105)
	require.NoError(t, r.server.Databases(r.how.Master).Duplicate(ctx, other.Database, w.Database))
	for range 2 {
		_, err := r.prov.EnsureDatabase(ctx, w)
		require.Equal(t, odoo.CodeForeign, fault.Code(err))
		require.Equal(t, fault.Operator, fault.KindOf(err))
		require.NotEmpty(t, fault.Hint(err))
	}
	_, err := r.prov.DropDatabase(ctx, w)
	require.Equal(t, odoo.CodeForeign, fault.Code(err))
	foreign := w
	foreign.Secret = other.Secret
	_, err = r.prov.Session(ctx, foreign)
	require.NoError(t, err, "the foreign database was changed")
}

func testRotate(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 106)
	_, err := r.prov.EnsureServiceAccount(ctx, w)
	require.NoError(t, err)
	next := odoo.NewSecret()
	for range 2 { // the second call finds the work done, as after a crash before the caller stored the outcome
		require.NoError(t, r.prov.Rotate(ctx, w, next))
		_, open, err := r.server.Authenticate(ctx, w.Database, odoo.ServiceLogin, w.Secret)
		require.NoError(t, err)
		require.False(t, open, "the old secret still opens the workspace")
	}
	w.Secret = next
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
}

// testRace runs several attempts at one workspace. They make one workspace, and each succeeds or may be repeated.
func testRace(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.workspace(t, 107)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := r.prov.EnsureDatabase(ctx, w); err != nil {
				assert.NotEqual(t, odoo.CodeForeign, fault.Code(err))
				t.Logf("an attempt to be repeated: %v", err)
			}
		})
	}
	wg.Wait()
	_, err := r.prov.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
	if r.how.Mode == provision.ModeCompany {
		return
	}
	if r.stand != nil {
		require.Equal(t, 1, countNamings(r.stand, w.Database), "made once")
	}
	left, err := r.server.Databases(r.how.Master).Exists(ctx, w.Database+"__new")
	require.NoError(t, err)
	require.False(t, left)
}

func testTemplateAgain(t *testing.T, r rig) {
	ctx := context.Background()
	for range 2 {
		_, err := provision.PrepareTemplate(ctx, r.server, r.template())
		require.NoError(t, err)
	}
	parts, err := provision.TemplateStatus(ctx, r.server, r.template())
	require.NoError(t, err)
	require.NotEmpty(t, parts)
	for _, p := range parts {
		require.Equal(t, provision.PartReady, p.State, p.Name)
	}
	other := r.template()
	other.Name += "_never_made"
	parts, err = provision.TemplateStatus(ctx, r.server, other)
	require.NoError(t, err)
	require.Equal(t, provision.PartMissing, parts[0].State)
}

// keycloak is the identity provider of these tests.
var keycloak = provision.OAuthProvider{Name: "Keycloak", Button: "Sign in", ClientID: "odoo",
	AuthEndpoint: "https://id.example.com/auth", UserInfo: "https://id.example.com/userinfo"}

// ensureSSO runs the two steps that let a person sign in.
func (r rig) ensureSSO(w provision.Workspace, sso provision.OAuthProvider, uid int64, subject string) error {
	provider, err := r.prov.EnsureProvider(context.Background(), w, sso)
	if err != nil {
		return err
	}
	return r.prov.LinkUser(context.Background(), w, provider, uid, subject)
}

func testSSO(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 108)
	uid, err := r.prov.EnsureUser(ctx, w, provision.User{Email: "a@example.com"})
	require.NoError(t, err)
	sso := keycloak
	for range 2 {
		require.NoError(t, r.ensureSSO(w, sso, uid, "subject-1"))
	}
	sso.ClientID = "odoo-2"
	require.NoError(t, r.ensureSSO(w, sso, uid, "subject-1"))
	require.NoError(t, r.prov.CheckSSO(ctx, w, sso), "one provider, with the new client")
	is, err := r.prov.LinkedSubject(ctx, w, "a@example.com")
	require.NoError(t, err)
	require.Equal(t, "subject-1", is)
	err = r.ensureSSO(w, sso, uid, "subject-2")
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
}

func testReport(t *testing.T, r rig) {
	report := provision.Test(context.Background(), r.server, r.prov)
	require.NoError(t, report.Err())
	require.NotEmpty(t, report.Version)
	require.Len(t, report.Checks, 1)
	require.Len(t, report.Paths, 3)
	require.NoError(t, report.Paths[0].Err)
	require.Equal(t, r.backendName(), report.Paths[0].Name)
	early := r.how
	early.Template += "_never_made"
	prov, err := provision.NewProvisioner(r.server, early)
	require.NoError(t, err)
	report = provision.Test(context.Background(), r.server, prov)
	require.Equal(t, odoo.CodeMisconfig, fault.Code(report.Err()), "%v", report.Err())
	require.Contains(t, fault.Hint(report.Err()), "template prepare")
	wrong := r.how
	wrong.Master, wrong.ClusterDSN, wrong.TemplateSecret = "wrong", "", adminPassword
	prov, err = provision.NewProvisioner(r.server, wrong)
	require.NoError(t, err)
	report = provision.Test(context.Background(), r.server, prov)
	require.Equal(t, odoo.CodeMisconfig, fault.Code(report.Err()), "%v", report.Err())
	require.NotEmpty(t, fault.Hint(report.Err()))
}

// testJSON2 tests calls over JSON-2, where the server has it and the secret is a key.
func testJSON2(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 111)
	if r.stand != nil { // no SQL can add a key to the stand-in
		require.NoError(t, r.stand.AddKey(w.Database, odoo.ServiceLogin, string(w.Secret)))
	}
	version, err := r.server.Version(ctx)
	require.NoError(t, err)
	s := sessionJSON2(t, r.server, w.Database, w.Secret)
	switch _, err := crm.EnsureFields(ctx, s); {
	case version.Major < 19:
		require.Equal(t, fault.Operator, fault.KindOf(err), "%v", err)
		return
	case r.stand == nil && r.how.ClusterDSN == "":
		require.Equal(t, odoo.CodeAccessDenied, fault.Code(err), "a password is no key: %v", err)
		return
	default:
		require.NoError(t, err)
	}
	ids, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "A", "x_uen": "T1"},
		{"name": "B", "x_employees_est": 7}}, nil)
	require.NoError(t, err)
	require.Len(t, ids, 2)
	require.NoError(t, s.Write(ctx, "res.partner", ids[:1], odoo.Record{"name": "C", "email": nil}, nil))
	got, err := s.SearchRead(ctx, "res.partner", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "in", ids)},
		Order: "id", Fields: []string{"name", "email", "x_employees_est", "company_id"}})
	require.NoError(t, err)
	require.Equal(t, "C", got[0].Text("name"))
	require.Empty(t, got[0].Text("email"))
	require.EqualValues(t, 7, got[1].Int("x_employees_est"))
	require.NoError(t, s.Unlink(ctx, "res.partner", ids))
	n, err := s.SearchCount(ctx, "res.partner", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "in", ids)}})
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = s.Create(ctx, "no.such.model", []odoo.Record{{"name": "A"}}, nil)
	require.Equal(t, fault.Unprocessable, fault.KindOf(err))
	_, err = s.SearchCount(ctx, "res.partner", odoo.Query{Domain: odoo.Domain{odoo.Where("no_such", "=", 1)}})
	require.Equal(t, fault.Unprocessable, fault.KindOf(err), "%v", err)
	_, err = sessionJSON2(t, r.server, w.Database, odoo.NewSecret()).SearchCount(ctx, "res.partner", odoo.Query{})
	require.Equal(t, odoo.CodeAccessDenied, fault.Code(err))
	_, err = sessionJSON2(t, r.server, "no_such_database", w.Secret).SearchCount(ctx, "res.partner", odoo.Query{})
	require.Equal(t, odoo.CodeMissing, fault.Code(err), "%v", err)
}

// testFields checks that FieldStates reports a missing field, and that EnsureFields makes it again.
func testFields(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 116)
	s, err := r.prov.Session(ctx, w)
	require.NoError(t, err)
	gone, err := s.SearchRead(ctx, "ir.model.fields",
		odoo.Query{Domain: odoo.Domain{odoo.Where("name", "=", "x_source_urls")}, Fields: []string{"name"}})
	require.NoError(t, err)
	require.Len(t, gone, 1)
	require.NoError(t, s.Unlink(ctx, "ir.model.fields", []int64{gone[0].ID()}))
	states, err := r.prov.FieldStates(ctx, w)
	require.NoError(t, err)
	require.Len(t, states, len(crm.Fields()))
	for _, f := range states {
		require.Equal(t, f.Name == "x_source_urls", f.Has == "", f.Name)
	}
	_, err = r.prov.SmokeTest(ctx, w)
	require.Equal(t, odoo.CodeMisconfig, fault.Code(err), "%v", err)
	made, err := r.prov.EnsureFields(ctx, w)
	require.NoError(t, err)
	require.Equal(t, []string{"x_source_urls"}, made)
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
}

func testDrop(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 110)
	for _, there := range []bool{true, false} {
		gone, err := r.prov.DropDatabase(ctx, w)
		require.NoError(t, err)
		require.Equal(t, there, gone)
	}
	_, err := r.prov.Session(ctx, w)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

// countNamings counts how often a workspace got its name. The forms give a name by copying.
func countNamings(s *odootest.Server, name string) int {
	return countEffects(s, "rename", name) + countEffects(s, "duplicate_database", name)
}

// countEffects counts the ledger's entries of one kind for one database.
func countEffects(s *odootest.Server, do, db string) int {
	n := 0
	for _, e := range s.Ledger() {
		if e.Do == do && e.Database == db {
			n++
		}
	}
	return n
}

// TestHopelessCopyIsRemoved is TestHopelessCloneIsRemoved for databases that Odoo makes.
func TestHopelessCopyIsRemoved(t *testing.T) {
	t.Parallel()
	for name, o := range serverVariants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			r := standIn(t, o)
			w := r.workspace(t, 1)
			admin, _, err := r.server.Open(ctx, odoo.Account{Database: r.how.Template, Login: "admin",
				Secret: adminPassword})
			require.NoError(t, err)
			users, err := admin.SearchRead(ctx, "res.users",
				odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", odoo.ServiceLogin)}, Fields: []string{"login"}})
			require.NoError(t, err)
			account := []int64{users[0].ID()}
			require.NoError(t, admin.Write(ctx, "res.users", account, odoo.Record{"login": "gone"}, nil))
			_, err = r.prov.EnsureDatabase(ctx, w)
			require.Equal(t, fault.Operator, fault.KindOf(err), "%v", err)
			left, err := r.server.Databases(master).Exists(ctx, w.Database+"__new")
			require.NoError(t, err)
			require.False(t, left)
			require.NoError(t, admin.Write(ctx, "res.users", account, odoo.Record{"login": odoo.ServiceLogin}, nil))
			_, err = r.prov.EnsureDatabase(ctx, w)
			require.NoError(t, err)
		})
	}
}
