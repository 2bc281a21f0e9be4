package leads_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/jobs"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

func TestDeletingARule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue, err := jobs.New(t.Context(), w.App, jobs.Options{})
	require.NoError(t, err)
	remove := func(id leads.TenantID, name string) (rule leads.Rule, err error) {
		err = w.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) (err error) {
			rule, err = leads.DeleteRule(ctx, tx, queue, id, name, tenant.By{Actor: "ann", RequestID: "r-1"})
			return err
		})
		return rule, err
	}
	names := func(id leads.TenantID) (names []string) {
		require.NoError(t, w.App.ReadTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
			rules, err := leads.ListRules(ctx, tx)
			for _, r := range rules {
				names = append(names, r.Name)
			}
			return err
		}))
		return names
	}
	for id, rules := range map[leads.TenantID][]string{1: {"First", "Second"}, 2: {"First"}} {
		for _, name := range rules {
			require.NoError(t, w.App.InTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
				_, err := leads.StoreRule(ctx, tx, name, []byte(`{"keywords":["x"]}`), tester)
				return err
			}))
		}
	}
	_, err = remove(2, "Second")
	require.True(t, fault.Is(err, fault.NotFound), "another tenant's: %v", err)

	gone, err := remove(1, "First")
	require.NoError(t, err)
	require.Equal(t, "First", gone.Name)
	require.Equal(t, []string{"Second"}, names(1))
	require.Equal(t, []string{"First"}, names(2), "of the same name, another tenant's")
	var runs, acts int
	require.NoError(t, w.Owner.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM enrichment_runs WHERE tenant_id = 1
		AND status = 'queued'),
		(SELECT count(*) FROM audit_log WHERE tenant_id = 1 AND actor = 'ann' AND request_id = 'r-1'
		AND action = 'icp.delete' AND object = 'First'
		AND detail->'payload'->'keywords' = '["x"]')`).Scan(&runs, &acts))
	require.Equal(t, []int{1, 1}, []int{runs, acts}, "the scores follow, and the audit log keeps it")

	_, err = remove(1, "Second")
	require.Equal(t, "LAST_RULE", fault.Code(err), "%v", err)
	w.exec(`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 9, 'Unreadable', '{"industries": 7}')`)
	_, err = remove(1, "Second")
	require.Equal(t, "LAST_RULE", fault.Code(err), "the other one scores nothing: %v", err)
	_, err = remove(1, "Unreadable")
	require.NoError(t, err)
	require.Equal(t, []string{"Second"}, names(1))
}

// Two who delete one of two rules each, at once: one of them is told that hers is the last.
func TestTheLastRuleStaysUnderRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 5 {
		var errs [2]error
		for _, name := range []string{"a", "b"} {
			require.NoError(t, w.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
				_, err := leads.StoreRule(ctx, tx, name, []byte(`{"keywords":["x"]}`), tester)
				return err
			}))
		}
		var both sync.WaitGroup
		for i, name := range []string{"a", "b"} {
			both.Go(func() {
				errs[i] = w.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
					_, err := leads.RemoveRule(ctx, tx, name, tester)
					return err
				})
			})
		}
		both.Wait()
		require.True(t, (errs[0] == nil) != (errs[1] == nil), "%v %v", errs[0], errs[1])
	}
}
