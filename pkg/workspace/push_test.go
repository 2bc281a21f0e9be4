package workspace_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/odoo/provision"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// scored inserts n scored leads for the tenant: lead i has score i/n, and bucket high above a half.
func (r *rig) scored(t *testing.T, id tenantid.ID, n int) {
	t.Helper()
	r.exec(t, `WITH c AS (INSERT INTO companies (uen, name, industry_norm, incorporation_year)
			SELECT format('T%sU%s', $1::int, i), 'Company ' || i, 'software', 2001 FROM generate_series(1, $2::int) i
			RETURNING company_id, uen),
		f AS (INSERT INTO lead_features (tenant_id, company_id, features, source)
			SELECT $1::int, company_id, '{"industry": 1}', 'leadctl' FROM c)
		INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale, source)
		SELECT $1::int, company_id, i::float8 / $2::int,
			CASE WHEN i * 2 > $2::int THEN 'high' ELSE 'low' END, 'because', 'leadctl'
		FROM (SELECT company_id, split_part(uen, 'U', 2)::int AS i FROM c) x`, id, n)
}

func (r *rig) push(t *testing.T, id tenantid.ID, opts workspace.PushOptions) workspace.Pushed {
	t.Helper()
	sum, err := r.Push(t.Context(), id, opts, tester, func(workspace.Pushed) {})
	require.NoError(t, err)
	return sum
}

// written counts the operations do on a model in Odoo's ledger.
func (r *rig) written(do, model string) (n int) {
	for _, e := range r.stand.Ledger() {
		if e.Do == do && e.Model == model {
			n++
		}
	}
	return n
}

func (r *rig) session(t *testing.T, id tenantid.ID) *odoo.Session {
	t.Helper()
	w, err := r.Current(t.Context(), id)
	require.NoError(t, err)
	s, err := r.Odoo.Session(t.Context(), w)
	require.NoError(t, err)
	return s
}

func TestPushCreatesUpdatesAndSkips(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 450)
	effects := len(r.stand.Ledger())
	dry := r.push(t, id, workspace.PushOptions{DryRun: true})
	require.Equal(t, workspace.Pushed{Leads: 450, Created: 450, Reasons: []string{}}, dry)
	require.Len(t, r.stand.Ledger(), effects, "a dry run writes nothing")

	require.Equal(t, workspace.Pushed{Leads: 10, Created: 10, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{Limit: new(10)}))
	top, err := r.session(t, id).SearchRead(t.Context(), "crm.lead", odoo.Query{Fields: []string{"x_pre_sdr_score"}})
	require.NoError(t, err)
	for _, lead := range top {
		require.Greater(t, lead.Float("x_pre_sdr_score"), 44050.0/450, "the best ones")
	}
	require.Equal(t, workspace.Pushed{Leads: 225, Created: 215, Unchanged: 10, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{Bucket: "high"}))
	require.Equal(t, workspace.Pushed{Leads: 450, Created: 225, Unchanged: 225, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))

	effects = len(r.stand.Ledger())
	require.Equal(t, workspace.Pushed{Leads: 450, Unchanged: 450, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))
	require.Len(t, r.stand.Ledger(), effects, "a second push writes nothing")

	r.exec(t, `UPDATE lead_scores SET rationale = 'for another reason' WHERE score > 0.99`)
	require.EqualValues(t, 5, r.push(t, id, workspace.PushOptions{}).Updated)
	_, err = r.Push(t.Context(), id, workspace.PushOptions{Bucket: "best"}, tester, func(workspace.Pushed) {})
	require.True(t, fault.Is(err, fault.Invalid))
	r.exec(t, `INSERT INTO tenants (tenant_id, name) VALUES (77, 'No leads')`)
	_, err = r.Push(t.Context(), 77, workspace.PushOptions{}, tester, func(workspace.Pushed) {})
	require.NoError(t, err, "a tenant without leads has nothing to push")
}

