package schema_test

import (
	"maps"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// TestCompaniesGetTheRegisteredAddress: companies of an older version get the address that the register has, as
// leads.RefreshCompanies writes it, and do not count as changed.
func TestCompaniesGetTheRegisteredAddress(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE DATABASE addresses`)
	before := releasedPlus()
	maps.DeleteFunc(before, func(name string, _ *fstest.MapFile) bool { return name >= "000015" })
	require.NoError(t, migrateUp(t, s.DSN("addresses"), before))
	conn := openConn(t, s.DSN("addresses"))
	mustExec(t, conn, `INSERT INTO companies (uen, name, updated_at)
			VALUES ('A', 'Full', '2020-01-01'), ('B', 'Parts', '2020-01-01'), ('C', 'None', '2020-01-01');
		INSERT INTO staging_acra_companies (uen, block, street_name, level_no, unit_no, building_name, postal_code)
			VALUES ('A', '10', 'ANSON ROAD', '10', '11', 'INTERNATIONAL PLAZA', '079903'),
				('B', 'na', ' ANSON ROAD ', '02', '', '', 'na'), ('C', 'na', NULL, '', NULL, 'na', ' ')`)
	require.NoError(t, migrateUp(t, s.DSN("addresses"), released.FS))
	require.Equal(t, []string{`(A,"10 ANSON ROAD","#10-11 INTERNATIONAL PLAZA",079903,2020)`,
		`(B,"ANSON ROAD",#02,,2020)`, `(C,,,,2020)`}, queryList[string](t, conn, `SELECT (uen, registered_street,
			registered_street2, registered_postal_code, extract(year FROM updated_at))::text
		FROM companies ORDER BY uen`))
}
