package provision_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// ledger is what leadctl remembers of pushed leads, by UEN.
type ledger map[string]crm.Entry

// push pushes the leads and returns how many had each outcome. A dry push before it must say the same.
func (l ledger) push(t *testing.T, r rig, w provision.Workspace, leads []crm.Lead) map[crm.Action]int {
	t.Helper()
	items := make([]crm.Item, len(leads))
	for i, lead := range leads {
		items[i].Lead = lead
		if known, ok := l[lead.UEN]; ok {
			items[i].Known = &known
		}
	}
	count := func(dry bool) map[crm.Action]int {
		outcomes, err := r.prov.PushLeads(context.Background(), w, items, provision.PushOptions{Dry: dry})
		require.NoError(t, err)
		require.Len(t, outcomes, len(leads))
		sum := map[crm.Action]int{}
		for _, o := range outcomes {
			sum[o.Action]++
			if !dry {
				l[o.UEN] = o.Entry
			}
		}
		return sum
	}
	would := count(true)
	did := count(false)
	require.Equal(t, would, did, "a dry push says what a push does")
	return did
}

// contact reads a pushed company's contact.
func (l ledger) contact(t *testing.T, s *odoo.Session, uen string, fields ...string) odoo.Record {
	t.Helper()
	found, err := s.SearchRead(context.Background(), "res.partner", odoo.Query{Fields: fields, Archived: true,
		Domain: odoo.Domain{odoo.Where("id", "=", l[uen].Contact)}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// lead reads a pushed company's lead.
func (l ledger) lead(t *testing.T, s *odoo.Session, uen string, fields ...string) odoo.Record {
	t.Helper()
	found, err := s.SearchRead(context.Background(), "crm.lead", odoo.Query{Fields: fields, Archived: true,
		Domain: odoo.Domain{odoo.Where("id", "=", l[uen].Lead)}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func countRecords(t *testing.T, s *odoo.Session, model string, where ...any) int64 {
	t.Helper()
	n, err := s.SearchCount(context.Background(), model, odoo.Query{Domain: where, Archived: true})
	require.NoError(t, err)
	return n
}

// openCRM provisions a tenant's workspace, prepares its CRM, and opens it as leadctl's account.
func (r rig) openCRM(t *testing.T, id tenantid.ID) (provision.Workspace, *odoo.Session) {
	t.Helper()
	w := r.provision(t, id)
	_, err := r.prov.EnsureFields(t.Context(), w)
	require.NoError(t, err)
	s, err := r.prov.Session(t.Context(), w)
	require.NoError(t, err)
	return w, s
}

func testPush(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 112)
	leads := make([]crm.Lead, crm.BatchSize+50)
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2020%05dA", i), Name: fmt.Sprintf("Company %d <&> Pte Ltd", i),
			Industry: "software", Employees: i, IncorporationYear: 2020, WebsiteDomain: "example.com",
			Score: float64(i) / 250, Bucket: "high", Reasons: []string{"young & growing", "small"}}
	}
	known := ledger{}
	require.Equal(t, map[crm.Action]int{crm.ActionCreated: len(leads)}, known.push(t, r, w, leads))
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: len(leads)}, known.push(t, r, w, leads))
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: len(leads)}, ledger{}.push(t, r, w, leads),
		"a push whose end was not recorded finds its records")

	uen := leads[7].UEN
	contact := known.contact(t, s, uen, "name", "website", "city", "country_id", "x_industry_norm")
	require.Equal(t, leads[7].Name, contact.Text("name"))
	require.Equal(t, "https://example.com", contact.Text("website"))
	require.Equal(t, "Singapore", contact.Text("city"))
	require.NotZero(t, contact.Int("country_id"))
	lead := known.lead(t, s, uen, "type", "user_id", "team_id", "source_id", "priority", "description", "partner_id",
		"x_pre_sdr_score", "x_pre_sdr_rationale")
	require.Equal(t, contact.ID(), lead.Int("partner_id"))
	require.Equal(t, "opportunity", lead.Text("type"))
	require.Zero(t, lead.Int("user_id"), "assigned to no one yet")
	require.NotZero(t, lead.Int("team_id"))
	require.NotZero(t, lead.Int("source_id"))
	require.Equal(t, "3", lead.Text("priority"))
	require.Contains(t, lead.Text("description"), "small")
	require.Equal(t, "young & growing\nsmall", lead.Text("x_pre_sdr_rationale"))
	require.InDelta(t, 2.8, lead.Float("x_pre_sdr_score"), 1e-9, "from 0 to 100")

	// A salesperson renames the company, gives the lead one star, and archives it. A later push keeps that, and writes
	// the rest.
	require.NoError(t, s.Write(ctx, "res.partner", []int64{contact.ID()}, odoo.Record{"name": "Their name"}, nil))
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{lead.ID()},
		odoo.Record{"priority": "1", "active": false}, nil))
	leads[7].Name, leads[7].Score, leads[7].Industry, leads[7].WebsiteDomain = "Renamed", 0.001, "", "example.org"
	leads[7].Bucket, leads[7].Reasons = "medium", []string{"old"}
	require.Equal(t, map[crm.Action]int{crm.ActionUpdated: 1, crm.ActionUnchanged: 9}, known.push(t, r, w, leads[:10]))
	contact = known.contact(t, s, uen, "name", "website", "x_industry_norm")
	require.Equal(t, "Their name", contact.Text("name"))
	require.Equal(t, "https://example.org", contact.Text("website"))
	require.Empty(t, contact.Text("x_industry_norm"))
	lead = known.lead(t, s, uen, "name", "priority", "description", "active", "x_pre_sdr_bucket")
	require.Equal(t, "Renamed", lead.Text("name"), "the lead's name was leadctl's")
	require.Equal(t, "1", lead.Text("priority"))
	require.Contains(t, lead.Text("description"), "old")
	require.Equal(t, "medium", lead.Text("x_pre_sdr_bucket"))
	require.False(t, lead.Bool("active"))
	require.EqualValues(t, len(leads), countRecords(t, s, "crm.lead", odoo.Where("x_pre_sdr_bucket", "!=", false)))
}