// A push does not overwrite what salespeople change: name, stage and contact.
func TestPushKeepsWhatSalespeopleChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 1)
	r.push(t, id, workspace.PushOptions{})
	s := r.session(t, id)
	found, err := s.SearchRead(t.Context(), "crm.lead", odoo.Query{Fields: []string{"partner_id"}})
	require.NoError(t, err)
	theirs := odoo.Record{"name": "Call back on Monday", "type": "opportunity", "email_from": "boss@company.example",
		"phone": "+65 1", "user_id": s.UID()}
	require.NoError(t, s.Write(t.Context(), "crm.lead", []int64{found[0].ID()}, theirs, nil))
	require.NoError(t, s.Write(t.Context(), "res.partner", []int64{found[0].Int("partner_id")},
		odoo.Record{"name": "Company One (Mrs Tan)", "email": "tan@company.example"}, nil))

	r.exec(t, `UPDATE lead_scores SET score = 0.7, rationale = 'new rationale'`)
	r.exec(t, `UPDATE companies SET industry_norm = 'shipping', name = 'COMPANY 1 PTE LTD'`)
	require.EqualValues(t, 1, r.push(t, id, workspace.PushOptions{}).Updated)
	lead, err := s.SearchRead(t.Context(), "crm.lead",
		odoo.Query{Fields: []string{"name", "type", "email_from", "phone", "x_pre_sdr_score", "x_pre_sdr_rationale"}})
	require.NoError(t, err)
	require.Len(t, lead, 1)
	require.Equal(t, []string{"Call back on Monday", "opportunity", "boss@company.example", "+65 1", "new rationale"},
		[]string{lead[0].Text("name"), lead[0].Text("type"), lead[0].Text("email_from"), lead[0].Text("phone"),
			lead[0].Text("x_pre_sdr_rationale")})
	require.InDelta(t, 70, lead[0].Float("x_pre_sdr_score"), 1e-9)
	partner, err := s.Read(t.Context(), "res.partner", []int64{found[0].Int("partner_id")},
		[]string{"name", "email", "x_industry_norm"})
	require.NoError(t, err)
	require.Equal(t, []string{"Company One (Mrs Tan)", "tan@company.example", "shipping"},
		[]string{partner[0].Text("name"), partner[0].Text("email"), partner[0].Text("x_industry_norm")})
}

// A push that is interrupted at any call creates each lead once when it is continued.
func TestAnInterruptedPushContinues(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 30
	for cut := 0; ; cut++ {
		id, w := r.tenant(t, fmt.Sprint("Tenant ", cut))
		r.scored(t, id, n)
		r.stand.Inject(odootest.Fault{Op: "*", Database: w.Database, Skip: cut, Times: 1, Do: odootest.Reset,
			Execute: true})
		_, err := r.restarted(t).Push(t.Context(), id, workspace.PushOptions{}, tester, func(workspace.Pushed) {})
		if err == nil {
			require.Greater(t, cut, 2)
			return
		}
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		sum := r.push(t, id, workspace.PushOptions{})
		require.EqualValues(t, n, sum.Created+sum.Unchanged)
		for _, model := range []string{"crm.lead", "res.partner"} {
			query := odoo.Query{Archived: true}
			if model == "res.partner" {
				query.Domain = odoo.Domain{odoo.Where("x_uen", "!=", false)}
			}
			have, err := r.session(t, id).SearchCount(t.Context(), model, query)
			require.NoError(t, err)
			require.EqualValues(t, n, have, "%s, interrupted at call %d", model, cut)
		}
	}
}

// A push leaves out and reports a lead that Odoo refuses, and pushes the others.
func TestPushLeavesOutARefusedLead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 20)
	r.exec(t, `UPDATE companies SET uen = NULL WHERE name = 'Company 3'`)
	// Five refusals: of 19, 9, 4 and 2 companies, and of the single one.
	r.stand.Inject(odootest.Fault{Op: "res.partner.create", Times: 5, Do: odootest.Refuse, Code: 2,
		Text: "CANARY of an upstream"})
	sum := r.push(t, id, workspace.PushOptions{})
	require.EqualValues(t, 20, sum.Leads)
	require.EqualValues(t, 2, sum.Failed)
	require.EqualValues(t, 18, sum.Created+sum.Unchanged)
	require.Len(t, sum.Reasons, 2)
	require.NotContains(t, fmt.Sprint(sum.Reasons), "CANARY")
	require.EqualValues(t, 1, r.push(t, id, workspace.PushOptions{}).Created, "the next push retries the refused lead")
}

// A second push of a tenant is a Conflict while one runs, and a rotation of the secret does not stop a push.
func TestOnePushAtATime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 250)
	busy := 0
	sum, err := r.Push(t.Context(), id, workspace.PushOptions{}, tester, func(workspace.Pushed) {
		_, err := r.restarted(t).Push(t.Context(), id, workspace.PushOptions{}, tester, func(workspace.Pushed) {})
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
		busy++
		require.NoError(t, r.Rotate(t.Context(), id, tester))
	})
	require.NoError(t, err)
	require.Equal(t, 2, busy)
	require.EqualValues(t, 250, sum.Created)
	require.Equal(t, 250, r.written("create", "crm.lead"))
}

