package workspace_test

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/odootest"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/workspace"
)

var operator = tenant.By{Actor: "cli:tester", Reason: "ticket 1234"}

// queue returns a client of the job queue that works the ends of visits after Start.
func (r *rig) queue(t *testing.T) *jobs.Client {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &workspace.VisitEndWorker{Workspaces: r.Service})
	client, err := jobs.New(t.Context(), r.DB, jobs.Options{Workers: workers})
	require.NoError(t, err)
	return client
}

// admits reports whether Odoo accepts the visit's password.
func (r *rig) admits(t *testing.T, database string, v workspace.Visit) bool {
	t.Helper()
	_, ok, err := r.server.Authenticate(t.Context(), database, v.Login, v.Password)
	require.NoError(t, err)
	return ok
}

// lines counts the tenant's audit lines of an action.
func (r *rig) lines(t *testing.T, id tenantid.ID, action string) int {
	t.Helper()
	return one[int](t, r, `SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND action = $2`, id, action)
}

// TestVisit: an operator's access begins with a reason, an audit line and a job, and its password is stored nowhere. It
// ends by the command, by the job when it is due, and with the suspension or deletion of the tenant.
func TestVisit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	queue := r.queue(t)
	open := func() workspace.Visit {
		t.Helper()
		v, err := r.OpenVisit(t.Context(), queue, id, operator)
		require.NoError(t, err)
		require.True(t, r.admits(t, w.Database, v))
		return v
	}
	_, err := r.OpenVisit(t.Context(), queue, id, tenant.By{Actor: "cli:tester", Reason: " "})
	require.Equal(t, fault.Invalid, fault.KindOf(err))

	first := open()
	require.Equal(t, r.BaseURL+"/web/login?db="+w.Database+"&login="+first.Login, first.URL)
	require.WithinDuration(t, time.Now().Add(time.Hour), first.Until, time.Minute)
	require.Equal(t, "ticket 1234", one[string](t, r, `SELECT detail->>'reason' FROM audit_log
		WHERE tenant_id = $1 AND action = 'odoo.open'`, id))
	require.Zero(t, one[int](t, r, `SELECT (SELECT count(*) FROM audit_log a WHERE a::text LIKE $1)
		+ (SELECT count(*) FROM river.river_job j WHERE j::text LIKE $1)
		+ (SELECT count(*) FROM odoo_connections o WHERE o::text LIKE $1)`, "%"+string(first.Password)+"%"))

	second := open()
	require.False(t, r.admits(t, w.Database, first), "the second visit has another password")
	ended, err := r.EndVisit(t.Context(), id, operator)
	require.NoError(t, err)
	require.True(t, ended)
	require.False(t, r.admits(t, w.Database, second))
	ended, err = r.EndVisit(t.Context(), id, operator)
	require.NoError(t, err)
	require.False(t, ended)
	require.Equal(t, 1, r.lines(t, id, "odoo.open.end"), "no line without an end")

	third := open()
	r.exec(t, `UPDATE tenants SET status = 'suspended' WHERE tenant_id = $1`, id)
	_, err = r.OpenVisit(t.Context(), queue, id, operator)
	require.Equal(t, "TENANT_SUSPENDED", fault.Code(err))
	require.NoError(t, r.SyncAccess(t.Context(), id, ""))
	require.False(t, r.admits(t, w.Database, third))
	r.exec(t, `UPDATE tenants SET status = 'active' WHERE tenant_id = $1`, id)
	require.NoError(t, r.SyncAccess(t.Context(), id, ""))
	require.False(t, r.admits(t, w.Database, third), "a resumed tenant gets its people back, not the operator")

	fourth := open()
	_, err = r.Close(t.Context(), id, workspace.Keep, tester)
	require.NoError(t, err)
	require.False(t, r.admits(t, w.Database, fourth))
}

// TestVisitEndsByItself: the job ends the visit when it is due, and not a later visit. It tries again while Odoo is
// down.
func TestVisitEndsByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	queue := r.queue(t)
	early, err := r.OpenVisit(t.Context(), queue, id, operator)
	require.NoError(t, err)
	time.Sleep(time.Until(early.Until.Add(-time.Hour).Add(time.Second))) // ends of visits have whole seconds
	late, err := r.OpenVisit(t.Context(), queue, id, operator)
	require.NoError(t, err)
	require.True(t, late.Until.After(early.Until))
	due := func(v workspace.Visit) {
		t.Helper()
		r.exec(t, `UPDATE river.river_job SET scheduled_at = now() WHERE id = $1`, v.Job)
	}
	state := func(v workspace.Visit) string {
		return one[string](t, r, `SELECT state::text FROM river.river_job WHERE id = $1`, v.Job)
	}
	require.Equal(t, "scheduled", state(early))
	require.NoError(t, queue.Start(t.Context()))
	defer func() { require.NoError(t, queue.Stop(context.WithoutCancel(t.Context()))) }()
	due(early)
	require.Eventually(t, func() bool { return state(early) == "completed" }, 30*time.Second, 50*time.Millisecond)
	require.True(t, r.admits(t, w.Database, late))

	r.stand.Inject(odootest.Fault{Op: "*", Do: odootest.Reset})
	due(late)
	require.Eventually(t, func() bool { return state(late) == "retryable" }, 30*time.Second, 50*time.Millisecond)
	r.stand.Heal()
	require.Eventually(t, func() bool { return state(late) == "completed" }, 30*time.Second, 50*time.Millisecond)
	require.False(t, r.admits(t, w.Database, late))
	require.Equal(t, 1, r.lines(t, id, "odoo.open.end"))
}

// TestVisitWithoutAuditLine: when the audit line cannot be written, no access is left.
func TestVisitWithoutAuditLine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, w := r.tenant(t, "Acme")
	r.exec(t, `ALTER TABLE audit_log ADD CONSTRAINT none CHECK (action <> 'odoo.open')`)
	_, err := r.OpenVisit(t.Context(), r.queue(t), id, operator)
	require.Error(t, err)
	require.Zero(t, one[int](t, r, `SELECT count(*) FROM river.river_job`))
	left, err := r.session(t, id).SearchRead(t.Context(), "res.users", odoo.Query{Fields: []string{"active"},
		Archived: true, Domain: odoo.Domain{odoo.Where("login", "=", "leadctl-operator-t"+id.String())}})
	require.NoError(t, err)
	require.Len(t, left, 1, w.Database)
	require.False(t, left[0].Bool("active"))
}
