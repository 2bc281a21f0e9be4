package provision_test

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

func TestCompanyOnStandIn(t *testing.T) {
	t.Parallel()
	for name, o := range serverVariants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			how := provision.Provisioning{Mode: provision.ModeCompany, Shared: "shared"}
			testCompany(t, standInFor(t, o, how))
			testCompanyCRM(t, standInFor(t, o, how))
		})
	}
}

// testCompany is testWorkspace for a rig with one database for all tenants.
func testCompany(t *testing.T, r rig) {
	t.Run("shared database again", func(t *testing.T) { testTemplateAgain(t, r) })
	t.Run("first sign-in, twice", func(t *testing.T) { testSteps(t, r) })
	t.Run("two companies share nothing", func(t *testing.T) { testCompaniesShareNothing(t, r) })
	t.Run("foreign database", func(t *testing.T) { testForeignShared(t, r) })
	t.Run("a login of another company", func(t *testing.T) { testTakenLogin(t, r) })
	t.Run("rotation", func(t *testing.T) { testRotate(t, r) })
	t.Run("racing attempts", func(t *testing.T) { testRace(t, r) })
	t.Run("push", func(t *testing.T) { testPush(t, r) })
	t.Run("sign-on link", func(t *testing.T) { testSSO(t, r) })
	t.Run("drop", func(t *testing.T) { testDropCompany(t, r) })
	t.Run("leaks are found", func(t *testing.T) { testLeaksFound(t, r) }) // last: it opens leaks
}

// testCompanyCRM is testCRM for a rig with one database for all tenants.
func testCompanyCRM(t *testing.T, r rig) {
	t.Run("push keeps sales changes", func(t *testing.T) { testPushKeepsSalesChanges(t, r) })
	t.Run("withdraw", func(t *testing.T) { testWithdraw(t, r) })
	t.Run("roles", func(t *testing.T) { testRoles(t, r) })
	t.Run("feedback", func(t *testing.T) { testFeedback(t, r) })
	t.Run("roles end at the company", func(t *testing.T) { testRolesEndAtCompany(t, r) })
}

// testCompaniesShareNothing gives two tenants every kind of record in one database and checks that neither reaches the
// other's.
func testCompaniesShareNothing(t *testing.T, r rig) {
	ctx := context.Background()
	a, b := r.provision(t, 102), r.provision(t, 103)
	require.Equal(t, a.Database, b.Database)
	for _, w := range []provision.Workspace{a, b} {
		_, err := r.prov.EnsureFields(ctx, w)
		require.NoError(t, err)
		_, err = r.prov.EnsureUser(ctx, w, provision.User{Email: "owner" + w.Tenant.String() + "@example.com"})
		require.NoError(t, err)
		_, err = r.prov.PushLeads(ctx, w, []crm.Item{{Lead: crm.Lead{UEN: "202012345A",
			Name: "The same company", Score: 0.5, Bucket: "low"}}}, provision.PushOptions{})
		require.NoError(t, err)
	}
	for _, pair := range [][2]provision.Workspace{{a, b}, {b, a}} {
		mine, err := r.prov.Session(ctx, pair[0])
		require.NoError(t, err)
		other, err := r.prov.Session(ctx, pair[1])
		require.NoError(t, err)
		for model, sees := range map[string]int{"res.partner": 4, "crm.lead": 1, "res.users": 2, "res.company": 1} {
			theirs, err := other.SearchRead(ctx, model, odoo.Query{Fields: []string{"create_date"}})
			require.NoError(t, err)
			require.Len(t, theirs, sees, model)
			for _, rec := range theirs {
				_, err := mine.Read(ctx, model, []int64{rec.ID()}, []string{"display_name"})
				require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%s: %v", model, err)
				require.Error(t, mine.Write(ctx, model, []int64{rec.ID()}, odoo.Record{}, nil), model)
			}
		}
		_, err = r.prov.SmokeTest(ctx, pair[0])
		require.NoError(t, err)
	}
	if r.stand == nil { // the stand-in has no such records
		testConversationsShareNothing(t, r, a, b)
	}
	stolen := b
	stolen.Secret = a.Secret
	_, err := r.prov.SmokeTest(ctx, stolen)
	require.Error(t, err, "A's secret opens B's account")
}