// The job that follows a scoring, for a tenant with a workspace and for one without.
func TestPushJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 3)
	r.exec(t, `INSERT INTO tenants (name) VALUES ('No workspace')`)
	r.scored(t, 2, 3)
	workers := river.NewWorkers()
	river.AddWorker(workers, &workspace.PushWorker{Workspaces: r.Service})
	client, err := jobs.New(t.Context(), r.DB, jobs.Options{Workers: workers,
		Queues: map[string]int{workspace.PushQueue: 2}})
	require.NoError(t, err)
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		for _, tenant := range []tenantid.ID{id, id, 2} {
			if _, _, err := client.Enqueue(ctx, tx, workspace.PushArgs{Tenant: tenant}); err != nil {
				return err
			}
		}
		return nil
	})
	require.Equal(t, 2, one[int](t, r, `SELECT count(*) FROM river.river_job`), "one per tenant")
	require.NoError(t, client.Start(t.Context()))
	defer func() { require.NoError(t, client.Stop(context.WithoutCancel(t.Context()))) }()
	require.Eventually(t, func() bool {
		return one[int](t, r, `SELECT count(*) FROM river.river_job WHERE state = 'completed'`) == 2
	}, 30*time.Second, 50*time.Millisecond)
	require.Equal(t, 3, r.written("create", "crm.lead"))
}

// TestPushCallsOdooOnlyForChanges: an unchanged lead costs no call, and one that a person deleted comes back only when
// it is asked for.
func TestPushCallsOdooOnlyForChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 250)
	r.exec(t, `INSERT INTO tenant_contacts (tenant_id, company_id, name, title, email)
		SELECT $1::int, company_id, 'Mrs Tan', 'Director', 'tan@company.example'
		FROM companies WHERE uen = 'T1U250'`, id)
	r.push(t, id, workspace.PushOptions{})
	calls := len(r.stand.Calls())
	require.EqualValues(t, 250, r.push(t, id, workspace.PushOptions{}).Unchanged)
	require.Len(t, r.stand.Calls(), calls)

	s := r.session(t, id)
	found, err := s.SearchRead(t.Context(), "crm.lead", odoo.Query{Fields: []string{"partner_id"},
		Domain: odoo.Domain{odoo.Where("x_pre_sdr_score", "=", 100)}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	people, err := s.SearchRead(t.Context(), "res.partner", odoo.Query{
		Fields: []string{"name", "function", "email"},
		Domain: odoo.Domain{odoo.Where("parent_id", "=", found[0].Int("partner_id"))}})
	require.NoError(t, err)
	require.Len(t, people, 1)
	require.Equal(t, "Mrs Tan, Director, tan@company.example",
		people[0].Text("name")+", "+people[0].Text("function")+", "+people[0].Text("email"))

	require.NoError(t, s.Unlink(t.Context(), "crm.lead", odoo.IDsOf(found)))
	r.exec(t, `UPDATE lead_scores SET rationale = 'new' WHERE score = 1`)
	require.Equal(t, workspace.Pushed{Leads: 250, Unchanged: 249, Skipped: 1, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))
	require.EqualValues(t, 1, r.push(t, id, workspace.PushOptions{}).Skipped)
	require.Equal(t, workspace.Pushed{Leads: 250, Created: 1, Unchanged: 249, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{Again: true}))
	require.Equal(t, 251, r.written("create", "crm.lead"))
}

// TestPushWithdraws: what no longer fits is archived with the reason, and comes back when it fits again. A second push
// costs nothing.
func TestPushWithdraws(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 10)
	r.push(t, id, workspace.PushOptions{})
	r.exec(t, `UPDATE companies SET live = false, entity_status = 'Struck Off' WHERE name = 'Company 3'`)
	r.exec(t, `CREATE TABLE removed AS SELECT * FROM lead_scores WHERE score < 0.4`)
	r.exec(t, `DELETE FROM lead_scores WHERE score < 0.4`)

	require.EqualValues(t, 3, r.push(t, id, workspace.PushOptions{DryRun: true}).Withdrawn)
	require.Equal(t, workspace.Pushed{Leads: 7, Unchanged: 7, Withdrawn: 3, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))
	s := r.session(t, id)
	shown, err := s.SearchCount(t.Context(), "crm.lead", odoo.Query{})
	require.NoError(t, err)
	require.EqualValues(t, 7, shown)
	notes, err := s.SearchRead(t.Context(), "mail.message", odoo.Query{Fields: []string{"body"}, Order: "id"})
	require.NoError(t, err)
	require.Len(t, notes, 3)
	require.Contains(t, fmt.Sprint(notes), "Its status in the register: Struck Off.")
	require.Contains(t, fmt.Sprint(notes), "no longer fits the profiles")

	calls := len(r.stand.Calls())
	require.Zero(t, r.push(t, id, workspace.PushOptions{}).Withdrawn)
	require.Len(t, r.stand.Calls(), calls)
	r.exec(t, `INSERT INTO lead_scores SELECT * FROM removed`)
	require.Equal(t, workspace.Pushed{Leads: 10, Updated: 3, Unchanged: 7, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))
	shown, err = s.SearchCount(t.Context(), "crm.lead", odoo.Query{})
	require.NoError(t, err)
	require.EqualValues(t, 10, shown)
}

