package leads_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
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
	w.rule(1, "Software", `{"industries":["software"],"keywords":["cloud"],"incorporation_year":{"min":2010,"max":2020},"employee_range":{"min":10}}`)
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, leads.ScoreReport{RunID: 1, Rules: 1, Full: true, Version: "leadctl-1", Candidates: 2, Added: 2}, report)
	require.Equal(t, []string{
		`(0.845,high,"Fits ""Software"" at 85 of 100: computer programming, information technology consultancy and related activities (SSIC 62011) ` +
			`is the business asked for (35 of 35); its name says ""CLOUD"" (15 of 15); incorporated in 2015, within 2010–2020 (15 of 15); ` +
			`headcount not known yet (5 of 15); local company (10 of 10); no website known (0 of 5); in good standing (5 of 5).",leadctl,leadctl-1)`,
		`(0.635,medium,"Fits ""Software"" at 64 of 100: computer programming, information technology consultancy and related activities (SSIC 62021) ` +
			`is the business asked for (35 of 35); its name has none of the keywords (0 of 15); incorporated in 2019, within 2010–2020 (9 of 15); ` +
			`headcount not known yet (5 of 15); local company (10 of 10); no website known (0 of 5); in good standing (5 of 5).",leadctl,leadctl-1)`,
	}, w.rows(`SELECT score, bucket, rationale, source, version FROM lead_scores ORDER BY score DESC`))
	require.Equal(t, []string{`("{""age"": 1, ""form"": 1, ""rule"": ""Software"", ""size"": 0.3, ""rule_id"": 1, ""website"": 0, ""industry"": 1, ""keywords"": 1, ""standing"": 1}")`},
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
	w.exec(`UPDATE companies SET updated_at = updated_at - CASE WHEN name LIKE 'ECHO%' THEN interval '1 day' ELSE interval '2 days' END`)
	w.score(1, leads.ScoreOptions{Full: true}) // the run that knows where to go on
	w.stage("201500001A", "ACME CLOUD PTE. LTD.", "Local Company", "Live Company", "2024-03-01", "62011")
	w.stage("52800003C", "CORNER CAFE", "Sole Proprietorship/ Partnership", "Cancelled", "2008-05-05", "56111")
	w.stage("202600007G", "GOLF PTE. LTD.", "Local Company", "Live Company", "2026-01-01", "93110")
	require.Equal(t, leads.CompaniesReport{Added: 1, Updated: 2, Closed: 1}, w.refresh())
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, leads.ScoreReport{RunID: 5, Rules: 1, Version: "leadctl-1", Candidates: 3, Added: 1, Changed: 1, Removed: 1}, report)
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
	const outcome = `SELECT company_id, score, bucket, rationale, features FROM lead_scores JOIN lead_features USING (tenant_id, company_id) ORDER BY 1`
	for range 12 {
		w.exec(`UPDATE companies SET updated_at = updated_at - interval '1 day'`)
		w.exec(`UPDATE enrichment_runs SET counts = jsonb_set(counts, '{seen}', to_jsonb((SELECT max(updated_at) FROM companies)))`)
		for range 5 {
			n := random.IntN(30)
			w.stage(fmt.Sprintf("2000%05dA", n), pick("ONE", "TWO", "SEVEN SEAS", "THREE ONE"), pick("Local Company", "Limited Partnership"),
				pick("Live", "Live Company", "Struck Off"), pick("2005", "2012", "2020")+"-01-01", pick("62011", "58131", "47711"))
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
	w.exec(`UPDATE companies SET website_domain = 'acme.example', updated_at = updated_at - interval '30 minutes' WHERE name LIKE 'ACME%'`)
	require.Equal(t, int64(1), w.score(1, leads.ScoreOptions{}).Changed)
}

// What is not known of a company is no reason to rule it out.
func TestExclusionsNeedAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO companies (name) VALUES (NULL)`)
	w.rule(1, "None of these", `{"exclusions":{"industries":["J","odd"],"ssic_codes":["62"],"entity_types":["LLP"],"keywords":["x"],"uens":["201500001A"]}}`)
	require.Equal(t, int64(1), w.score(1, leads.ScoreOptions{}).Added)
}

func TestCompaniesFollowTheRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	require.Equal(t, []string{
		`(198000005E,"ECHO SHIPPING LTD",50021,"transportation and storage",1980,"Local Company",t)`,
		`(201500001A,"ACME CLOUD PTE. LTD.",62011,"information and communications",2015,"Local Company",t)`,
		`(201900002B,"BETA SOFTWARE PTE. LTD.",62021,"information and communications",2019,"Local Company",t)`,
		`(52800003C,"CORNER CAFE",56111,"accommodation and food service activities",2008,"Sole Proprietorship/ Partnership",t)`,
		`(T05LL0004D,"DELTA ADVISORS LLP",70201,"professional, scientific and technical activities",2005,"Limited Liability Partnership",t)`,
	}, w.rows(`SELECT uen, name, industry_code, industry_norm, incorporation_year, entity_type, live FROM companies ORDER BY uen`))

	before := w.versions("companies")
	require.Zero(t, w.refresh())
	require.Equal(t, before, w.versions("companies"))

	// What other services add stays; what the register no longer holds stops being live; a run that is going does not count.
	w.exec(`UPDATE companies SET website_domain = 'acme.example', employees_est = 12 WHERE uen = '201500001A'`)
	w.exec(`INSERT INTO acra_runs (run_id, source, state) VALUES (9, 'test', 'running')`)
	w.stage("201500001A", "ACME RENAMED PTE. LTD.", "Local Company", "Live Company", "1111-03-01", "na")
	w.stage("202600008H", "HOTEL PTE. LTD.", "Local Company", "Live Company", "2026-01-01", "55101")
	w.exec(`UPDATE staging_acra_companies SET run_id = 9 WHERE uen = '202600008H'`)
	w.exec(`UPDATE staging_acra_companies SET absent_since = now() WHERE uen = '198000005E'`)
	require.Equal(t, leads.CompaniesReport{Updated: 2, Closed: 1}, w.refresh())
	require.Equal(t, []string{`("ACME RENAMED PTE. LTD.",,"information and communications",,acme.example,12,t)`},
		w.rows(`SELECT name, industry_code, industry_norm, incorporation_year, website_domain, employees_est, live FROM companies WHERE uen = '201500001A'`))
	w.exec(`UPDATE acra_runs SET state = 'done', finished_at = now(), inserted = 1`)
	require.Equal(t, leads.CompaniesReport{Added: 1}, w.refreshStale())
	require.Zero(t, w.refreshStale())
}

func (w world) refreshStale() (report leads.CompaniesReport) {
	w.t.Helper()
	require.NoError(w.t, w.App.InSystem(w.t.Context(), "test", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		report, err = leads.RefreshStaleCompanies(ctx, tx)
		return err
	}))
	return report
}

func TestProfilesPick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.exec(`UPDATE companies SET employees_est = 50 WHERE name LIKE 'BETA%'`)
	w.exec(`UPDATE companies SET industry_norm = 'bespoke' WHERE name LIKE 'ECHO%'`)
	for payload, want := range map[string][]string{
		`{}`:                                                         {"ACME", "BETA", "CORNER", "DELTA", "ECHO"},
		`{"unknown":1}`:                                              {"ACME", "BETA", "CORNER", "DELTA", "ECHO"},
		`{"industries":["J"]}`:                                       {"ACME", "BETA"},
		`{"industries":["F&B","consulting"]}`:                        {"CORNER", "DELTA"},
		`{"industries":["Bespoke"]}`:                                 {"ECHO"},
		`{"industries":["nothing like it"]}`:                         {},
		`{"ssic_codes":["6201"]}`:                                    {"ACME"},
		`{"ssic_codes":["62011","50"]}`:                              {"ACME", "ECHO"},
		`{"ssic_codes":["62011"],"industries":["software"]}`:         {"ACME", "BETA"},
		`{"keywords":["cloud"]}`:                                     {"ACME"},
		`{"keywords":["clou"]}`:                                      {},
		`{"keywords":["beta software","C++"]}`:                       {"BETA"},
		`{"keywords":["cloud"],"industries":["J"]}`:                  {"ACME", "BETA"},
		`{"incorporation_year":{"min":2005,"max":2015}}`:             {"ACME", "CORNER", "DELTA"},
		`{"incorporation_year":{"max":2005}}`:                        {"DELTA", "ECHO"},
		`{"employee_range":{"min":10,"max":40}}`:                     {"ACME", "CORNER", "DELTA", "ECHO"},
		`{"employee_range":{"min":10,"max":60}}`:                     {"ACME", "BETA", "CORNER", "DELTA", "ECHO"},
		`{"entity_types":["LOCAL company"]}`:                         {"ACME", "BETA", "ECHO"},
		`{"exclusions":{"industries":["software"]}}`:                 {"CORNER", "DELTA", "ECHO"},
		`{"exclusions":{"ssic_codes":["56","7"]}}`:                   nil, // one digit is refused
		`{"exclusions":{"ssic_codes":["56","70"]}}`:                  {"ACME", "BETA", "ECHO"},
		`{"exclusions":{"keywords":["cafe"],"uens":["201500001a"]}}`: {"BETA", "DELTA", "ECHO"},
		`{"exclusions":{"entity_types":["Local Company"]}}`:          {"CORNER", "DELTA"},
		`{"keywords":["x') OR 1=1 --","(x.*"]}`:                      {},
	} {
		profile, err := leads.ParseProfile([]byte(payload))
		if want == nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			continue
		}
		require.NoError(t, err)
		w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
			trial, err := leads.TryProfile(ctx, tx, profile)
			require.NoError(t, err, payload)
			require.Equal(t, int64(len(want)), trial.Matches, payload)
		})
		w.rule(1, "Rule", payload)
		w.score(1, leads.ScoreOptions{})
		var first []string
		for _, r := range w.rows(`SELECT split_part(name, ' ', 1) FROM lead_scores JOIN companies USING (company_id) ORDER BY 1`) {
			first = append(first, r[1:len(r)-1])
		}
		require.ElementsMatch(t, want, first, payload)
	}
}

func TestTrialSaysWhatCutsMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	profile, err := leads.ParseProfile([]byte(`{"entity_types":["Local Company"],"incorporation_year":{"min":2010},"industries":["shipping"]}`))
	require.NoError(t, err)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		trial, err := leads.TryProfile(ctx, tx, profile)
		require.NoError(t, err)
		require.Equal(t, int64(5), trial.Live)
		require.Zero(t, trial.Matches)
		require.Equal(t, []leads.Cut{{Condition: "industries", Fulfil: 1, Cuts: 2}, {Condition: "incorporation_year", Fulfil: 2, Cuts: 1}, {Condition: "entity_types", Fulfil: 3}}, trial.Conditions)
		require.Equal(t, "industries", trial.CutsMost)
		require.Empty(t, trial.Sample)
	})
}

func TestBestRuleCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "Wide", `{"incorporation_year":{"min":1900,"max":2020}}`)
	w.rule(1, "Narrow", `{"ssic_codes":["62011"]}`)
	w.score(1, leads.ScoreOptions{})
	require.Equal(t, []string{`(ACME,Narrow)`, `(BETA,Wide)`, `(CORNER,Wide)`, `(DELTA,Wide)`, `(ECHO,Wide)`},
		w.rows(`SELECT split_part(name, ' ', 1), features->>'rule' FROM lead_features JOIN companies USING (company_id) ORDER BY 1`))
}

// Rows that other services wrote stay as they are, and what they added to ours stays too.
func TestOtherWritersAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.exec(`INSERT INTO lead_scores (tenant_id, company_id, score, source) SELECT 1, company_id, 0.99, 'platform' FROM companies WHERE name LIKE 'ACME%' OR name LIKE 'CORNER%'`)
	w.exec(`INSERT INTO lead_features (tenant_id, company_id, features, source) SELECT 1, company_id, '{"theirs": true}', 'platform' FROM companies WHERE name LIKE 'ACME%'`)
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
		w.rows(`SELECT split_part(name, ' ', 1), score, s.source, version FROM lead_scores s JOIN companies USING (company_id) ORDER BY 1`))
	require.Equal(t, []string{`(platform,"{""theirs"": true}")`}, w.rows(`SELECT source, features FROM lead_features WHERE source <> 'leadctl'`))
	require.Equal(t, []string{`(Ada,Software)`}, w.rows(`SELECT features->>'contact_name', features->>'rule' FROM lead_features WHERE source = 'leadctl'`))

	w.rule(1, "Software", `{"industries":["software"],"keywords":["beta"]}`)
	w.score(1, leads.ScoreOptions{})
	require.Equal(t, []string{`(Ada,1)`}, w.rows(`SELECT features->>'contact_name', features->>'keywords' FROM lead_features WHERE source = 'leadctl'`))

	w.rule(1, "Software", `{"industries":["mining"]}`)
	report = w.score(1, leads.ScoreOptions{})
	require.Equal(t, int64(1), report.Removed)
	require.Equal(t, []string{`("{""theirs"": true}")`, `("{""contact_name"": ""Ada""}")`}, w.rows(`SELECT features FROM lead_features ORDER BY source DESC`))
	require.Len(t, w.rows(`SELECT FROM lead_scores`), 2)
}

func TestRuleOfAnotherShapeIsSkippedAndNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.exec(`INSERT INTO icp_rules (tenant_id, rule_id, name, payload) VALUES (1, 5, 'Old', '{"industries": "software"}'), (1, 6, 'List', '[1]')`)
	w.rule(1, "Food", `{"industries":["restaurants"]}`)
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, []string{`rule "Old": payload.industries: a string is not what goes here`}, report.Skipped)
	require.Equal(t, 2, report.Rules, "a payload that is no object reads as an empty profile")
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		rules, err := leads.ListRules(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, "Food", rules[0].Name)
		require.Equal(t, int32(7), rules[0].RuleID)
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
			_, err := leads.Score(ctx, tx, leads.ScoreOptions{Weights: weights})
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

func TestRunsOfOneTenantFollowEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	var wait sync.WaitGroup
	added := make([]int64, 4)
	for i := range added {
		wait.Go(func() {
			err := w.App.InTenant(t.Context(), 1, func(ctx context.Context, tx postgres.TenantTx) error {
				report, err := leads.Score(ctx, tx, leads.ScoreOptions{})
				added[i] = report.Added
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.ElementsMatch(t, []int64{5, 0, 0, 0}, added)
	require.Equal(t, []string{"(1,done)", "(2,done)", "(3,done)", "(4,done)"}, w.rows(`SELECT run_id, status FROM enrichment_runs ORDER BY 1`))
}

// Whoever edits a rule does not wait for a scoring that takes long.
func TestRulesCanBeEditedWhileScoring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "All", `{}`)
	var run leads.Run
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		var err error
		run, err = leads.StartRun(ctx, tx)
		require.NoError(t, err)
	})
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.Score(ctx, tx, leads.ScoreOptions{RunID: run.RunID})
		require.NoError(t, err)
		w.rule(1, "Meanwhile", `{"keywords":["x"]}`) // in a transaction of its own
	})
	require.True(t, w.score(1, leads.ScoreOptions{}).Full, "the new rule counts from the next run on")
}

func TestRunIsKeptFromAskingToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	var asked leads.Run
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		var err error
		asked, err = leads.StartRun(ctx, tx)
		require.NoError(t, err)
		require.Equal(t, leads.RunQueued, asked.Status)
	})
	require.Equal(t, asked.RunID, w.score(1, leads.ScoreOptions{RunID: asked.RunID}).RunID)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		require.NoError(t, leads.FailRun(ctx, tx, asked.RunID, "too late"))
		done, err := leads.GetRun(ctx, tx, asked.RunID)
		require.NoError(t, err)
		require.Equal(t, leads.RunDone, done.Status, "a run that is done does not fail afterwards")
		require.NotNil(t, done.EndedAt)
		second, err := leads.StartRun(ctx, tx)
		require.NoError(t, err)
		require.NoError(t, leads.FailRun(ctx, tx, second.RunID, "no database"))
		failed, err := leads.GetRun(ctx, tx, second.RunID)
		require.NoError(t, err)
		require.Equal(t, "no database", *failed.Error)
		_, err = leads.GetRun(ctx, tx, 99)
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	})
	w.as(2, func(ctx context.Context, tx postgres.TenantTx) {
		_, err := leads.GetRun(ctx, tx, asked.RunID)
		require.Equal(t, fault.NotFound, fault.KindOf(err), "another tenant's run")
		_, err = leads.Score(ctx, tx, leads.ScoreOptions{RunID: asked.RunID})
		require.Equal(t, fault.NotFound, fault.KindOf(err), "another tenant's run")
	})
}
