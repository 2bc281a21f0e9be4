package provision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
)

// TestRemoveFields runs testRemoveFields on the stand-in.
func TestRemoveFields(t *testing.T) {
	t.Parallel()
	for name, o := range serverVariants {
		t.Run(name, func(t *testing.T) { t.Parallel(); testRemoveFields(t, standIn(t, o)) })
	}
}

// TestRemoveFieldsInSharedDatabase: the companies of a shared database have the same fields.
func TestRemoveFieldsInSharedDatabase(t *testing.T) {
	t.Parallel()
	r := standInFor(t, odootest.Options{}, provision.Provisioning{Mode: provision.ModeCompany, Shared: "shared"})
	w, _ := r.openCRM(t, 125)
	_, err := r.prov.RemoveFields(t.Context(), w, true)
	require.True(t, fault.Is(err, fault.Unsupported), "%v", err)
}

// testRemoveFields takes leadctl's fields and views out of a workspace with leads, people, roles and a saved filter.
// The people's screens open without them, and EnsureFields and a push bring everything back.
func testRemoveFields(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 125)
	leads := make([]crm.Lead, 3)
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2024%05dD", i), Name: fmt.Sprint("Company ", i), Industry: "software",
			Score: 0.9, Bucket: "high", Reasons: []string{"young"}, Street: "10 ANSON ROAD", Street2: "#10-11 PLAZA",
			PostalCode: "079903"}
	}
	known := ledger{}
	known.push(t, r, w, leads)
	const login = "remove@example.com"
	person := r.person(t, w, login, crm.RoleOps)
	require.Contains(t, r.shownViews(t, w, person, login), "x_pre_sdr_score")
	_, err := person.Create(ctx, "ir.filters", []odoo.Record{
		{"name": "My best", "model_id": "crm.lead", "domain": "[('x_pre_sdr_bucket', '=', 'high')]"},
		{"name": "My own", "model_id": "crm.lead", "domain": "[('priority', '=', '3')]"}}, nil)
	require.NoError(t, err)

	would, err := r.prov.RemoveFields(ctx, w, true)
	require.NoError(t, err)
	require.Contains(t, would, "saved filter My best")
	require.NotContains(t, would, "saved filter My own")
	require.Contains(t, would, "view leadctl.view_lead_form")
	require.Contains(t, would, "group leadctl.group_viewer")
	require.Contains(t, would, "field crm.lead.x_pre_sdr_score")
	require.NotContains(t, would, "view leadctl.view_sign_in", "it keeps other ways into Odoo closed")
	did, err := r.prov.RemoveFields(ctx, w, false)
	require.NoError(t, err)
	require.Equal(t, would, did, "the dry run changed nothing")
	did, err = r.prov.RemoveFields(ctx, w, false)
	require.NoError(t, err)
	require.Empty(t, did)

	views := r.shownViews(t, w, person, login)
	for _, field := range crm.FieldNames(crm.Fields()) {
		require.NotContains(t, views, field)
	}
	contact := known.contact(t, person, leads[0].UEN, "name", "street", "street2", "zip")
	require.Equal(t, "Company 0, 10 ANSON ROAD, #10-11 PLAZA, 079903", strings.Join([]string{contact.Text("name"),
		contact.Text("street"), contact.Text("street2"), contact.Text("zip")}, ", "))
	require.NoError(t, r.prov.ReadFeedback(ctx, w, time.Time{}, func([]crm.Feedback) error {
		return fault.New(fault.Internal, "no lead has an outcome without the fields")
	}))
	_, err = r.prov.PushLeads(ctx, w, []crm.Item{{Lead: leads[0]}}, provision.PushOptions{Dry: true})
	require.Equal(t, odoo.CodeMisconfig, fault.Code(err), "%v", err)

	// As in a workspace that an older version made, which has no team of leadctl's either.
	team, err := crm.FindTeam(ctx, s)
	require.NoError(t, err)
	require.NoError(t, s.Write(ctx, "crm.team", []int64{team},
		odoo.Record{"member_ids": []any{[]any{3, person.UID()}}}, nil))
	mark, err := s.SearchRead(ctx, "ir.model.data", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{odoo.Where("module", "=", "leadctl"), odoo.Where("name", "=", "team")}})
	require.NoError(t, err)
	require.NoError(t, s.Unlink(ctx, "ir.model.data", odoo.IDsOf(mark)))
	inTeam := func() int64 {
		user, err := s.Read(ctx, "res.users", []int64{person.UID()}, []string{"sale_team_id"})
		require.NoError(t, err)
		return user[0].Int("sale_team_id")
	}
	require.Zero(t, inTeam())
	made, err := r.prov.EnsureFields(ctx, w)
	require.NoError(t, err)
	require.Len(t, made, len(crm.Fields()))
	require.Contains(t, r.shownViews(t, w, person, login), "x_pre_sdr_score")
	require.Equal(t, team, inTeam())
	entry := known[leads[0].UEN]
	outcomes, err := r.prov.PushLeads(ctx, w, []crm.Item{{Lead: leads[0], Known: &entry, Refill: true}},
		provision.PushOptions{})
	require.NoError(t, err)
	require.Equal(t, crm.ActionUpdated, outcomes[0].Action)
	require.Equal(t, leads[0].UEN, known.contact(t, s, leads[0].UEN, "x_uen").Text("x_uen"))
	require.InDelta(t, 90, known.lead(t, s, leads[0].UEN, "x_pre_sdr_score").Float("x_pre_sdr_score"), 1e-9)
}

