package workspace_test

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// closeLead writes on the lead of the company called name what Odoo's buttons write.
func (r *rig) closeLead(t *testing.T, id tenantid.ID, name string, values odoo.Record) {
	t.Helper()
	s := r.session(t, id)
	found, err := s.SearchRead(t.Context(), "crm.lead", odoo.Query{Fields: []string{"name"}, Archived: true,
		Domain: odoo.Domain{odoo.Where("name", "=", name)}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NoError(t, s.Write(t.Context(), "crm.lead", odoo.IDsOf(found), values, nil))
}

func (r *rig) lostReason(t *testing.T, id tenantid.ID) int64 {
	t.Helper()
	found, err := r.session(t, id).SearchRead(t.Context(), "crm.lost.reason", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{odoo.Where("name", "=", "Not a fit")}})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0].ID()
}

func (r *rig) feedback(t *testing.T, id tenantid.ID) workspace.FeedbackCounts {
	t.Helper()
	sum, err := r.Feedback(t.Context(), id, tester)
	require.NoError(t, err)
	sum.Read = 0
	return sum
}

// TestFeedbackComesBack: won, lost and "Not a fit" are stored once, a reopened lead is open again, and a company that
// is not a fit is not pushed again, not even when the records of pushes are gone.
func TestFeedbackComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	other, _ := r.tenant(t, "Other")
	r.scored(t, id, 10)
	r.push(t, id, workspace.PushOptions{})
	require.Zero(t, r.feedback(t, id), "open leads are no news")

	r.closeLead(t, id, "Company 10", odoo.Record{"probability": 100})
	r.closeLead(t, id, "Company 9", odoo.Record{"probability": 0, "active": false})
	fit := odoo.Record{"probability": 0, "active": false, "lost_reason_id": r.lostReason(t, id)}
	r.closeLead(t, id, "Company 8", fit)
	r.closeLead(t, id, "Company 1", odoo.Record{"probability": 0, "active": false})
	require.Equal(t, workspace.FeedbackCounts{Won: 1, Lost: 2, NotAFit: 1}, r.feedback(t, id))
	require.Zero(t, r.feedback(t, id), "nothing changed since")
	require.Equal(t, 4, one[int](t, r, `SELECT count(*) FROM lead_outcomes WHERE tenant_id = $1`, id))
	require.Equal(t, "Not a fit", one[string](t, r, `SELECT lost_reason FROM lead_outcomes
		WHERE outcome = 'not_a_fit'`))
	require.Equal(t, 1, one[int](t, r, `SELECT count(*) FROM audit_log WHERE action = 'odoo.feedback'`))
	require.Zero(t, r.feedback(t, other))

	rate := func(v float64) *float64 { return &v }
	want := []leads.ReportLine{
		{By: "bucket", Name: "high", Pushed: 5, Won: 1, Lost: 1, NotAFit: 1, Open: 2, WonRate: rate(0.333)},
		{By: "bucket", Name: "low", Pushed: 5, Lost: 1, Open: 4, WonRate: rate(0)},
		{By: "rule", Name: "none", Pushed: 10, Won: 1, Lost: 2, NotAFit: 1, Open: 6, WonRate: rate(0.25)},
	}
	require.NoError(t, r.DB.ReadTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
		lines, err := leads.Report(ctx, tx)
		require.Equal(t, want, lines)
		return err
	}))

	r.exec(t, `UPDATE lead_scores SET rationale = 'for another reason'`)
	require.EqualValues(t, 9, r.push(t, id, workspace.PushOptions{}).Leads, "one is not a fit")
	r.exec(t, `DELETE FROM pushed_leads WHERE company_id = (SELECT company_id FROM lead_outcomes
		WHERE outcome = 'not_a_fit')`)
	require.EqualValues(t, 9, r.push(t, id, workspace.PushOptions{Again: true}).Leads)

	r.closeLead(t, id, "Company 10", odoo.Record{"probability": 40})
	require.Equal(t, workspace.FeedbackCounts{Open: 1}, r.feedback(t, id), "reopened")
}

// TestFeedbackJob: each period has one job per tenant with a workspace, however many processes add it.
func TestFeedbackJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.tenant(t, "Acme")
	r.exec(t, `INSERT INTO tenants (name) VALUES ('No workspace')`)
	r.scored(t, id, 2)
	r.push(t, id, workspace.PushOptions{})
	r.closeLead(t, id, "Company 2", odoo.Record{"probability": 100})
	workers := river.NewWorkers()
	river.AddWorker(workers, &workspace.FeedbackWorker{Workspaces: r.Service})
	client, err := jobs.New(t.Context(), r.DB, jobs.Options{Workers: workers,
		Queues: map[string]int{workspace.PushQueue: 1}})
	require.NoError(t, err)
	for range 2 {
		r.inSystem(t, func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := workspace.EnqueueFeedback(ctx, tx, client)
			return err
		})
	}
	require.Equal(t, 1, one[int](t, r, `SELECT count(*) FROM river.river_job`))
	require.NoError(t, client.Start(t.Context()))
	defer func() { require.NoError(t, client.Stop(context.WithoutCancel(t.Context()))) }()
	require.Eventually(t, func() bool {
		return one[int](t, r, `SELECT count(*) FROM lead_outcomes WHERE outcome = 'won'`) == 1
	}, 30*time.Second, 50*time.Millisecond)
}
