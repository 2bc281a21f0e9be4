package leads_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// queue is the enqueuing side; nothing works its jobs.
func (w world) queue() *jobs.Client {
	w.t.Helper()
	client, err := jobs.New(w.t.Context(), w.App, jobs.Options{})
	require.NoError(w.t, err)
	return client
}

// work starts a process that works scoring jobs, until the test ends.
func (w world) work() {
	w.t.Helper()
	workers := river.NewWorkers()
	weights := func() (leads.Weights, error) { return leads.DefaultWeights(), nil }
	river.AddWorker(workers, &leads.Worker{DB: w.App, Weights: weights, Log: slog.New(slog.DiscardHandler)})
	client, err := jobs.New(w.t.Context(), w.App, jobs.Options{Workers: workers,
		Queues: map[string]int{leads.JobQueue: 2}})
	require.NoError(w.t, err)
	require.NoError(w.t, client.Start(w.t.Context()))
	w.t.Cleanup(func() { require.NoError(w.t, client.Stop(context.Background())) })
}

func (w world) inSystem(fn func(ctx context.Context, tx postgres.SystemTx) error) {
	w.t.Helper()
	require.NoError(w.t, w.App.InSystem(w.t.Context(), "test", fn))
}

func (w world) request(tenant leads.TenantID) (run leads.Run) {
	w.t.Helper()
	w.inSystem(func(ctx context.Context, tx postgres.SystemTx) (err error) {
		run, err = leads.RequestRun(ctx, tx, w.queue(), tenant, tester)
		return err
	})
	return run
}

func (w world) change(tenant leads.TenantID, name, payload string) {
	w.t.Helper()
	w.inSystem(func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := leads.SetRule(ctx, tx, w.queue(), tenant, name, []byte(payload), tester)
		return err
	})
}

func (w world) follow() (report leads.CompaniesReport) {
	w.t.Helper()
	w.inSystem(func(ctx context.Context, tx postgres.SystemTx) (err error) {
		report, err = leads.FollowRegister(ctx, tx, w.queue(), true)
		return err
	})
	return report
}

// quiet waits until every job has ended.
func (w world) quiet() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return len(w.rows(`SELECT FROM river.river_job WHERE finalized_at IS NULL`)) == 0
	}, time.Minute, 20*time.Millisecond)
}

func (w world) jobs() []string {
	w.t.Helper()
	return w.rows(`SELECT args->>'tenant_id', args->>'run_id' FROM river.river_job ORDER BY id`)
}

func TestARunThatWaitsIsJoined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, int32(1), w.request(1).RunID)
	require.Equal(t, int32(1), w.request(1).RunID)
	w.change(1, "All", `{}`)
	require.Equal(t, int32(1), w.request(2).RunID, "numbers are the tenant's own")
	require.Equal(t, []string{"(1,1)", "(2,1)"}, w.jobs())

	w.exec(`UPDATE river.river_job SET state = 'cancelled', finalized_at = now() WHERE args->>'tenant_id' = '1'`)
	require.Equal(t, int32(1), w.request(1).RunID, "a run whose job was cancelled gets another")
	require.Equal(t, []string{"(1,1)", "(2,1)", "(1,1)"}, w.jobs())

	w.exec(`UPDATE enrichment_runs SET status = 'running' WHERE tenant_id = 1`)
	require.Equal(t, int32(2), w.request(1).RunID, "one that runs may have read the rules already")
}

func TestARunAndItsJobAreCommittedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := leads.SetRule(ctx, tx, w.queue(), 1, "All", []byte(`{}`), tester)
		require.NoError(t, err)
		return fault.New(fault.Conflict, "given up")
	})
	require.Error(t, err)
	require.Empty(t, w.jobs())
	require.Empty(t, w.rows(`SELECT FROM enrichment_runs`))
	require.Empty(t, w.rows(`SELECT FROM icp_rules`))
	err = w.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := leads.SetRule(ctx, tx, w.queue(), 1, "All", []byte(`[]`), tester)
		return err
	})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.Empty(t, w.jobs())
}