// testPushKeepsSalesChanges does to pushed records what salespeople do, and pushes after it: nothing is made twice, and
// nothing that they deleted comes back.
func testPushKeepsSalesChanges(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 117)
	leads := make([]crm.Lead, 8)
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2021%05dB", i), Name: fmt.Sprint("Company ", i), Employees: 3,
			Score: 0.25, Bucket: "low", Reasons: []string{"one", "two, \"three\""}}
	}
	known := ledger{}
	_, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "Known before", "x_uen": leads[5].UEN}}, nil)
	require.NoError(t, err)
	require.Equal(t, map[crm.Action]int{crm.ActionCreated: 8}, known.push(t, r, w, leads))
	require.Equal(t, "Known before", known.contact(t, s, leads[5].UEN, "name").Text("name"))

	branch, err := s.Create(ctx, "res.partner", []odoo.Record{{"name": "A branch"}}, nil)
	require.NoError(t, err)
	at := func(i int) crm.Entry { return known[leads[i].UEN] }
	// 0: the lead moved to a branch. 1: the lead moved to another company's contact.
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{at(0).Lead}, odoo.Record{"partner_id": branch[0]}, nil))
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{at(1).Lead}, odoo.Record{"partner_id": at(2).Contact}, nil))
	// 3, 5: the lead deleted. 4: lead and contact deleted. 6: the number taken away. 7: the contact deleted alone.
	require.NoError(t, s.Unlink(ctx, "crm.lead", []int64{at(3).Lead, at(4).Lead, at(5).Lead}))
	require.NoError(t, s.Unlink(ctx, "res.partner", []int64{at(4).Contact}))
	require.NoError(t, s.Write(ctx, "res.partner", []int64{at(6).Contact}, odoo.Record{"x_uen": false}, nil))
	require.NoError(t, s.Write(ctx, "crm.lead", []int64{at(7).Lead}, odoo.Record{"partner_id": false}, nil))
	require.NoError(t, s.Unlink(ctx, "res.partner", []int64{at(7).Contact}))

	contacts := countRecords(t, s, "res.partner")
	for i := range leads {
		leads[i].Score = 0.5 + float64(i)/100
	}
	require.Equal(t, map[crm.Action]int{crm.ActionUpdated: 5, crm.ActionSkipped: 3}, known.push(t, r, w, leads))
	require.EqualValues(t, 5, countRecords(t, s, "crm.lead", odoo.Where("x_pre_sdr_bucket", "!=", false)))
	require.Equal(t, contacts, countRecords(t, s, "res.partner"))
	for i, deleted := range []bool{false, false, false, true, true, true, false, false} {
		if deleted {
			require.Equal(t, crm.StateDeleted, at(i).State, "company %d", i)
			continue
		}
		require.Equal(t, crm.StatePushed, at(i).State, "company %d", i)
		require.InDelta(t, 50+i, known.lead(t, s, leads[i].UEN, "x_pre_sdr_score").Float("x_pre_sdr_score"), 1e-9)
	}
	require.Equal(t, branch[0], known.lead(t, s, leads[0].UEN, "partner_id").Int("partner_id"))
	require.Empty(t, known.contact(t, s, leads[6].UEN, "x_uen").Text("x_uen"))
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: 5, crm.ActionSkipped: 3}, known.push(t, r, w, leads))
}

