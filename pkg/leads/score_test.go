package leads_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// versions tells whether any row of a table was written: xmin and ctid change with every version of a row.
func (w world) versions(table string) []string {
	w.t.Helper()
	return w.rows(`SELECT xmin, ctid FROM ` + table + ` ORDER BY ctid`)
}

func TestScoreExplainsItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "Software", `{"industries":["software"],"keywords":["cloud"],
		"incorporation_year":{"min":2010,"max":2020},"employee_range":{"min":10}}`)
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, leads.ScoreReport{RunID: 1, Rules: 1, Full: true, Version: "leadctl-1", Candidates: 2, Added: 2},
		report)
	require.Equal(t, []string{
		`(0.845,high,"Fits ""Software"" at 85 of 100: computer programming, information technology consultancy and ` +
			`related activities (SSIC 62011) ` +
			`matches the profile (35 of 35); name contains ""CLOUD"" (15 of 15); incorporated in 2015, within ` +
			`2010–2020 (15 of 15); ` +
			`headcount unknown (5 of 15); local company (10 of 10); no website known (0 of 5); in good standing (5 ` +
			`of 5).",leadctl,leadctl-1)`,
		`(0.635,medium,"Fits ""Software"" at 64 of 100: computer programming, information technology consultancy ` +
			`and related activities (SSIC 62021) ` +
			`matches the profile (35 of 35); name contains none of the keywords (0 of 15); incorporated in 2019, ` +
			`within 2010–2020 (9 of 15); ` +
			`headcount unknown (5 of 15); local company (10 of 10); no website known (0 of 5); in good standing (5 ` +
			`of 5).",leadctl,leadctl-1)`,
	}, w.rows(`SELECT score, bucket, rationale, source, version FROM lead_scores ORDER BY score DESC`))
	require.Equal(t, []string{`("{""age"": 1, ""form"": 1, ""rule"": ""Software"", ""size"": 0.3, ""rule_id"": 1, ` +
		`""website"": 0, ""industry"": 1, ""keywords"": 1, ""standing"": 1}")`},
		w.rows(`SELECT features FROM lead_features JOIN companies USING (company_id) WHERE name LIKE 'ACME%'`))
}

func TestScoreOnlyWritesWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	require.Equal(t, int64(5), w.score(1, leads.ScoreOptions{}).Added)
	scores, features := w.versions("lead_scores"), w.versions("lead_features")
	for _, full := range []bool{false, true} {
		again := w.score(1, leads.ScoreOptions{Full: full})
		require.Equal(t, full, again.Full)
		require.Zero(t, again.Added+again.Changed+again.Removed)
	}
	require.Equal(t, scores, w.versions("lead_scores"))
	require.Equal(t, features, w.versions("lead_features"))

	// One company changes, one is struck off, one is new.
	w.exec(`UPDATE companies SET updated_at = updated_at - CASE WHEN name LIKE 'ECHO%' THEN interval '1 day' ELSE ` +
		`interval '2 days' END`)
	w.score(1, leads.ScoreOptions{Full: true}) // the run that knows where to go on
	w.stage("201500001A", "ACME CLOUD PTE. LTD.", "Local Company", "Live Company", "2024-03-01", "62011")
	w.stage("52800003C", "CORNER CAFE", "Sole Proprietorship/ Partnership", "Cancelled", "2008-05-05", "56111")
	w.stage("202600007G", "GOLF PTE. LTD.", "Local Company", "Live Company", "2026-01-01", "93110")
	require.Equal(t, leads.CompaniesReport{Added: 1, Updated: 2, Closed: 1}, w.refresh())
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, leads.ScoreReport{RunID: 5, Rules: 1, Version: "leadctl-1", Candidates: 3, Added: 1, Changed: 1,
		Removed: 1}, report)
	require.NotContains(t, w.names(1), "CORNER CAFE")
}

