package provision_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

const personSecret = odoo.Secret("correct horse battery staple")

// person gives a new person of the workspace the role, and opens the workspace as that person.
func (r rig) person(t *testing.T, w provision.Workspace, email string, role crm.Role) *odoo.Session {
	t.Helper()
	uid, err := r.prov.EnsureUser(t.Context(), w, provision.User{Email: email, Role: role})
	require.NoError(t, err)
	admin, err := r.prov.OpenForSettings(t.Context(), w)
	require.NoError(t, err)
	require.NoError(t, admin.SetPassword(t.Context(), uid, personSecret, nil))
	return r.signedIn(t, w, email)
}

func (r rig) signedIn(t *testing.T, w provision.Workspace, email string) *odoo.Session {
	t.Helper()
	s, ok, err := r.server.Open(t.Context(), odoo.Account{Database: w.Database, Login: email, Secret: personSecret})
	require.NoError(t, err)
	require.True(t, ok)
	return s
}

// crmRights are what a person can do.
type crmRights struct{ Read, Change, AddContact, AddReason, Delete, Users bool }

// rightsOf tries everything, as the person.
func rightsOf(t *testing.T, s *odoo.Session) (can crmRights) {
	t.Helper()
	ctx := context.Background()
	try := func(err error) bool {
		if err != nil {
			require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%v", err)
		}
		return err == nil
	}
	leads, err := s.SearchRead(ctx, "crm.lead", odoo.Query{Fields: []string{"name", "partner_id", "x_pre_sdr_score"}})
	if can.Read = try(err); !can.Read {
		return can
	}
	require.NotEmpty(t, leads)
	can.Change = try(s.Write(ctx, "crm.lead", []int64{leads[0].ID()}, odoo.Record{"priority": "3"}, nil))
	contact := []int64{leads[0].Int("partner_id")}
	require.Equal(t, can.Change, try(s.Write(ctx, "res.partner", contact, odoo.Record{"city": "Town"}, nil)))
	_, err = s.Create(ctx, "res.partner", []odoo.Record{{"name": "Hers"}}, nil)
	can.AddContact = try(err)
	_, err = s.Create(ctx, "crm.lost.reason", []odoo.Record{{"name": "Too far away"}}, nil)
	can.AddReason = try(err)
	_, err = s.Create(ctx, "res.users", []odoo.Record{{"name": "Friend", "login": "friend@example.com"}}, nil)
	can.Users = try(err)
	can.Delete = try(s.Unlink(ctx, "crm.lead", []int64{leads[0].ID()}))
	return can
}

// testRoles checks what a person of each role can do, and that rights follow the role at once.
func testRoles(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 121)
	_, err := r.prov.EnsureFields(ctx, w)
	require.NoError(t, err)
	for i := range 9 {
		_, err = r.prov.PushLeads(ctx, w, []crm.Item{{Lead: crm.Lead{UEN: fmt.Sprintf("2023%05dA", i),
			Name: fmt.Sprint("Role ", i), Score: 0.5, Bucket: "low"}}}, provision.PushOptions{})
		require.NoError(t, err)
	}
	want := map[crm.Role]crmRights{
		crm.RoleViewer: {Read: true},
		crm.RoleOps:    {Read: true, Change: true, AddContact: true},
		crm.RoleAdmin:  {Read: true, Change: true, AddContact: true, AddReason: true, Delete: true},
	}
	for role, rights := range want {
		email := string(role) + w.Tenant.String() + "@example.com"
		s := r.person(t, w, email, role)
		require.Equal(t, rights, rightsOf(t, s), role)
		r.requireExport(t, w, email, role != crm.RoleViewer)
		for _, next := range []crm.Role{crm.RoleAdmin, crm.RoleViewer, crm.RoleOps, crm.RoleViewer} {
			_, err := r.prov.SetRole(ctx, w, email, next)
			require.NoError(t, err)
			changed, err := r.prov.SetRole(ctx, w, email, next)
			require.NoError(t, err)
			require.False(t, changed, "%s as %s again", email, next)
		}
		require.Equal(t, want[crm.RoleViewer], rightsOf(t, s), "%s as viewer, in an open session", role)
		r.requireExport(t, w, email, false)
	}
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
	if r.stand == nil {
		testViewerPages(t, r, w)
	}
	admin, err := r.prov.OpenForSettings(ctx, w)
	require.NoError(t, err)
	access, err := admin.ResolveXMLIDs(ctx, []string{"leadctl.access_viewer_crm_lead"})
	require.NoError(t, err)
	id := []int64{access["leadctl.access_viewer_crm_lead"]}
	require.NoError(t, admin.Write(ctx, "ir.model.access", id, odoo.Record{"perm_write": true}, nil))
	_, err = r.prov.SmokeTest(ctx, w)
	require.Equal(t, odoo.CodeMisconfig, fault.Code(err), "a viewer who writes is found: %v", err)
	_, err = r.prov.EnsureFields(ctx, w)
	require.NoError(t, err)
	_, err = r.prov.SmokeTest(ctx, w)
	require.NoError(t, err)
}