// testConversationsShareNothing checks that one tenant does not reach the messages and attachments on another tenant's
// lead and contact.
func testConversationsShareNothing(t *testing.T, r rig, a, b provision.Workspace) {
	ctx := context.Background()
	mine, err := r.prov.Session(ctx, a)
	require.NoError(t, err)
	theirs, err := r.prov.Session(ctx, b)
	require.NoError(t, err)
	hung := map[string][]int64{}
	for _, model := range []string{"crm.lead", "res.partner"} {
		on, err := mine.SearchRead(ctx, model, odoo.Query{Fields: []string{"name"}, Limit: 1, Order: "id desc"})
		require.NoError(t, err)
		_, err = mine.Call(ctx, odoo.Call{Model: model, Method: "message_post", IDs: []int64{on[0].ID()},
			Named: map[string]any{"body": canary, "email_from": "a@example.com"}})
		require.NoError(t, err)
		files, err := mine.Create(ctx, "ir.attachment",
			[]odoo.Record{{"name": canary, "res_model": model, "res_id": on[0].ID(),
				"datas": base64.StdEncoding.EncodeToString([]byte(canary))}}, nil)
		require.NoError(t, err)
		hung["ir.attachment"] = append(hung["ir.attachment"], files...)
		messages, err := mine.SearchRead(ctx, "mail.message", odoo.Query{Fields: []string{"res_id"},
			Domain: odoo.Domain{odoo.Where("model", "=", model), odoo.Where("res_id", "=", on[0].ID())}})
		require.NoError(t, err)
		require.NotEmpty(t, messages)
		for _, m := range messages {
			hung["mail.message"] = append(hung["mail.message"], m.ID())
		}
		_, err = theirs.Call(ctx, odoo.Call{Model: model, Method: "message_post", IDs: []int64{on[0].ID()},
			Named: map[string]any{"body": "an answer", "email_from": "b@example.com"}})
		require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%s: %v", model, err)
	}
	for model, ids := range hung {
		found, err := theirs.SearchCount(ctx, model,
			odoo.Query{Domain: odoo.Domain{odoo.Where("id", "in", ids)}, Archived: true})
		require.NoError(t, err)
		require.Zero(t, found, model)
		for _, id := range ids {
			_, err := theirs.Read(ctx, model, []int64{id}, []string{"display_name"})
			require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%s: %v", model, err)
		}
	}
}

func testForeignShared(t *testing.T, r rig) {
	other := r.how
	other.Installation = "another"
	prov, err := provision.NewProvisioner(r.server, other)
	require.NoError(t, err)
	w := provision.Workspace{Tenant: 104, Database: other.Shared, Secret: odoo.NewSecret()}
	_, err = prov.EnsureDatabase(context.Background(), w)
	require.Equal(t, odoo.CodeForeign, fault.Code(err), "%v", err)
	again := r.template()
	again.Installation = "another"
	_, err = provision.PrepareTemplate(context.Background(), r.server, again)
	require.Equal(t, odoo.CodeForeign, fault.Code(err), "%v", err)
	w.Database = "elsewhere"
	_, err = r.prov.EnsureDatabase(context.Background(), w)
	require.Equal(t, odoo.CodeMisconfig, fault.Code(err))
}

func testTakenLogin(t *testing.T, r rig) {
	ctx := context.Background()
	a, b := r.provision(t, 105), r.provision(t, 113)
	_, err := r.prov.EnsureUser(ctx, a, provision.User{Email: "both@example.com"})
	require.NoError(t, err)
	_, err = r.prov.EnsureUser(ctx, b, provision.User{Email: "both@example.com"})
	require.Equal(t, fault.Operator, fault.KindOf(err), "one login must not belong to two tenants")
}

