package leads_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// oddScores gives tenant 1 scores of every kind, many of them equal, and one of a company that is not there.
func (w world) oddScores() {
	w.t.Helper()
	w.exec(`INSERT INTO companies (company_id, name) SELECT i, 'COMPANY ' || i FROM generate_series(1, 60) i`)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, bucket, rationale)
		SELECT 1, i, CASE i % 12 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN NULL
			WHEN 4 THEN 1e-7 WHEN 5 THEN 0
			ELSE round((i % 5)::numeric / 3, 3) END::float8, 'low', 'because' FROM generate_series(61, 1, -1) i`)
}

// inOrder is every company of oddScores, best first and the unknown at the end, by company_id.
const inOrder = `SELECT company_id FROM lead_scores WHERE tenant_id = 1
	ORDER BY CASE WHEN score > '-Infinity' AND score < 'Infinity' THEN score END DESC NULLS LAST, company_id`

func TestPagesHoldEveryLeadOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.oddScores()
	want := w.rows(inOrder)
	for _, limit := range []int{1, 7, 60, 61, 100} {
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			var got []string
			for after := (leads.Cursor{}); ; {
				page, err := leads.Latest(ctx, tx, limit, leads.Filter{}, after)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Items), limit)
				for _, l := range page.Items {
					got = append(got, fmt.Sprintf("(%d)", l.CompanyID))
				}
				if page.NextCursor == nil {
					break
				}
				after = *page.NextCursor
			}
			require.Equal(t, want, got, "limit %d", limit)
		})
	}
	w.as(2, func(ctx context.Context, tx postgres.TenantTx) {
		page, err := leads.Latest(ctx, tx, 5, leads.Filter{}, leads.Cursor{})
		require.NoError(t, err)
		require.Equal(t, leads.Page{Items: []leads.Lead{}}, page)
	})
}

func TestCursorsOutOfRange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.oddScores()
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		for _, score := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			_, err := leads.Latest(ctx, tx, 5, leads.Filter{}, leads.Cursor{AfterScore: &score})
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
		below := -5.0
		page, err := leads.Latest(ctx, tx, 100, leads.Filter{}, leads.Cursor{AfterScore: &below, AfterID: 1})
		require.NoError(t, err)
		require.Len(t, page.Items, 21, "only those without a score")
		for _, limit := range []int{-1, 0, leads.MaxLimit + 1} {
			_, err := leads.Latest(ctx, tx, limit, leads.Filter{}, leads.Cursor{})
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			_, err = leads.Candidates(ctx, tx, limit, "", leads.CandidateCursor{})
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
	})
}

func TestCandidatesPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	w.score(1, leads.ScoreOptions{})
	w.exec(`UPDATE lead_features SET updated_at = updated_at + company_id % 2 * interval '1.000001 s'`)
	want := w.rows(`SELECT c.name FROM lead_features f JOIN companies c USING (company_id)
		ORDER BY f.updated_at DESC, company_id`)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		var got []string
		for after := (leads.CandidateCursor{}); ; {
			page, err := leads.Candidates(ctx, tx, 2, "", after)
			require.NoError(t, err)
			for _, c := range page.Items {
				got = append(got, fmt.Sprintf("(%q)", *c.Name))
			}
			if page.NextCursor == nil {
				break
			}
			after = *page.NextCursor
		}
		require.Equal(t, want, got)
		for industry, n := range map[string]int{"": 5, "software": 2, "information and communications": 2,
			"Transportation and Storage": 1, "no such industry": 0} {
			page, err := leads.Candidates(ctx, tx, 10, industry, leads.CandidateCursor{})
			require.NoError(t, err)
			require.Len(t, page.Items, n, industry)
		}
	})
}

func TestShortlistStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		st, err := leads.ShortlistStatus(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, leads.Status{TenantID: 1}, st)
	})
	w.rule(1, "Software", `{"industries":["software"]}`)
	w.score(1, leads.ScoreOptions{})
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		st, err := leads.ShortlistStatus(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, int64(2), st.TotalScored)
		require.Equal(t, int32(1), *st.LastRunID)
		require.Equal(t, leads.RunDone, *st.LastRunStatus)
		require.False(t, st.LastRunEndedAt.Before(*st.LastRunStartedAt))
		require.NotNil(t, st.LastRefreshedAt)
	})
}

func TestRulesAreNumberedWithinTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			err := w.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
				_, err := leads.StoreRule(ctx, tx, fmt.Sprintf("Rule %d", i), []byte(`{}`), tester)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, []string{"(1)", "(2)", "(3)", "(4)", "(5)", "(6)", "(7)", "(8)"},
		w.rows(`SELECT rule_id FROM icp_rules ORDER BY 1`))
}

func TestSetRuleReplacesByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		made, err := leads.StoreRule(ctx, tx, "  ", []byte(`{"keywords":["a"]}`), tester)
		require.NoError(t, err)
		require.Equal(t, leads.UnnamedRule, made.Name)
		again, err := leads.StoreRule(ctx, tx, leads.UnnamedRule, []byte(`{"keywords":["b"],"more":1}`), tester)
		require.NoError(t, err)
		require.Equal(t, made.RuleID, again.RuleID)
		require.JSONEq(t, `{"keywords":["b"],"more":1}`, string(again.Payload))
		for _, name := range []string{"a\x00b", "\x1b[31m", "***"} {
			_, err = leads.StoreRule(ctx, tx, name, []byte(`{}`), tester)
			require.Equal(t, fault.Invalid, fault.KindOf(err), "%q", name)
		}
		_, err = leads.ShowRule(ctx, tx, "another tenant's")
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	})
	before := w.versions("icp_rules")
	w.rule(1, leads.UnnamedRule, `{"more":1, "keywords":["b"]}`)
	require.Equal(t, before, w.versions("icp_rules"), "the same payload is not written again")
}

func TestPayloadThatCannotBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, payload := range []string{`{"x":"\u0000"}`, `{"x":1e999999}`} {
		err := w.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			_, err := leads.StoreRule(ctx, tx, "Rule", []byte(payload), tester)
			return err
		})
		require.Equal(t, fault.Invalid, fault.KindOf(err), payload)
	}
}

func TestRulesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) SELECT 1, i, 'Rule ' || i, '{}'
		FROM generate_series(1, 100) i`)
	w.rule(1, "Rule 50", `{"keywords":["x"]}`)
	w.rule(2, "One more", `{}`)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.StoreRule(ctx, tx, "One more", []byte(`{}`), tester)
		require.Equal(t, "QUOTA_RULES", fault.Code(err))
		require.Contains(t, fault.Text(err), "100 rules")
	})
	w.register()
	// As much as a tenant can ask for in one statement.
	w.exec(`UPDATE icp_rules SET payload = jsonb_build_object('ssic_codes',
		(SELECT jsonb_agg(lpad((rule_id * 500 + i * 2)::text, 5, '0')) FROM generate_series(1, 200) i),
		'exclusions', jsonb_build_object('ssic_codes', (SELECT jsonb_agg(lpad((rule_id * 500 + i * 2 + 1)::text, 5,
		'0')) FROM generate_series(1, 200) i))) WHERE tenant_id = 1`)
	require.Equal(t, 100, w.score(1, leads.ScoreOptions{}).Rules)
}

// limits: nothing is clamped silently.
func limits(t *testing.T) {
	for text, want := range map[string]int{"": 200, "1": 1, "200": 200, "10000": 10000, "all": leads.All} {
		got, err := leads.ParseLimit(text, true)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range limitsThatAreNone() {
		_, err := leads.ParseLimit(text, false)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%q", text)
		if text != "all" {
			_, err = leads.ParseLimit(text, true)
			require.Equal(t, fault.Invalid, fault.KindOf(err), "%q", text)
		}
	}
}

func limitsThatAreNone() []string {
	return slices.Concat([]string{"-1", "0", "10001", "2147483648", "9223372036854775808", "10abc", "1e3", " 5", "5 "},
		[]string{"+5", "05", "0x10", "5.0", "٣", "ALL", "all", "\x00", "1_000", "18446744073709551617"})
}