// TestPushPolicy: the CRM never has more leads than the tenant's policy allows, whatever salespeople do with them.
func TestPushPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 20)
	set := func(c workspace.PolicyChange) workspace.PushPolicy {
		policy, err := r.SetPolicy(t.Context(), id, c, tester)
		require.NoError(t, err)
		return policy
	}
	shown := func() (n int64) {
		n, err := r.session(t, id).SearchCount(t.Context(), "crm.lead", odoo.Query{})
		require.NoError(t, err)
		return n
	}
	most := 5
	require.Equal(t, workspace.PushPolicy{Buckets: []string{"high"}, MaxLeads: 5, WhenFull: workspace.Wait,
		Assign: crm.AssignNone},
		set(workspace.PolicyChange{Buckets: []string{"high"}, MaxLeads: &most}))
	require.Equal(t, workspace.Pushed{Leads: 5, Created: 5, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))

	// Three better companies wait. The five that are there still get what changes.
	r.exec(t, `UPDATE lead_scores SET score = score + 1 WHERE score BETWEEN 0.6 AND 0.71`)
	r.exec(t, `UPDATE lead_scores SET rationale = 'new' WHERE score BETWEEN 0.79 AND 0.86`)
	require.Equal(t, workspace.Pushed{Leads: 8, Updated: 2, Unchanged: 3, Waiting: 3, Reasons: []string{}},
		r.push(t, id, workspace.PushOptions{}))
	require.EqualValues(t, 5, shown())

	// One that a person deletes makes room for the best that waits.
	s := r.session(t, id)
	leadOf := func(company string) []int64 {
		found, err := s.SearchRead(t.Context(), "crm.lead", odoo.Query{Fields: []string{"name"},
			Domain: odoo.Domain{odoo.Where("name", "=", company)}})
		require.NoError(t, err)
		require.Len(t, found, 1)
		return odoo.IDsOf(found)
	}
	require.NoError(t, s.Unlink(t.Context(), "crm.lead", leadOf("Company 20")))
	r.exec(t, `UPDATE lead_scores SET rationale = 'newer' WHERE score = 1`)
	r.push(t, id, workspace.PushOptions{})
	sum := r.push(t, id, workspace.PushOptions{})
	require.EqualValues(t, 1, sum.Created)
	require.EqualValues(t, 5, shown())

	// Replace: the best five are there, and one that a person works on.
	taken := odoo.Record{"user_id": s.UID()}
	require.NoError(t, s.Write(t.Context(), "crm.lead", leadOf("Company 16"), taken, nil))
	replace := workspace.Replace
	set(workspace.PolicyChange{WhenFull: &replace})
	r.push(t, id, workspace.PushOptions{})
	require.EqualValues(t, 6, shown())

	paused := true
	set(workspace.PolicyChange{Paused: &paused})
	_, err := r.Push(t.Context(), id, workspace.PushOptions{}, tester, func(workspace.Pushed) {})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	worse := -1
	for _, c := range []workspace.PolicyChange{{Buckets: []string{"best"}}, {MaxLeads: &worse}} {
		_, err = r.SetPolicy(t.Context(), id, c, tester)
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	}
}