// A run that looks only at what changed must come to what a full one comes to.
func TestIncrementalEqualsFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(1, "Young", `{"incorporation_year":{"min":2010},"industries":["J"],"exclusions":{"keywords":["seven"]}}`)
	w.rule(1, "Words", `{"keywords":["one","two"],"entity_types":["local company"]}`)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[random.IntN(len(s))] }
	full := leads.ScoreOptions{Full: true}
	const outcome = `SELECT company_id, score, bucket, rationale, features FROM lead_scores
		JOIN lead_features USING (tenant_id, company_id) ORDER BY 1`
	for range 12 {
		w.exec(`UPDATE companies SET updated_at = updated_at - interval '1 day'`)
		w.exec(`UPDATE enrichment_runs SET counts = jsonb_set(counts, '{seen}', to_jsonb((SELECT max(updated_at)
			FROM companies)))`)
		for range 5 {
			n := random.IntN(30)
			w.stage(fmt.Sprintf("2000%05dA", n), pick("ONE", "TWO", "SEVEN SEAS", "THREE ONE"),
				pick("Local Company", "Limited Partnership"),
				pick("Live", "Live Company", "Struck Off"), pick("2005", "2012", "2020")+"-01-01",
				pick("62011", "58131", "47711"))
		}
		w.refresh()
		w.score(1, leads.ScoreOptions{})
		incremental := w.rows(outcome)
		report := w.score(1, full)
		require.Zero(t, report.Added+report.Changed+report.Removed)
		require.Equal(t, incremental, w.rows(outcome))
	}
	require.NotEmpty(t, w.rows(outcome))
}

// A transaction that began before a run and ended after it leaves changes dated before what the run saw.
func TestLateChangesAreSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	w.score(1, leads.ScoreOptions{})
	w.exec(`UPDATE companies SET website_domain = 'acme.example', updated_at = updated_at - interval '30 minutes'
		WHERE name LIKE 'ACME%'`)
	require.Equal(t, int64(1), w.score(1, leads.ScoreOptions{}).Changed)
}