func TestJobsScore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.work()
	w.change(1, "All", `{}`)
	w.quiet()
	require.Len(t, w.names(1), 5)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		run, err := leads.GetRun(ctx, tx, 1)
		require.NoError(t, err)
		require.Equal(t, leads.RunDone, run.Status)
		require.NotNil(t, run.EndedAt)
		require.Contains(t, string(run.Counts), `"added": 5`)
		require.Contains(t, string(run.Counts), `"queued_seconds": `)
	})

	// A changed rule is its tenant's affair, a changed register everybody's who may be used.
	w.change(2, "Software", `{"industries":["software"]}`)
	w.quiet()
	require.Equal(t, []string{"(1,1)", "(2,1)"}, w.rows(`SELECT tenant_id, run_id FROM enrichment_runs ORDER BY 1, 2`))
	w.exec(`INSERT INTO tenants (tenant_id, name, status) VALUES (3, 'Gone', 'suspended')`)
	require.Equal(t, leads.CompaniesReport{}, w.follow())
	require.Len(t, w.jobs(), 2, "nothing changed, nothing to do")
	w.stage("202600007G", "GOLF SOFTWARE PTE. LTD.", "Local Company", "Live Company", "2026-01-01", "62011")
	require.Equal(t, int64(1), w.follow().Added)
	w.quiet()
	require.Equal(t, []string{"(1,)", "(2,)"}, w.jobs()[2:])
	require.Contains(t, w.names(1), "GOLF SOFTWARE PTE. LTD.")
	require.Contains(t, w.names(2), "GOLF SOFTWARE PTE. LTD.")
	require.Equal(t, []string{"(1,2,false)", "(2,2,false)"},
		w.rows(`SELECT tenant_id, run_id, counts->>'full' FROM enrichment_runs WHERE run_id > 1 ORDER BY 1`))
}

func TestATenantThatMayNotBeUsedIsNotScored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.change(1, "All", `{}`)
	w.exec(`UPDATE tenants SET status = 'suspended' WHERE tenant_id = 1`)
	w.work()
	w.quiet()
	require.Empty(t, w.rows(`SELECT FROM lead_scores`))
	require.Equal(t, []string{"(failed,t)"}, w.rows(`SELECT status, error LIKE '%suspended%' FROM enrichment_runs`))
	require.Equal(t, []string{"(cancelled)"}, w.rows(`SELECT state FROM river.river_job`))
}

// suspendedWhileScoring: a scoring run that waits for a lock when the tenant is suspended ends, and nothing is scored.
func suspendedWhileScoring(t *testing.T) {
	w := newWorld(t)
	w.register()
	w.change(1, "All", `{}`)
	block, err := w.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = block.Exec(t.Context(), `LOCK TABLE lead_features IN EXCLUSIVE MODE`)
	require.NoError(t, err)
	w.work()
	require.Eventually(t, func() bool { return len(w.rows(`SELECT FROM pg_locks WHERE NOT granted`)) > 0 },
		10*time.Second, 20*time.Millisecond)
	w.exec(`UPDATE tenants SET status = 'suspended' WHERE tenant_id = 1`)
	start := time.Now()
	w.quiet()
	require.Less(t, time.Since(start), 10*time.Second)
	require.NoError(t, block.Rollback(t.Context()))
	require.Empty(t, w.rows(`SELECT FROM lead_scores`))
	require.Equal(t, []string{"(failed,t)"}, w.rows(`SELECT status, error LIKE '%suspended%' FROM enrichment_runs`))
}

func TestWeightsAreRead(t *testing.T) {
	t.Parallel()
	w, err := leads.ParseWeights(nil)
	require.NoError(t, err)
	require.Equal(t, leads.DefaultWeights(), w)
	w, err = leads.ParseWeights([]string{"version=acme-2", "industry=40", "high=0.8"})
	require.NoError(t, err)
	require.Equal(t, "acme-2 40 0.8 15", w.Version+" "+fmt.Sprint(w.Industry)+" "+fmt.Sprint(w.High)+" "+fmt.Sprint(
		w.Age))
	for _, bad := range [][]string{{"industry=40"}, {"version=x", "size=big"}, {"version=x", "colour=1"},
		{"version=x", "age"}, {"version=", "age=1"},
		{"version=x", "age=-1"}, {"version=x", "age=NaN"}, {"version=x", "high=0.1", "medium=0.2"}} {
		_, err := leads.ParseWeights(bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", bad)
	}
}
