package leads_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func TestRunsOfOneTenantFollowEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	var wait sync.WaitGroup
	added := make([]int64, 4)
	for i := range added {
		wait.Go(func() {
			err := w.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
				report, err := leads.Score(ctx, tx, leads.ScoreOptions{}, tester)
				added[i] = report.Added
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.ElementsMatch(t, []int64{5, 0, 0, 0}, added)
	require.Equal(t, []string{"(1,done)", "(2,done)", "(3,done)", "(4,done)"},
		w.rows(`SELECT run_id, status FROM enrichment_runs ORDER BY 1`))
}

// A change of a rule does not wait for a long scoring.
func TestRulesCanBeEditedWhileScoring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	var run leads.Run
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		var err error
		run, err = leads.StartRun(ctx, tx)
		require.NoError(t, err)
	})
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.Score(ctx, tx, leads.ScoreOptions{RunID: run.RunID}, tester)
		require.NoError(t, err)
		w.rule(1, "Meanwhile", `{"keywords":["x"]}`) // in a transaction of its own
	})
	require.True(t, w.score(1, leads.ScoreOptions{}).Full, "the new rule counts from the next run on")
}

func TestRunIsKeptFromAskingToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	var asked leads.Run
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		var err error
		asked, err = leads.StartRun(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, leads.RunQueued, asked.Status)
	})
	require.Equal(t, asked.RunID, w.score(1, leads.ScoreOptions{RunID: asked.RunID}).RunID)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		require.NoError(t, leads.FailRun(ctx, tx, asked.RunID, "too late"))
		done, err := leads.GetRun(ctx, tx, asked.RunID)
		require.NoError(t, err)
		require.Equal(t, leads.RunDone, done.Status, "a run that is done does not fail afterwards")
		require.NotNil(t, done.EndedAt)
		second, err := leads.StartRun(ctx, tx)
		require.NoError(t, err)
		require.NoError(t, leads.FailRun(ctx, tx, second.RunID, "no database"))
		failed, err := leads.GetRun(ctx, tx, second.RunID)
		require.NoError(t, err)
		require.Equal(t, "no database", *failed.Error)
		_, err = leads.GetRun(ctx, tx, 99)
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	})
	w.as(2, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.GetRun(ctx, tx, asked.RunID)
		require.Equal(t, fault.NotFound, fault.KindOf(err), "another tenant's run")
		_, err = leads.Score(ctx, tx, leads.ScoreOptions{RunID: asked.RunID}, tester)
		require.Equal(t, fault.NotFound, fault.KindOf(err), "another tenant's run")
	})
}
