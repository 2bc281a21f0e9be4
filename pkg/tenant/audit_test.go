package tenant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// countRows returns the number of users gus of tenant 3, and of audit lines about them.
func countRows(t *testing.T, db *pgtest.DB) (users, lines int) {
	t.Helper()
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM tenant_users
		WHERE user_id = 'gus@acme.example'),
		(SELECT count(*) FROM audit_log WHERE object = 'gus@acme.example')`).Scan(&users, &lines))
	return users, lines
}

// TestActAndLineInOneTransaction: an act and its audit line are committed together or not at all.
func TestActAndLineInOneTransaction(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context, t *testing.T, db *pgtest.DB,
		tx postgres.SystemTx) error{
		"the caller fails": func(context.Context, *testing.T, *pgtest.DB, postgres.SystemTx) error {
			return errors.New("something else failed")
		},
		"the session is killed": func(ctx context.Context, t *testing.T, db *pgtest.DB, tx postgres.SystemTx) error {
			var pid int
			require.NoError(t, tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid))
			_, err := db.Owner.Exec(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid)
			require.NoError(t, err)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := world(t)
			err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
				if err := tenant.AddMember(ctx, tx, 3, "gus@acme.example", []string{"ops"}, tester); err != nil {
					return err
				}
				return end(ctx, t, db, tx)
			})
			require.Error(t, err)
			users, lines := countRows(t, db)
			require.Equal(t, []int{0, 0}, []int{users, lines})

			inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
				require.NoError(t, tenant.AddMember(ctx, tx, 3, "gus@acme.example", []string{"ops"}, tester))
			})
			users, lines = countRows(t, db)
			require.Equal(t, []int{1, 1}, []int{users, lines}, "the same act again")
		})
	}
}

// TestActNeedsActor: an act without an actor is rejected and changes nothing.
func TestActNeedsActor(t *testing.T) {
	t.Parallel()
	db := world(t)
	err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.AddMember(ctx, tx, 3, "gus@acme.example", []string{"ops"}, tenant.By{RequestID: "r-1"})
	})
	require.True(t, fault.Is(err, fault.Internal), "%v", err)
	users, lines := countRows(t, db)
	require.Equal(t, []int{0, 0}, []int{users, lines})
}

// TestFailedActsLeaveNoLine: an act that fails or changes nothing writes no audit line.
func TestFailedActsLeaveNoLine(t *testing.T) {
	t.Parallel()
	db := world(t)
	count := func() (n int) {
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM audit_log`).Scan(&n))
		return n
	}
	before := count()
	for name, act := range map[string]func(context.Context, postgres.SystemTx) error{
		"create": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.Create(ctx, tx, "Taken", "acme", tester)
			return err
		},
		"add": func(ctx context.Context, tx postgres.SystemTx) error {
			return tenant.AddMember(ctx, tx, 3, "gus@acme.example", []string{"owner"}, tester)
		},
		"remove": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.RemoveMember(ctx, tx, 3, "gus@acme.example", tester)
			return err
		},
		"visit": func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.Visit(ctx, tx, "99", "icp.list", tester)
			return err
		},
	} {
		require.Error(t, db.App.InSystem(t.Context(), "test", act), name)
	}
	inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
		changed, err := tenant.SetStatus(ctx, tx, 3, tenant.Active, tester)
		require.NoError(t, err)
		require.False(t, changed)
	})
	require.Equal(t, before, count())
}

// TestTenantReadsOwnLines: a tenant reads and writes only its own lines.
func TestTenantReadsOwnLines(t *testing.T) {
	t.Parallel()
	db := world(t)
	for id := tenant.ID(1); id <= 2; id++ {
		require.NoError(t, db.App.InTenant(t.Context(), id, func(ctx context.Context, tx postgres.TenantTx) error {
			return tenant.Record(ctx, tx, tester, tenant.Act{Tenant: id, Action: "icp.set",
				Object: "rule of " + id.String()})
		}))
	}
	var objects []string
	require.NoError(t, db.App.ReadTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		return tx.QueryRow(ctx, `SELECT array_agg(object) FROM audit_log WHERE action = 'icp.set'`).Scan(&objects)
	}))
	require.Equal(t, []string{"rule of 1"}, objects)
	err := db.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
		return tenant.Record(ctx, tx, tester, tenant.Act{Tenant: 2, Action: "icp.set", Object: "forged"})
	})
	require.ErrorContains(t, err, "42501")
}

// TestActFilter: the log can be filtered by tenant, actor, action and time.
func TestActFilter(t *testing.T) {
	t.Parallel()
	db := world(t)
	one := tenant.ID(1)
	_, err := db.Owner.Exec(t.Context(), `DELETE FROM audit_log`)
	require.NoError(t, err)
	_, err = db.Owner.Exec(t.Context(), `INSERT INTO audit_log (tenant_id, actor, action, object, at) VALUES
		(1, 'ann', 'icp.set', 'a', '2026-01-01'), (1, 'ben', 'icp.delete', 'b', '2026-01-02'), (2, 'ann', 'icpx.set',
		'c', '2026-01-03')`)
	require.NoError(t, err)
	date := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		filter tenant.ActFilter
		want   []string
	}{
		"all":       {tenant.ActFilter{}, []string{"c", "b", "a"}},
		"a tenant":  {tenant.ActFilter{Tenant: &one}, []string{"b", "a"}},
		"an actor":  {tenant.ActFilter{Actor: "ann"}, []string{"c", "a"}},
		"an action": {tenant.ActFilter{Action: "icp.set"}, []string{"a"}},
		"a noun":    {tenant.ActFilter{Action: "icp"}, []string{"b", "a"}},
		"since":     {tenant.ActFilter{Since: date(2)}, []string{"c", "b"}},
		"until":     {tenant.ActFilter{Until: date(2)}, []string{"a"}},
		"all conditions": {tenant.ActFilter{Tenant: &one, Actor: "ben", Action: "icp", Since: date(1), Until: date(3)},
			[]string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
				c.filter.Limit = 10
				list, err := tenant.Acts(ctx, tx, c.filter)
				require.NoError(t, err)
				var objects []string
				for _, l := range list {
					objects = append(objects, l.Object)
				}
				require.Equal(t, c.want, objects)
			})
		})
	}
}
