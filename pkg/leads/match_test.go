package leads_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// What is not known of a company is no reason to rule it out.
func TestExclusionsNeedAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO companies (name) VALUES (NULL)`)
	w.rule(1, "None of these", `{"exclusions":{"industries":["J","odd"],"ssic_codes":["62"],"entity_types":["LLP"],
		"keywords":["x"],"uens":["201500001A"]}}`)
	require.Equal(t, int64(1), w.score(1, leads.ScoreOptions{}).Added)
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
		for _, r := range w.rows(
			`SELECT split_part(name, ' ', 1) FROM lead_scores JOIN companies USING (company_id) ORDER BY 1`) {
			first = append(first, r[1:len(r)-1])
		}
		require.ElementsMatch(t, want, first, payload)
	}
}

func TestTrialSaysWhatCutsMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	profile, err := leads.ParseProfile(
		[]byte(`{"entity_types":["Local Company"],"incorporation_year":{"min":2010},"industries":["shipping"]}`))
	require.NoError(t, err)
	w.as(1, func(ctx context.Context, tx postgres.TenantTx) {
		trial, err := leads.TryProfile(ctx, tx, profile)
		require.NoError(t, err)
		require.Equal(t, int64(5), trial.Live)
		require.Zero(t, trial.Matches)
		require.Equal(t, []leads.Cut{{Condition: "industries", Fulfil: 1, Cuts: 2},
			{Condition: "incorporation_year", Fulfil: 2, Cuts: 1}, {Condition: "entity_types", Fulfil: 3}},
			trial.Conditions)
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
		w.rows(`SELECT split_part(name, ' ', 1), features->>'rule' FROM lead_features JOIN companies USING (company_id)
			ORDER BY 1`))
}
