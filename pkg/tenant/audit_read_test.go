package tenant_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// TestNewestActsUseIndex: the newest lines of a long log are read from an index, for one tenant and for all.
func TestNewestActsUseIndex(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, sql := range []string{
		`INSERT INTO audit_log (tenant_id, actor, action, at)
			SELECT i % 100, 'user-1', 'tenant.create', now() - i * interval '1 minute'
			FROM generate_series(1, 100000) i`,
		`ANALYZE audit_log`,
	} {
		_, err := db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	one := tenant.ID(7)
	for _, of := range []*tenant.ID{nil, &one} {
		f := tenant.ActFilter{Tenant: of, Limit: 100}
		inSystem(t, db, func(ctx context.Context, tx postgres.SystemTx) {
			rows, err := tx.Query(ctx, `EXPLAIN `+tenant.SelectActs,
				append([]any{pgx.QueryExecModeExec}, f.Arguments()...)...)
			require.NoError(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			plan := strings.Join(lines, "\n")
			require.Contains(t, plan, "Index Scan using audit_log_", plan)
			require.NotContains(t, plan, "Seq Scan", plan)
			list, err := tenant.Acts(ctx, tx, f)
			require.NoError(t, err)
			require.Len(t, list, 100)
		})
	}
}
