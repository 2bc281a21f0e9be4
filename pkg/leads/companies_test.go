package leads_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/leads"
)

func TestCompaniesFollowTheRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	require.Equal(t, []string{
		`(198000005E,"ECHO SHIPPING LTD",50021,"transportation and storage",1980,"Local Company",t)`,
		`(201500001A,"ACME CLOUD PTE. LTD.",62011,"information and communications",2015,"Local Company",t)`,
		`(201900002B,"BETA SOFTWARE PTE. LTD.",62021,"information and communications",2019,"Local Company",t)`,
		`(52800003C,"CORNER CAFE",56111,"accommodation and food service activities",2008,"Sole Proprietorship/ ` +
			`Partnership",t)`,
		`(T05LL0004D,"DELTA ADVISORS LLP",70201,"professional, scientific and technical activities",2005,"Limited ` +
			`Liability Partnership",t)`,
	}, w.rows(`SELECT uen, name, industry_code, industry_norm, incorporation_year, entity_type, live FROM companies
		ORDER BY uen`))

	before := w.versions("companies")
	require.Zero(t, w.refresh())
	require.Equal(t, before, w.versions("companies"))

	// What other services add stays; what the register no longer holds stops being live; a run that is going does not
	// count.
	w.exec(`UPDATE companies SET website_domain = 'acme.example', employees_est = 12 WHERE uen = '201500001A'`)
	w.exec(`INSERT INTO acra_runs (run_id, source, state) VALUES (9, 'test', 'running')`)
	w.stage("201500001A", "ACME RENAMED PTE. LTD.", "Local Company", "Live Company", "1111-03-01", "na")
	w.stage("202600008H", "HOTEL PTE. LTD.", "Local Company", "Live Company", "2026-01-01", "55101")
	w.exec(`UPDATE staging_acra_companies SET run_id = 9 WHERE uen = '202600008H'`)
	w.exec(`UPDATE staging_acra_companies SET absent_since = now() WHERE uen = '198000005E'`)
	require.Equal(t, leads.CompaniesReport{Updated: 2, Closed: 1}, w.refresh())
	require.Equal(t, []string{`("ACME RENAMED PTE. LTD.",,"information and communications",,acme.example,12,t)`},
		w.rows(`SELECT name, industry_code, industry_norm, incorporation_year, website_domain, employees_est, live
			FROM companies WHERE uen = '201500001A'`))
	w.exec(`UPDATE acra_runs SET state = 'done', finished_at = now(), inserted = 1`)
	require.Equal(t, leads.CompaniesReport{Added: 1}, w.refreshStale())
	require.Zero(t, w.refreshStale())
}

// TestCompaniesHaveTheRegisteredAddress: the parts of an address that the register has become street, floor and postal
// code, in companies that are new and in those that moved.
func TestCompaniesHaveTheRegisteredAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	const address = `SELECT registered_street, registered_street2, registered_postal_code FROM companies
		WHERE uen = '201500001A'`
	require.Equal(t, []string{`(,,)`}, w.rows(address))
	for _, c := range []struct{ block, street, level, unit, building, postal, want string }{
		{"10", "ANSON ROAD", "10", "11", "INTERNATIONAL PLAZA", "079903",
			`("10 ANSON ROAD","#10-11 INTERNATIONAL PLAZA",079903)`},
		{"na", " ANSON ROAD ", "na", "na", "na", "na", `("ANSON ROAD",,)`},
		{"10A", "ANSON ROAD", "02", "", "", "0106", `("10A ANSON ROAD",#02,0106)`},
		{"", "", "", "", "THE TOWER", "079903", `(,"THE TOWER",079903)`},
	} {
		w.exec(`UPDATE staging_acra_companies SET block = $1, street_name = $2, level_no = $3, unit_no = $4,
			building_name = $5, postal_code = $6 WHERE uen = '201500001A'`, c.block, c.street, c.level, c.unit,
			c.building, c.postal)
		require.Equal(t, leads.CompaniesReport{Updated: 1}, w.refresh())
		require.Equal(t, []string{c.want}, w.rows(address))
	}
	w.exec(`DELETE FROM companies WHERE uen = '201500001A'`)
	require.Equal(t, leads.CompaniesReport{Added: 1}, w.refresh())
	require.Equal(t, []string{`(,"THE TOWER",079903)`}, w.rows(address))
}

func (w world) refreshStale() leads.CompaniesReport { return w.companies(leads.RefreshStaleCompanies) }