// Rows that other services wrote stay as they are, and what they added to ours stays too.
func TestOtherWritersAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, source) SELECT 1, company_id, 0.99, 'platform'
		FROM companies WHERE name LIKE 'ACME%' OR name LIKE 'CORNER%'`)
	w.exec(`INSERT INTO lead_features (tenant_id, company_id, features, source)
		SELECT 1, company_id, '{"theirs": true}', 'platform' FROM companies WHERE name LIKE 'ACME%'`)
	w.rule(1, "Software", `{"industries":["software"]}`)
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, int64(1), report.Added)
	w.exec(`UPDATE lead_features SET features = features || '{"contact_name": "Ada"}' WHERE source = 'leadctl'`)

	other := leads.DefaultWeights()
	other.Version, other.Website = "mine-2", 20
	report = w.score(1, leads.ScoreOptions{Weights: other})
	require.True(t, report.Full)
	require.Equal(t, int64(1), report.Changed)
	require.Equal(t, []string{`(ACME,0.99,platform,)`, `(BETA,0.7118,leadctl,mine-2)`, `(CORNER,0.99,platform,)`},
		w.rows(`SELECT split_part(name, ' ', 1), score, s.source, version FROM lead_scores s
			JOIN companies USING (company_id) ORDER BY 1`))
	require.Equal(t, []string{`(platform,"{""theirs"": true}")`},
		w.rows(`SELECT source, features FROM lead_features WHERE source <> 'leadctl'`))
	require.Equal(t, []string{`(Ada,Software)`}, w.rows(
		`SELECT features->>'contact_name', features->>'rule' FROM lead_features WHERE source = 'leadctl'`))

	w.rule(1, "Software", `{"industries":["software"],"keywords":["beta"]}`)
	w.score(1, leads.ScoreOptions{})
	require.Equal(t, []string{`(Ada,1)`},
		w.rows(`SELECT features->>'contact_name', features->>'keywords' FROM lead_features WHERE source = 'leadctl'`))

	w.rule(1, "Software", `{"industries":["mining"]}`)
	report = w.score(1, leads.ScoreOptions{})
	require.Equal(t, int64(1), report.Removed)
	require.Equal(t, []string{`("{""theirs"": true}")`, `("{""contact_name"": ""Ada""}")`},
		w.rows(`SELECT features FROM lead_features ORDER BY source DESC`))
	require.Len(t, w.rows(`SELECT FROM lead_scores`), 2)
}

// D-073: a rule that cannot be read picks no company, and the run and the list say so. One wrong member is enough.
func TestUnreadableRulePicksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	reasons := map[string]string{
		`"{\"industries\": [\"software\"]}"`: "payload: must be a JSON object, got a string",
		`[{"industries": ["software"]}]`:     "payload: must be a JSON object, got a list",
		`null`:                               "payload: must be a JSON object, got null",
		`7`:                                  "payload: must be a JSON object, got a number",
		`{"industries": "software"}`:         "payload.industries: want a list of strings, got a string",
		`{"keywords": ["cloud"], "incorporation_year": {"min": "2010"}}`: "payload.incorporation_year.min: " +
			"want an integer, got a string",
	}
	id := 0
	for payload := range reasons {
		id++
		w.exec(`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, $1, $2, $3::jsonb)`,
			id, fmt.Sprint("R", id), payload)
	}
	report := w.score(1, leads.ScoreOptions{})
	require.Zero(t, report.Candidates)
	require.Zero(t, report.Rules)
	require.Len(t, report.Skipped, len(reasons))
	require.Empty(t, w.rows(`SELECT FROM lead_scores`))
	require.Len(t, w.rows(`SELECT jsonb_array_elements_text(counts->'skipped') FROM enrichment_runs`), len(reasons),
		"the run's result names them")
	w.rule(1, "Food", `{"industries":["restaurants"]}`)
	require.EqualValues(t, 1, w.score(1, leads.ScoreOptions{}).Candidates, "other rules are unaffected")
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		rules, err := leads.ListRules(ctx, tx)
		require.NoError(t, err)
		for _, r := range rules {
			if r.Name == "Food" {
				require.Empty(t, r.Unreadable)
				continue
			}
			require.Contains(t, slices.Collect(maps.Values(reasons)), r.Unreadable, "%s", r.Payload)
			require.Contains(t, report.Skipped, fmt.Sprintf("rule %q: %s", r.Name, r.Unreadable))
		}
	})
}

func TestWeightsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*leads.Weights){
		"no version":           func(x *leads.Weights) { x.Version = "" },
		"weight size: -1":      func(x *leads.Weights) { x.Size = -1 },
		"are all 0":            func(x *leads.Weights) { x.Age, x.Form, x.Website, x.Standing = 0, 0, 0, 0 },
		"buckets need 0":       func(x *leads.Weights) { x.Medium = 0.9 },
		"weight industry: 1e+": func(x *leads.Weights) { x.Industry = 1e9 },
	} {
		weights := leads.DefaultWeights()
		change(&weights)
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			_, err := leads.Score(ctx, tx, leads.ScoreOptions{Weights: weights}, tester)
			require.Equal(t, fault.Invalid, fault.KindOf(err), name)
			require.Contains(t, fault.Text(err), name)
		})
	}
}

// A year that ends changes ages, and with them scores of companies that did not change.
func TestNewYearScoresAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "Software", `{"industries":["software"]}`)
	at := func(year int) leads.ScoreOptions {
		return leads.ScoreOptions{Now: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	w.score(1, at(2021))
	report := w.score(1, at(2022))
	require.True(t, report.Full)
	require.Equal(t, int64(2), report.Changed)
	require.Zero(t, w.score(1, at(2022)).Changed)
}
