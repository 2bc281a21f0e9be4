package leads_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

func TestCases(t *testing.T) {
	t.Parallel()
	for id, run := range map[string]func(*testing.T){
		"B-042": sameNamesInTwoTenants,
		"B-044": numbersTellNothing,
		"B-048": twoWorlds,
		"B-051": lookupsCostTheSame,
		"B-054": locksAreOnesOwn,
		"B-056": sharedCompany,
		"B-064": injections,
		"B-080": suspendedWhileScoring,
		"C-007": limits,
		"C-035": threeParsers,
		"C-038": sameRows,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			run(t)
		})
	}
}

func sameNamesInTwoTenants(t *testing.T) {
	w := newWorld(t)
	w.register()
	for _, tenant := range []leads.TenantID{1, 2} {
		w.rule(tenant, "Mine", `{}`)
		require.Equal(t, int64(5), w.score(tenant, leads.ScoreOptions{}).Added)
	}
	require.Equal(t, []string{"(1,1,Mine)", "(2,1,Mine)"},
		w.rows(`SELECT tenant_id, rule_id, name FROM icp_rules ORDER BY 1`))
}

func numbersTellNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.rule(2, fmt.Sprintf("Rule %d", i), `{}`)
		w.score(2, leads.ScoreOptions{})
	}
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		rule, err := leads.StoreRule(ctx, tx, "First", []byte(`{}`), tester)
		require.NoError(t, err)
		require.Equal(t, int32(1), rule.RuleID)
		run, err := leads.StartRun(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, int32(1), run.RunID)
	})
}

// twoWorlds: what tenant 1 reads is the same to the byte, whatever tenant 2 is and does.
func twoWorlds(t *testing.T) {
	seen := func(busy bool) string {
		w := newWorld(t)
		w.register()
		w.rule(1, "Software", `{"industries":["software"],"keywords":["cloud"]}`)
		if busy {
			random := rand.New(rand.NewPCG(3, 4))
			w.rule(2, "Software", `{"industries":["software","food and beverage"]}`)
			w.rule(2, "All", `{}`)
			w.score(2, leads.ScoreOptions{})
			w.exec(`UPDATE lead_scores SET score = $1, rationale = 'CNR-2' WHERE tenant_id = 2`, random.Float64())
			w.exec(`INSERT INTO tenant_emails (tenant_id, company_id, email) SELECT 2, company_id, 'CNR-2@example.com'
				FROM companies`)
			w.exec(`INSERT INTO tenant_contacts (tenant_id, company_id, name)
				SELECT 2, company_id, 'CNR-2' FROM companies`)
			w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, rationale) SELECT 2, i, 0.9, 'CNR-2'
				FROM generate_series(100, 2000) i`)
			w.exec(`UPDATE tenants SET status = 'suspended', name = 'CNR-2' WHERE tenant_id = 2`)
		}
		w.score(1, leads.ScoreOptions{})
		var out strings.Builder
		for _, format := range []leads.Format{leads.CSV, leads.JSON, leads.NDJSON} {
			for _, limit := range []int{leads.All, 1, 200} {
				out.WriteString(w.export(1, format, limit))
			}
		}
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			top, err := leads.Latest(ctx, tx, 100, leads.Filter{}, leads.Cursor{})
			require.NoError(t, err)
			page, err := leads.Latest(ctx, tx, 1, leads.Filter{}, leads.Cursor{})
			require.NoError(t, err)
			require.NotNil(t, page.NextCursor)
			candidates, err := leads.Candidates(ctx, tx, 100, "", leads.CandidateCursor{})
			require.NoError(t, err)
			status, err := leads.ShortlistStatus(ctx, tx)
			require.NoError(t, err)
			run, err := leads.GetRun(ctx, tx, *status.LastRunID)
			require.NoError(t, err)
			rules, err := leads.ListRules(ctx, tx)
			require.NoError(t, err)
			fmt.Fprintln(&out, len(top.Items), *page.NextCursor.AfterScore, page.NextCursor.AfterID,
				len(candidates.Items), status.TotalScored, run.RunID, len(rules))
		})
		return out.String()
	}
	quiet, busy := seen(false), seen(true)
	require.Equal(t, quiet, busy)
	require.Contains(t, quiet, "ACME CLOUD")
	require.NotContains(t, busy, "CNR-2")
}

func sharedCompany(t *testing.T) {
	w := newWorld(t)
	w.register()
	for _, tenant := range []leads.TenantID{1, 2} {
		w.rule(tenant, "Software", `{"industries":["software"]}`)
		w.score(tenant, leads.ScoreOptions{})
	}
	w.exec(`INSERT INTO tenant_emails (tenant_id, company_id, email) SELECT 2, company_id, 'ceo@acme.example'
		FROM companies`)
	w.exec(`INSERT INTO tenant_contacts (tenant_id, company_id, name, title, linkedin, phone)
		SELECT 2, company_id, 'Ada', 'CEO', 'in/ada', '+65 1' FROM companies`)
	for _, limit := range []int{leads.All, 5} {
		require.Contains(t, w.export(2, leads.CSV, limit), ",ceo@acme.example,Ada,CEO,in/ada,'+65 1")
		require.NotContains(t, w.export(1, leads.CSV, limit), "acme.example")
		require.NotContains(t, w.export(1, leads.CSV, limit), "Ada")
	}
}

func injections(t *testing.T) {
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	w.score(1, leads.ScoreOptions{})
	for _, text := range []string{`'; DELETE FROM lead_scores; --`, `x' OR '1'='1`, `$1`,
		`\'); SELECT set_config('request.tenant_id','2',true); --`, `%`, `a{1000000}`, `(((((`, `\m(a+)+$`,
		`[[:alpha:]`} {
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			page, err := leads.Candidates(ctx, tx, 10, text, leads.CandidateCursor{})
			if err != nil {
				require.Equal(t, fault.Invalid, fault.KindOf(err), text)
			}
			require.Empty(t, page.Items, text)
			for _, member := range []string{"industries", "keywords", "entity_types"} {
				payload := fmt.Sprintf(`{%q:[%q]}`, member, text)
				profile, err := leads.ParseProfile([]byte(payload))
				if err != nil {
					require.Equal(t, fault.Invalid, fault.KindOf(err), text)
					continue
				}
				trial, err := leads.TryProfile(ctx, tx, profile)
				require.NoError(t, err, payload)
				require.Zero(t, trial.Matches, payload)
			}
		})
	}
	require.Len(t, w.rows(`SELECT FROM lead_scores`), 5)
}