// requireExport checks whether the person has Odoo's group for exports, directly or implied.
func (r rig) requireExport(t *testing.T, w provision.Workspace, email string, may bool) {
	t.Helper()
	admin, err := r.prov.OpenForSettings(t.Context(), w)
	require.NoError(t, err)
	field, err := crm.GroupsField(t.Context(), admin, "res.users")
	require.NoError(t, err)
	if field == "group_ids" && r.stand == nil {
		field = "all_group_ids"
	}
	group, err := admin.ResolveXMLIDs(t.Context(), []string{"base.group_allow_export"})
	require.NoError(t, err)
	found, err := admin.SearchRead(t.Context(), "res.users", odoo.Query{Fields: []string{field},
		Domain: odoo.Domain{odoo.Where("login", "=", email)}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	if may {
		require.Contains(t, found[0].IDs(field), group["base.group_allow_export"])
	} else {
		require.NotContains(t, found[0].IDs(field), group["base.group_allow_export"])
	}
}

// testViewerPages does as a viewer what Odoo's pages do: the menu, the pipeline, and a lead with all fields of its
// form.
func testViewerPages(t *testing.T, r rig, w provision.Workspace) {
	ctx := context.Background()
	email := string(crm.RoleViewer) + w.Tenant.String() + "@example.com"
	s := r.signedIn(t, w, email)
	menus, err := s.SearchRead(ctx, "ir.ui.menu", odoo.Query{Fields: []string{"complete_name"}})
	require.NoError(t, err)
	var names []string
	for _, m := range menus {
		names = append(names, m.Text("complete_name"))
	}
	require.Contains(t, names, "CRM")
	require.Contains(t, names, "CRM/Sales/My Pipeline")
	fields, err := s.FieldsGet(ctx, "crm.lead", nil)
	require.NoError(t, err)
	for model, names := range map[string][]string{"crm.lead": slices.Collect(maps.Keys(fields)),
		"res.partner": {"name", "email", "x_uen", "opportunity_ids", "activity_ids"}} {
		found, err := s.SearchRead(ctx, model, odoo.Query{Fields: names, Limit: 3})
		require.NoError(t, err, model)
		require.NotEmpty(t, found)
		_, err = s.Call(ctx, odoo.Call{Model: model, Method: "message_post", IDs: []int64{found[0].ID()},
			Named: map[string]any{"body": "a viewer's note"}})
		require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%s: %v", model, err)
	}
	_, err = s.Call(ctx, odoo.Call{Model: "crm.lead", Method: "read_group", Named: map[string]any{"domain": []any{},
		"fields": []string{"id"}, "groupby": []string{"stage_id"}}})
	require.NoError(t, err)
}

// testRolesEndAtCompany checks in a shared database that the admin of one tenant reaches no other tenant's lost
// reasons and templates, and changes none that all tenants share.
func testRolesEndAtCompany(t *testing.T, r rig) {
	ctx := context.Background()
	var admins []*odoo.Session
	for _, id := range []tenantid.ID{122, 123} {
		w := r.provision(t, id)
		_, err := r.prov.EnsureFields(ctx, w)
		require.NoError(t, err)
		admins = append(admins, r.person(t, w, "boss"+id.String()+"@example.com", crm.RoleAdmin))
	}
	a, b := admins[0], admins[1]
	shared, err := a.SearchRead(ctx, "crm.lost.reason", odoo.Query{Fields: []string{"name"}})
	require.NoError(t, err)
	require.NotEmpty(t, shared, "Not a fit")
	for _, reason := range shared {
		err := a.Write(ctx, "crm.lost.reason", []int64{reason.ID()}, odoo.Record{"name": "Mine now"}, nil)
		require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%s: %v", reason.Text("name"), err)
	}
	own, err := a.Create(ctx, "crm.lost.reason", []odoo.Record{{"name": "Only ours"}}, nil)
	require.NoError(t, err)
	if r.stand == nil {
		for _, model := range []string{"mail.template", "mail.activity.type", "crm.recurring.plan", "crm.stage",
			"crm.iap.lead.role"} {
			found, err := a.SearchRead(ctx, model, odoo.Query{Fields: []string{"name"}, Limit: 1})
			require.NoError(t, err)
			for _, record := range found {
				err := a.Write(ctx, model, []int64{record.ID()}, odoo.Record{"name": "Mine now"}, nil)
				require.Equal(t, odoo.CodeForbidden, fault.Code(err), "%s: %v", model, err)
			}
		}
	}
	seen, err := b.SearchCount(ctx, "crm.lost.reason", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "in", own)}})
	require.NoError(t, err)
	require.Zero(t, seen, "another tenant's lost reason")
	require.Equal(t, odoo.CodeForbidden,
		fault.Code(b.Write(ctx, "crm.lost.reason", own, odoo.Record{"name": "Theirs"}, nil)))
}