// testWithdraw takes back pushed leads in every state that salespeople leave them in, and brings them back.
func testWithdraw(t *testing.T, r rig) {
	ctx := context.Background()
	w, s := r.openCRM(t, 118)
	leads := make([]crm.Lead, 8)
	for i := range leads {
		leads[i] = crm.Lead{UEN: fmt.Sprintf("2022%05dC", i), Name: fmt.Sprint("Company ", i), Score: 0.9,
			Bucket: "high", Reasons: []string{"one"}}
	}
	leads[1].People = []crm.Person{{Name: "Mrs Tan"}}
	known := ledger{}
	known.push(t, r, w, leads)
	at := func(i int) crm.Entry { return known[leads[i].UEN] }
	change := func(i int, values odoo.Record) {
		require.NoError(t, s.Write(ctx, "crm.lead", []int64{at(i).Lead}, values, nil))
	}
	// 0: untouched. 1: her contact has people. 2: taken. 3: renamed. 4: archived by a person. 5: deleted. 6: won.
	// 7: the contact has another lead.
	change(2, odoo.Record{"user_id": s.UID()})
	change(3, odoo.Record{"name": "Their name"})
	change(4, odoo.Record{"active": false})
	require.NoError(t, s.Unlink(ctx, "crm.lead", []int64{at(5).Lead}))
	change(6, odoo.Record{"probability": 100})
	_, err := s.Create(ctx, "crm.lead", []odoo.Record{{"name": "Theirs", "partner_id": at(7).Contact}}, nil)
	require.NoError(t, err)

	require.Equal(t, map[crm.Action]int{crm.ActionWithdrawn: 7, crm.ActionSkipped: 1}, known.withdraw(t, r, w, leads))
	archived := []bool{true, true, false, false, true, false, false, true}
	tagged := []bool{false, false, true, true, false, false, false, false}
	for i := range leads {
		if i == 5 {
			require.Equal(t, crm.StateDeleted, at(i).State)
			continue
		}
		require.Equal(t, crm.StateWithdrawn, at(i).State)
		lead := known.lead(t, s, leads[i].UEN, "active", "tag_ids")
		require.Equal(t, archived[i], !lead.Bool("active"), "lead %d", i)
		require.Equal(t, tagged[i], len(lead.IDs("tag_ids")) == 1, "lead %d", i)
		require.Equal(t, i == 0, !known.contact(t, s, leads[i].UEN, "active").Bool("active"), "contact %d", i)
		notes := countRecords(t, s, "mail.message", odoo.Where("model", "=", "crm.lead"),
			odoo.Where("res_id", "=", at(i).Lead), odoo.Where("body", "like", "left the register"))
		require.Equal(t, i != 4 && i != 6, notes == 1, "note of lead %d", i)
	}

	require.Equal(t, map[crm.Action]int{crm.ActionUpdated: 7, crm.ActionSkipped: 1}, known.push(t, r, w, leads))
	for i := range leads {
		if i == 5 {
			continue
		}
		require.Equal(t, crm.StatePushed, at(i).State)
		lead := known.lead(t, s, leads[i].UEN, "active", "tag_ids", "name")
		require.Equal(t, i != 4, lead.Bool("active"), "lead %d: archived by a person, it stays so", i)
		require.Empty(t, lead.IDs("tag_ids"))
		require.True(t, known.contact(t, s, leads[i].UEN, "active").Bool("active"))
	}
	require.Equal(t, "Their name", known.lead(t, s, leads[3].UEN, "name").Text("name"))
	require.Equal(t, map[crm.Action]int{crm.ActionUnchanged: 7, crm.ActionSkipped: 1}, known.push(t, r, w, leads))
}

// withdraw takes back the leads and returns how many had each outcome. A dry run before it must say the same.
func (l ledger) withdraw(t *testing.T, r rig, w provision.Workspace, leads []crm.Lead) map[crm.Action]int {
	t.Helper()
	items := make([]crm.Withdrawal, len(leads))
	for i, lead := range leads {
		items[i] = crm.Withdrawal{UEN: lead.UEN, Known: l[lead.UEN], Reason: "The company left the register."}
	}
	would, err := r.prov.WithdrawLeads(context.Background(), w, items, true)
	require.NoError(t, err)
	did, err := r.prov.WithdrawLeads(context.Background(), w, items, false)
	require.NoError(t, err)
	require.Equal(t, would, did, "a dry run says what a withdrawal does")
	sum := map[crm.Action]int{}
	for _, o := range did {
		sum[o.Action]++
		l[o.UEN] = o.Entry
	}
	return sum
}
