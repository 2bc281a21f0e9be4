package tenant_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// TestMemberQuotas: at the quota no user can be added, but users can be changed, and invited users can join.
func TestMemberQuotas(t *testing.T) {
	t.Parallel()
	db := world(t)
	quotas := tenant.Quotas{Members: 3, Invitations: 1}
	change := func(q tenant.Quotas, fn func(ctx context.Context, tx postgres.SystemTx) error) string {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			return q.Within(ctx, tx, 3, func() error { return fn(ctx, tx) })
		})
		if err == nil {
			return ""
		}
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
		require.NotEmpty(t, fault.Hint(err))
		return fault.Code(err)
	}
	add := func(email, role string) func(context.Context, postgres.SystemTx) error {
		return func(ctx context.Context, tx postgres.SystemTx) error {
			return tenant.AddMember(ctx, tx, 3, email, []string{role}, tester)
		}
	}
	invite := func(email string, until time.Time) func(context.Context, postgres.SystemTx) error {
		return func(ctx context.Context, tx postgres.SystemTx) error {
			_, err := tenant.Invite(ctx, tx, 3, email, []string{"ops"}, until, tester)
			return err
		}
	}
	hour := time.Now().Add(time.Hour)
	require.Empty(t, change(quotas, invite("late@acme.example", time.Now().Add(-time.Second))),
		"an expired invitation does not count")
	require.Empty(t, change(quotas, invite("dan@acme.example", hour)))
	require.Equal(t, "QUOTA_INVITATIONS", change(quotas, invite("eve@acme.example", hour)))
	require.Empty(t, change(quotas, invite("dan@acme.example", hour.Add(time.Hour))), "the same one again")
	require.Empty(t, change(quotas, add("fay@acme.example", "viewer")))
	require.Empty(t, change(quotas, add("gus@acme.example", "viewer")))
	require.Equal(t, "QUOTA_MEMBERS", change(quotas, add("hal@acme.example", "viewer")))
	require.Empty(t, change(quotas, add("gus@acme.example", "admin")))
	require.Empty(t, change(quotas, func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Join(ctx, tx, 3, person("dan"), []string{"viewer"}, tester)
	}))
	require.Equal(t, "QUOTA_MEMBERS", change(quotas, func(ctx context.Context, tx postgres.SystemTx) error {
		return tenant.Join(ctx, tx, 3, person("ivy"), []string{"viewer"}, tester)
	}))
	lowered := tenant.Quotas{Members: 1}
	require.Empty(t, change(lowered, add("gus@acme.example", "ops")))
	require.Empty(t, change(lowered, func(ctx context.Context, tx postgres.SystemTx) error {
		_, err := tenant.RemoveMember(ctx, tx, 3, "gus@acme.example", tester)
		return err
	}))
	require.Empty(t, change(tenant.Quotas{}, add("jon@acme.example", "viewer")), "0 is no limit")
}

// TestConcurrentQuota: concurrent additions never exceed the quota.
func TestConcurrentQuota(t *testing.T) {
	t.Parallel()
	db := world(t)
	var all sync.WaitGroup
	results := make(chan error, 20)
	for i := range 20 {
		all.Go(func() {
			results <- db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
				return tenant.Quotas{Members: 5}.Within(ctx, tx, 3, func() error {
					return tenant.AddMember(ctx, tx, 3, fmt.Sprintf("user%d@acme.example", i), []string{"viewer"},
						tester)
				})
			})
		})
	}
	all.Wait()
	refused := 0
	for range 20 {
		if err := <-results; err != nil {
			require.Equal(t, "QUOTA_MEMBERS", fault.Code(err), "%v", err)
			refused++
		}
	}
	require.Equal(t, 15, refused)
}
