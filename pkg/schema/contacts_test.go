package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/schema"
)

// TestContactsAreAdopted: contacts of another service are adopted, whatever their keys are. Rows of a tenant stay in
// the table with all of their columns, other rows are set aside, and both services can write.
func TestContactsAreAdopted(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	dsn := createPlatform(t, s, "contacts", "platform", `
		CREATE TABLE contacts (contact_id serial PRIMARY KEY, company_id int REFERENCES companies,
			tenant_id int REFERENCES tenants, name varchar(80) NOT NULL, seniority text,
			email text UNIQUE, phone bigint, updated_at timestamp);
		INSERT INTO contacts (company_id, tenant_id, name, seniority, email, phone) VALUES
			(1, 1, 'Ada', 'chief', 'ada@one.example', 6561234567), (1, NULL, 'No tenant', NULL, NULL, NULL),
			(2, 1, 'Bob', NULL, NULL, NULL);
		CREATE TABLE notes (contact_id int REFERENCES contacts, note text); INSERT INTO notes VALUES (1, 'kept');
		CREATE TABLE lead_emails (email text PRIMARY KEY, company_id int, tenant_id int,
			status text CHECK (status IN ('ok', 'bad')), confidence numeric NOT NULL DEFAULT 0);
		INSERT INTO lead_emails VALUES ('ada@one.example', 1, 1, 'ok', 0.9), ('lost@one.example', 1, 99, 'ok', 0.1),
			('none@one.example', NULL, 1, NULL, 0);
		ALTER TABLE lead_emails ENABLE ROW LEVEL SECURITY; CREATE POLICY x ON lead_emails USING (true)`)
	admin := openConn(t, s.DSN("contacts"))
	before := allRows(t, admin)

	res, err := schema.Up(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	require.Equal(t, int64(1), res.Unassigned["contacts"])
	require.Equal(t, int64(2), res.Unassigned["lead_emails"])
	require.Empty(t, queryGate(t, admin))
	delete(before, "contacts_unassigned")
	requireKept(t, admin, before)
	require.Equal(t, []string{"(1,Ada,chief,6561234567)", "(3,Bob,,)"}, queryList[string](t, admin,
		`SELECT (contact_id, name, seniority, phone)::text FROM contacts ORDER BY contact_id`))

	mustExec(t, admin, `SET ROLE leadctl_app`)
	mustExec(t, admin, `SELECT set_config('request.tenant_id', '1', false)`)
	mustExec(t, admin, `INSERT INTO lead_emails (tenant_id, company_id, email) VALUES (1, 2, 'ada@one.example')`)
	require.Equal(t, 2, queryOne[int](t, admin, `SELECT count(*)::int FROM lead_emails`))
	mustExec(t, admin, `RESET ROLE; RESET request.tenant_id`)
	theirs := openConn(t, dsn)
	mustExec(t, theirs, `SELECT set_config('request.tenant_id', '2', false)`)
	mustExec(t, theirs, `INSERT INTO contacts (tenant_id, company_id, name) VALUES (2, 1, 'Cid')`)
	require.Equal(t, []string{"Cid"}, queryList[string](t, theirs, `SELECT name FROM contacts`))

	// Down and up again, as after a deployment was rolled back.
	const allContacts = `SELECT t::text FROM contacts t UNION ALL SELECT t::text FROM lead_emails t ORDER BY 1`
	rows := queryList[string](t, admin, allContacts)
	_, err = schema.Down(t.Context(), s.DSN("contacts"), released)
	require.NoError(t, err, fault.Hint(err))
	_, err = schema.Up(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	require.Equal(t, rows, queryList[string](t, admin, allContacts))
	require.Empty(t, queryGate(t, admin))
}
