package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// TestAsTenant: AsTenant sees that tenant's rows only, is committed with the control plane's statements around it, and
// afterwards the transaction is the control plane's again.
func TestAsTenant(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	mark := func(ctx context.Context, tx postgres.TenantTx) error {
		require.Equal(t, tenantid.ID(1), tx.Tenant())
		tag, err := tx.Exec(ctx, `UPDATE lead_scores SET bucket = 'seen'`)
		require.Equal(t, int64(1), tag.RowsAffected())
		return err
	}
	for _, outcome := range []error{fault.New(fault.Conflict, "rolled back"), nil} {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			require.NoError(t, tx.AsTenant(ctx, 1, mark))
			require.NoError(t, tx.AsTenant(ctx, 1, mark), "a second call for the same tenant")
			_, err := tx.Exec(ctx, `INSERT INTO identities (issuer, subject) VALUES ('x', 'y')`)
			require.NoError(t, err, "the role is the control plane's again")
			return outcome
		})
		require.Equal(t, outcome == nil, err == nil)
		want := 1
		if outcome != nil {
			want = 0
		}
		require.Equal(t, want, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM lead_scores
			WHERE bucket = 'seen'`))
		require.Equal(t, want, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM identities WHERE subject = 'y'`))
	}
	require.NoError(t, db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		require.Equal(t, "", queryOne[string](t, tx, `SELECT current_setting('request.tenant_id')`))
		return nil
	}))
}

func TestAsTenantRejectsSecondTenant(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	never := func(context.Context, postgres.TenantTx) error { panic("AsTenant called its function") }
	for _, id := range []tenantid.ID{2, 0, -1} {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			require.NoError(t, tx.AsTenant(ctx, 1, func(context.Context, postgres.TenantTx) error { return nil }))
			return tx.AsTenant(ctx, id, never)
		})
		require.Equal(t, fault.Internal, fault.KindOf(err))
	}
}

// TestFailedAsTenant: after AsTenant has failed, the role stays leadctl_app, so a caller that continues has no
// privilege of the control plane.
func TestFailedAsTenant(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		require.Error(t, tx.AsTenant(ctx, 1,
			func(context.Context, postgres.TenantTx) error { return fault.New(fault.Invalid, "no") }))
		_, err := tx.Exec(ctx, `UPDATE tenants SET name = 'taken over'`)
		return err
	})
	require.Error(t, err)
	require.Zero(t, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM tenants WHERE name = 'taken over'`))
}