// shownViews returns the views of the CRM and of contacts that the person's pages load, and reads a lead with all
// fields. The stand-in merges no views, so there they are leadctl's.
func (r rig) shownViews(t *testing.T, w provision.Workspace, person *odoo.Session, login string) string {
	t.Helper()
	var out strings.Builder
	if r.stand != nil {
		found, err := person.SearchRead(t.Context(), "ir.ui.view", odoo.Query{Fields: []string{"arch"},
			Domain: odoo.Domain{odoo.Where("name", "=like", "leadctl: %")}})
		require.NoError(t, err)
		for _, v := range found {
			out.WriteString(v.Text("arch"))
		}
		return out.String()
	}
	version, err := r.server.CachedVersion(t.Context())
	require.NoError(t, err)
	method, list := "get_views", "list"
	if version.Major < 16 {
		method, list = "load_views", "tree"
	}
	admin, err := r.prov.OpenForSettings(t.Context(), w)
	require.NoError(t, err)
	ids, err := admin.ResolveXMLIDs(t.Context(), []string{"crm.crm_lead_view_form", "crm.crm_case_tree_view_oppor",
		"crm.crm_case_kanban_view_leads", "crm.view_crm_case_opportunities_filter", "base.view_partner_form"})
	require.NoError(t, err)
	for model, views := range map[string][]any{
		"crm.lead": {[]any{ids["crm.crm_lead_view_form"], "form"}, []any{ids["crm.crm_case_tree_view_oppor"], list},
			[]any{ids["crm.crm_case_kanban_view_leads"], "kanban"},
			[]any{ids["crm.view_crm_case_opportunities_filter"], "search"}},
		"res.partner": {[]any{ids["base.view_partner_form"], "form"}},
	} {
		out.WriteString(callAsBrowser(t, r, w, login, model, method, views))
	}
	fields, err := person.FieldsGet(t.Context(), "crm.lead", nil)
	require.NoError(t, err)
	found, err := person.SearchRead(t.Context(), "crm.lead", odoo.Query{Limit: 1,
		Fields: slices.Collect(maps.Keys(fields))})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return out.String()
}

// callAsBrowser signs in with the person's password and calls a method with one argument, as Odoo's pages do. It
// returns the answer as text. Over XML-RPC, 14 cannot answer with its views, because they have empty values.
func callAsBrowser(t *testing.T, r rig, w provision.Workspace, login, model, method string, arg any) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar}
	post := func(path string, params map[string]any) string {
		body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "call", "params": params})
		require.NoError(t, err)
		resp, err := client.Post(r.server.BaseURL()+path, "application/json", bytes.NewReader(body))
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.NotContains(t, string(answer[:min(len(answer), 200)]), `"error"`)
		return string(answer)
	}
	var session struct {
		Result struct {
			Context map[string]any `json:"user_context"` // her language and time zone
		}
	}
	require.NoError(t, json.Unmarshal([]byte(post("/web/session/authenticate",
		map[string]any{"db": w.Database, "login": login, "password": string(personSecret)})), &session))
	return post("/web/dataset/call_kw/"+model+"/"+method, map[string]any{"model": model, "method": method,
		"args": []any{arg}, "kwargs": map[string]any{"context": session.Result.Context}})
}