func testDropCompany(t *testing.T, r rig) {
	ctx := context.Background()
	w, other := r.provision(t, 110), r.provision(t, 114)
	for _, one := range []provision.Workspace{w, other} {
		_, err := r.prov.EnsureFields(ctx, one)
		require.NoError(t, err)
		_, err = r.prov.PushLeads(ctx, one, []crm.Item{{Lead: crm.Lead{UEN: "202012345A",
			Name: "The same company"}}}, provision.PushOptions{})
		require.NoError(t, err)
	}
	signsOn := func(w provision.Workspace) error {
		uid, err := r.prov.EnsureUser(ctx, w, provision.User{Email: "mover@example.com"})
		require.NoError(t, err)
		return r.ensureSSO(w, keycloak, uid, "mover")
	}
	require.NoError(t, signsOn(w))
	for _, there := range []bool{true, false} {
		gone, err := r.prov.DropDatabase(ctx, w)
		require.NoError(t, err)
		require.Equal(t, there, gone)
	}
	_, open, err := r.server.Authenticate(ctx, w.Database, r.prov.ServiceLogin(w.Tenant), w.Secret)
	require.NoError(t, err)
	require.False(t, open)
	s, err := r.prov.Session(ctx, other)
	require.NoError(t, err)
	n, err := s.SearchCount(ctx, "crm.lead", odoo.Query{})
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "the neighbour lost a lead")
	require.NoError(t, signsOn(other), "a user of a dropped workspace can be a user of another one")
	replica, err := provision.NewProvisioner(r.server, r.how)
	require.NoError(t, err)
	created, err := replica.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.True(t, created, "a deleted tenant's number can be used again")
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
	_, err = r.prov.DropDatabase(ctx, w)
	require.NoError(t, err)
	created, err = replica.EnsureDatabase(ctx, w)
	require.NoError(t, err)
	require.True(t, created, "a replica notices that another one dropped the workspace")
}

// testLeaksFound opens one leak after the other, as a user who edits Odoo's rules might do. The smoke test must fail
// with CodeLeak until the rule is restored.
func testLeaksFound(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 115)
	_, err := r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
	admin, ok, err := r.server.Open(ctx, odoo.Account{Database: w.Database, Login: "admin", Secret: adminPassword})
	require.NoError(t, err)
	require.True(t, ok)
	// Users and teams are not tried: each user is a contact and each team a mail alias, and those rules apply too.
	type hole struct{ model, field string }
	holes := []hole{{"res.partner", "active"}, {"crm.lead", "active"}, {"crm.tag", "active"},
		{"utm.campaign", "active"}}
	if r.stand != nil { // a real Odoo applies the rule for reading to writes too
		holes = append(holes, hole{"res.partner", "perm_write"}, hole{"crm.lead", "perm_write"})
	}
	for _, open := range holes {
		model := open.model
		rules, err := admin.SearchRead(ctx, "ir.rule",
			odoo.Query{Domain: odoo.Domain{odoo.Where("name", "=", "leadctl: "+model)}, Fields: []string{"name"}})
		require.NoError(t, err)
		require.Len(t, rules, 1)
		id := []int64{rules[0].ID()}
		require.NoError(t, admin.Write(ctx, "ir.rule", id, odoo.Record{open.field: false}, nil))
		_, err = r.prov.SmokeTest(ctx, w)
		require.Equal(t, provision.CodeLeak, fault.Code(err), "%s: %v", model, err)
		require.Equal(t, fault.Operator, fault.KindOf(err))
		require.NoError(t, admin.Write(ctx, "ir.rule", id, odoo.Record{open.field: true}, nil))
		_, err = r.prov.SmokeTest(ctx, w)
		require.NoError(t, err, model)
	}
}
