package leads_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func TestSpreadCountsEveryScoreOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, source)
		SELECT 1, company_id, (ARRAY[0, 0.049, 0.05, 1, 'NaN'::float8])[row_number() OVER (ORDER BY name)],
		CASE WHEN left(name, 1) = 'D' THEN 'high' ELSE 'low' END, 'other'
		FROM companies WHERE live`)
	for tenant, want := range map[leads.TenantID]int64{1: 5, 2: 0} {
		w.as(tenant, func(ctx context.Context, tx postgres.TenantTx) {
			s, err := leads.ReadSpread(ctx, tx)
			require.NoError(t, err)
			require.Equal(t, want, s.Total)
			if tenant == 2 {
				require.Nil(t, s.Newest)
				return
			}
			require.NotNil(t, s.Newest)
			require.Equal(t, map[string]int64{"high": 1, "low": 4}, s.Buckets)
			require.Equal(t, map[string]int64{"low": 2}, s.Bars[0])
			require.Equal(t, map[string]int64{"low": 1}, s.Bars[1])
			require.Equal(t, map[string]int64{"high": 1}, s.Bars[leads.Bars-1], "1 belongs to the last bar")
		})
	}
}
