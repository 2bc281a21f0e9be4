package leads_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// found walks all pages of a filter and lists the names.
func (w world) found(tenant leads.TenantID, f leads.Filter, limit int) (names []string) {
	w.t.Helper()
	names = []string{}
	w.as(tenant, func(ctx context.Context, tx postgres.TenantTx) {
		for after := (&leads.Cursor{}); after != nil; {
			page, err := leads.Latest(ctx, tx, limit, f, *after)
			require.NoError(w.t, err)
			require.LessOrEqual(w.t, len(page.Items), limit)
			for _, l := range page.Items {
				names = append(names, *l.Name)
			}
			after = page.NextCursor
		}
	})
	return names
}

func TestFilterChoosesAmongTheTenantsOwnLeads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, source)
		SELECT 1, company_id, CASE left(name,
		4) WHEN 'ACME' THEN 0.92 WHEN 'BETA' THEN 0.61 WHEN 'CORN' THEN 0.61 WHEN 'DELT' THEN 0.2 ELSE 'NaN' END,
			CASE left(name, 4) WHEN 'ACME' THEN 'high' WHEN 'BETA' THEN 'medium' WHEN 'CORN' THEN 'medium'
			ELSE 'low' END, 'other'
		FROM companies WHERE left(name, 4) IN ('ACME', 'BETA', 'CORN', 'DELT', 'ECHO')`)
	half, old := 0.5, 2008
	acme, beta, corner, delta, echo := "ACME CLOUD PTE. LTD.", "BETA SOFTWARE PTE. LTD.", "CORNER CAFE",
		"DELTA ADVISORS LLP", "ECHO SHIPPING LTD"
	for name, c := range map[string]struct {
		filter leads.Filter
		want   []string
	}{
		"all":            {leads.Filter{}, []string{acme, beta, corner, delta, echo}},
		"part of a name": {leads.Filter{Text: "pte"}, []string{acme, beta}},
		"no pattern":     {leads.Filter{Text: "%c"}, []string{}},
		"industry":       {leads.Filter{Industry: "62"}, []string{acme, beta}},
		"bucket":         {leads.Filter{Bucket: "medium"}, []string{beta, corner}},
		"years":          {leads.Filter{Years: leads.Range{Max: &old}}, []string{corner, delta, echo}},
		"score":          {leads.Filter{MinScore: &half}, []string{acme, beta, corner}},
		"all at once": {leads.Filter{Text: "soft", Industry: "software", Bucket: "medium", MinScore: &half},
			[]string{beta}},
		"unscored": {leads.Filter{Text: "shipping"}, []string{echo}},
	} {
		for limit := 1; limit <= 6; limit++ {
			require.Equal(t, c.want, w.found(1, c.filter, limit), "%s, %d a page", name, limit)
		}
		require.Empty(t, w.found(2, c.filter, 10), "%s of the other tenant", name)
	}
}

func TestLatestRefusesWhatNoFilterIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := 2.0
	for _, f := range []leads.Filter{{Bucket: "best"}, {MinScore: &two}, {Text: "\x00"}, {Industry: "--"}} {
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			_, err := leads.Latest(ctx, tx, 10, f, leads.Cursor{})
			require.True(t, fault.Is(err, fault.Invalid), "%+v: %v", f, err)
		})
	}
}
