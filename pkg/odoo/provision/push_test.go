package provision_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

func testPush(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 112)
	leads := make([]crm.Lead, 250) // more than one batch
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2020%05dA", i), Name: fmt.Sprintf("Company %d <&> Pte Ltd", i),
			Industry:  "software",
			Employees: i, IncorporationYear: 2020, Score: float64(i) / 250, Bucket: "high",
			Rationale: "young & growing"}
	}
	got, err := r.prov.PushLeads(ctx, w, leads)
	require.NoError(t, err)
	require.Equal(t, crm.Pushed{Created: 250}, got)
	got, err = r.prov.PushLeads(ctx, w, leads)
	require.NoError(t, err)
	require.Equal(t, crm.Pushed{Unchanged: 250}, got)

	s, err := r.prov.Session(ctx, w)
	require.NoError(t, err)
	mine := odoo.Query{Domain: odoo.Domain{odoo.Where("x_uen", "=", leads[7].UEN)},
		Fields: []string{"name", "x_industry_norm"}, Archived: true}
	partner, err := s.SearchRead(ctx, "res.partner", mine)
	require.NoError(t, err)
	require.Len(t, partner, 1)
	require.Equal(t, leads[7].Name, partner[0].Text("name"))
	lead, err := s.SearchRead(ctx, "crm.lead", odoo.Query{Domain: odoo.Domain{odoo.Where("partner_id", "=",
		partner[0].ID())},
		Fields: []string{"type", "user_id", "x_pre_sdr_score", "x_pre_sdr_rationale"}})
	require.NoError(t, err)
	require.Len(t, lead, 1)
	require.Equal(t, "lead", lead[0].Text("type"))
	require.Zero(t, lead[0].Int("user_id"), "a new lead has no salesperson")
	require.InDelta(t, leads[7].Score, lead[0].Float("x_pre_sdr_score"), 1e-9)

	// A salesperson renames the company and archives the lead; tomorrow's score changes neither.
	require.NoError(t, s.Write(ctx, "res.partner", []int64{partner[0].ID()}, odoo.Record{"name": "Their name"}, nil))
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{lead[0].ID()}, odoo.Record{"active": false}, nil))
	leads[7].Score, leads[7].Industry = 0.001, ""
	got, err = r.prov.PushLeads(ctx, w, leads[:10])
	require.NoError(t, err)
	require.Equal(t, crm.Pushed{Updated: 1, Unchanged: 9}, got)
	partner, err = s.SearchRead(ctx, "res.partner", mine)
	require.NoError(t, err)
	require.Equal(t, "Their name", partner[0].Text("name"))
	require.Empty(t, partner[0].Text("x_industry_norm"))
	n, err := s.SearchCount(ctx, "crm.lead", odoo.Query{Domain: odoo.Domain{odoo.Where("partner_id", "=",
		partner[0].ID())}})
	require.NoError(t, err)
	require.Zero(t, n, "the archived lead came back")
}

// testPushKeepsSalesChanges checks that a push does not make a lead again that salespeople moved, deleted or merged,
// and that a contact from before gets one lead.
func testPushKeepsSalesChanges(t *testing.T, r rig) {
	ctx := context.Background()
	w := r.provision(t, 117)
	s, err := r.prov.Session(ctx, w)
	require.NoError(t, err)
	leads := make([]crm.Lead, 6)
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2021%05dB", i), Name: fmt.Sprint("Company ", i), Employees: 3,
			Score: 0.25, Bucket: "low", Rationale: "one\ntwo, \"three\""}
	}
	_, err = s.Create(ctx, "res.partner", []odoo.Record{{"name": "Known before", "x_uen": leads[5].UEN}}, nil)
	require.NoError(t, err)
	push := func(want crm.Pushed) {
		t.Helper()
		dry, err := r.prov.CompareLeads(ctx, w, leads)
		require.NoError(t, err)
		require.Equal(t, want, dry)
		got, err := r.prov.PushLeads(ctx, w, leads)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	push(crm.Pushed{Created: 6})
	push(crm.Pushed{Unchanged: 6})
	of := func(i int) []odoo.Record {
		t.Helper()
		partner, err := s.SearchRead(ctx, "res.partner",
			odoo.Query{Domain: odoo.Domain{odoo.Where("x_uen", "=", leads[i].UEN)}, Fields: []string{"name"}})
		require.NoError(t, err)
		require.Len(t, partner, 1)
		if i == 5 {
			require.Equal(t, "Known before", partner[0].Text("name"))
		}
		found, err := s.SearchRead(ctx, "crm.lead",
			odoo.Query{Archived: true, Domain: odoo.Domain{odoo.Where("partner_id", "=", partner[0].ID())},
				Fields: []string{"partner_id", "x_pre_sdr_score", "x_pre_sdr_rationale"}})
		require.NoError(t, err)
		return found
	}
	elsewhere, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "A branch"}}, nil)
	require.NoError(t, err)
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{of(0)[0].ID()}, odoo.Record{"partner_id": elsewhere[0]}, nil))
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{of(1)[0].ID()},
		odoo.Record{"partner_id": of(2)[0].Int("partner_id")}, nil))
	require.NoError(t, s.Unlink(ctx, "crm.lead", []int64{of(3)[0].ID()}))
	require.NoError(t, s.Unlink(ctx, "crm.lead", []int64{of(5)[0].ID()}))
	push(crm.Pushed{Unchanged: 6})
	for i := range leads {
		leads[i].Score = 0.5 + float64(i)/100
	}
	push(crm.Pushed{Updated: 2, Unchanged: 4})
	for i, n := range []int{0, 0, 2, 0, 1, 0} {
		have := of(i)
		require.Len(t, have, n, "company %d", i)
		for _, l := range have {
			require.InDelta(t, leads[i].Score, l.Float("x_pre_sdr_score"), 1e-9)
			require.Equal(t, leads[i].Rationale, l.Text("x_pre_sdr_rationale"))
		}
	}
	n, err := s.SearchCount(ctx, "crm.lead", odoo.Query{Archived: true,
		Domain: odoo.Domain{odoo.Where("x_pre_sdr_bucket", "!=", false)}})
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
}
