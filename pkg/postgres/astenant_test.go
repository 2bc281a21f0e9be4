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

// A step into a tenant sees that tenant's rows only, is committed with what the control plane does around it, and ends.
func TestAStepIntoATenant(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	mark := func(ctx context.Context, tx postgres.TenantTx) error {
		require.Equal(t, tenantid.ID(1), tx.Tenant())
		tag, err := tx.Exec(ctx, `UPDATE lead_scores SET bucket = 'seen'`)
		require.Equal(t, int64(1), tag.RowsAffected())
		return err
	}
	for _, outcome := range []error{fault.New(fault.Conflict, "given up"), nil} {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			require.NoError(t, tx.AsTenant(ctx, 1, mark))
			require.NoError(t, tx.AsTenant(ctx, 1, mark), "again for the same")
			_, err := tx.Exec(ctx, `INSERT INTO identities (issuer, subject) VALUES ('x', 'y')`)
			require.NoError(t, err, "the control plane again")
			return outcome
		})
		require.Equal(t, outcome == nil, err == nil)
		want := 1
		if outcome != nil {
			want = 0
		}
		require.Equal(t, want, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM lead_scores WHERE bucket = 'seen'`))
		require.Equal(t, want, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM identities WHERE subject = 'y'`))
	}
	require.NoError(t, db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		require.Equal(t, "", queryOne[string](t, tx, `SELECT current_setting('request.tenant_id')`))
		return nil
	}))
}

func TestAStepIntoASecondTenantIsAMistake(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	never := func(context.Context, postgres.TenantTx) error { panic("reached") }
	for _, id := range []tenantid.ID{2, 0, -1} {
		err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
			require.NoError(t, tx.AsTenant(ctx, 1, func(context.Context, postgres.TenantTx) error { return nil }))
			return tx.AsTenant(ctx, id, never)
		})
		require.Equal(t, fault.Internal, fault.KindOf(err))
	}
}

// Whoever goes on after a step that failed is still that tenant, and may do nothing as the control plane.
func TestAStepThatFailedIsNotLeft(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	seedTenants(t, db, 1, 2)
	err := db.App.InSystem(t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) error {
		require.Error(t, tx.AsTenant(ctx, 1, func(context.Context, postgres.TenantTx) error { return fault.New(fault.Invalid, "no") }))
		_, err := tx.Exec(ctx, `UPDATE tenants SET name = 'taken over'`)
		return err
	})
	require.Error(t, err)
	require.Zero(t, queryOne[int](t, db.Owner, `SELECT count(*)::int FROM tenants WHERE name = 'taken over'`))
}