// TestRemovedFieldsComeBack: without leadctl's fields the workspace gets them, and what they held, with the next push.
// People have the rights of their roles again.
func TestRemovedFieldsComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	_, err := r.Odoo.EnsureFields(t.Context(), w)
	require.NoError(t, err)
	const email = "viewer@acme.example"
	r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.AddMember(ctx, tx, id, email, []string{"viewer"}, tester)
	})
	_, err = r.EnsureUsers(t.Context(), w, []tenant.Member{{TenantID: id, UserID: email}})
	require.NoError(t, err)
	r.scored(t, id, 3)
	r.exec(t, `UPDATE companies SET registered_street = '10 ANSON ROAD', registered_postal_code = '079903'`)
	r.push(t, id, workspace.PushOptions{})
	filled := odoo.Query{Domain: odoo.Domain{odoo.Where("x_uen", "!=", false), odoo.Where("zip", "=", "079903"),
		odoo.Where("street", "=", "10 ANSON ROAD")}}
	count := func() int64 {
		n, err := r.session(t, id).SearchCount(t.Context(), "res.partner", filled)
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 3, count())

	effects := len(r.stand.Ledger())
	would, err := r.RemoveFields(t.Context(), id, true, tester)
	require.NoError(t, err)
	require.Len(t, r.stand.Ledger(), effects, "a dry run deletes nothing")
	gone, err := r.RemoveFields(t.Context(), id, false, tester)
	require.NoError(t, err)
	require.Equal(t, would, gone)
	gone, err = r.RemoveFields(t.Context(), id, false, tester)
	require.NoError(t, err)
	require.Empty(t, gone)
	require.Equal(t, 1, one[int](t, r, `SELECT count(*) FROM audit_log WHERE action = 'odoo.fields.remove'`))
	_, err = r.Feedback(t.Context(), id, tester)
	require.NoError(t, err)

	require.EqualValues(t, 3, r.push(t, id, workspace.PushOptions{}).Updated)
	require.EqualValues(t, 3, count())
	r.requireRole(t, w, email, crm.RoleViewer)
	require.EqualValues(t, 3, r.push(t, id, workspace.PushOptions{}).Unchanged)
}

// TestPushedPeopleFollow: a person who is found or changed after the lead was pushed follows with the next push.
func TestPushedPeopleFollow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.scored(t, id, 2)
	r.push(t, id, workspace.PushOptions{})
	r.exec(t, `INSERT INTO tenant_contacts (tenant_id, company_id, name) SELECT $1::int, company_id, 'Mrs Tan'
		FROM companies WHERE name = 'Company 1'`, id)
	require.EqualValues(t, 1, r.push(t, id, workspace.PushOptions{}).Updated)
	r.exec(t, `UPDATE tenant_contacts SET phone = '+65 6000 0001'`)
	require.EqualValues(t, 1, r.push(t, id, workspace.PushOptions{}).Updated)
	require.EqualValues(t, 2, r.push(t, id, workspace.PushOptions{}).Unchanged)
	people, err := r.session(t, id).SearchRead(t.Context(), "res.partner", odoo.Query{Fields: []string{"name", "phone"},
		Domain: odoo.Domain{odoo.Where("parent_id", "!=", false)}})
	require.NoError(t, err)
	require.Len(t, people, 1)
	require.Equal(t, "Mrs Tan, +65 6000 0001", people[0].Text("name")+", "+people[0].Text("phone"))
}

// TestNewLeadsAreAssigned: the tenant's policy, or else the installation's setting, says to whom new leads belong.
func TestNewLeadsAreAssigned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	for _, name := range []string{"ann", "bea"} {
		_, err := r.Odoo.EnsureUser(t.Context(), w, provision.User{Email: name + "@acme.example", Role: crm.RoleOps})
		require.NoError(t, err)
	}
	r.scored(t, id, 6)
	assigned := func() int64 {
		n, err := r.session(t, id).SearchCount(t.Context(), "crm.lead",
			odoo.Query{Domain: odoo.Domain{odoo.Where("user_id", "!=", false)}})
		require.NoError(t, err)
		return n
	}
	r.push(t, id, workspace.PushOptions{Limit: new(2)})
	require.Zero(t, assigned())
	r.Defaults.Assign = crm.AssignRoundRobin
	r.push(t, id, workspace.PushOptions{Limit: new(4)})
	require.EqualValues(t, 2, assigned())
	none := crm.AssignNone
	policy, err := r.SetPolicy(t.Context(), id, workspace.PolicyChange{Assign: &none}, tester)
	require.NoError(t, err)
	require.Equal(t, crm.AssignNone, policy.Assign)
	r.push(t, id, workspace.PushOptions{})
	require.EqualValues(t, 2, assigned())
	wrong := crm.Assign("best")
	_, err = r.SetPolicy(t.Context(), id, workspace.PolicyChange{Assign: &wrong}, tester)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
}
