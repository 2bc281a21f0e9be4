package leads_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/leads"
)

func TestRegisterBecomesCompanies(t *testing.T) {
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
}

func TestScorePicksAndExplains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.rule(1, "Software", `{"industries":["software"],"keywords":["cloud"],"incorporation_year":{"min":2010,"max":2020}}`)
	w.rule(2, "Food", `{"ssic_codes":["56"]}`)
	report := w.score(1, leads.ScoreOptions{})
	require.Equal(t, int64(2), report.Candidates)
	require.Equal(t, int64(2), report.Added)
	w.score(2, leads.ScoreOptions{})
	t.Log(w.rows(`SELECT * FROM lead_scores`), w.rows(`SELECT * FROM lead_features`), w.rows(`SELECT * FROM enrichment_runs`))
	require.Equal(t, []string{"ACME CLOUD PTE. LTD.", "BETA SOFTWARE PTE. LTD."}, w.names(1))
	require.Equal(t, []string{"CORNER CAFE"}, w.names(2))
}