// locksAreOnesOwn: while everything that tenant 2 could lock is held, tenant 1 edits, asks for runs, scores and
// exports. Lock keys are made of a class and the tenant's number; nothing that a user chose goes into one.
func locksAreOnesOwn(t *testing.T) {
	w := newWorld(t)
	w.register()
	w.rule(2, "Mine", `{}`)
	w.score(2, leads.ScoreOptions{})
	tx, err := w.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.Background())) }()
	_, err = tx.Exec(t.Context(),
		`SELECT pg_advisory_xact_lock(class, 2) FROM generate_series(x'1ead01'::int, x'1ead03'::int) class`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE lead_scores SET score = 0 WHERE tenant_id = 2`)
	require.NoError(t, err)
	w.change(1, "Mine", `{}`)
	require.Equal(t, int64(5), w.score(1, leads.ScoreOptions{}).Added)
	require.Equal(t, int32(1), w.request(1).RunID)
	require.Contains(t, w.export(1, leads.CSV, leads.All), "ACME CLOUD")
}

// lookupsCostTheSame: for tenant 1, a row of tenant 2 and a missing row take the same plan, rows and pages, so response
// times reveal nothing.
func lookupsCostTheSame(t *testing.T) {
	w := newWorld(t)
	w.register()
	for i := range 50 {
		w.rule(2, fmt.Sprintf("Rule %d", i), `{"keywords":["cloud"]}`)
	}
	w.rule(1, "Mine", `{"keywords":["nothing"]}`)
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score) SELECT 2, i, 0.5
		FROM generate_series(1, 5000) i; ANALYZE lead_scores; ANALYZE icp_rules`)
	w.exec(`INSERT INTO enrichment_runs (tenant_id, run_id) SELECT 2, i FROM generate_series(1, 500) i`)
	cost := func(sql string, value any) (plan string) {
		require.NoError(t, w.App.ReadTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
			for range 3 { // the last one finds everything in memory
				rows, err := tx.Query(ctx, `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, COSTS OFF) `+sql,
					pgx.QueryExecModeExec, value)
				require.NoError(t, err)
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				plan = strings.ReplaceAll(strings.Join(lines, "\n"), fmt.Sprint(value), "?")
			}
			return nil
		}))
		require.Contains(t, plan, "Buffers: ")
		return plan
	}
	require.Equal(t, cost(`SELECT * FROM lead_scores WHERE company_id = $1::int`, 999_999),
		cost(`SELECT * FROM lead_scores WHERE company_id = $1::int`, 4_000))
	require.Equal(t, cost(`SELECT * FROM icp_rules WHERE name = $1::text`, "Rule 90"),
		cost(`SELECT * FROM icp_rules WHERE name = $1::text`, "Rule 20"))
	require.Equal(t, cost(`SELECT * FROM enrichment_runs WHERE run_id = $1::int`, 99_999),
		cost(`SELECT * FROM enrichment_runs WHERE run_id = $1::int`, 400))
}
