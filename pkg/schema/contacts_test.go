package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/schema"
)

// TestContactsOfTenantsAreAdopted: a table contacts with a tenant_id is adopted as tenant_contacts, whatever its keys
// are. Rows of a tenant stay in the table with all of their columns, other rows are set aside, and both services can
// write.
func TestContactsOfTenantsAreAdopted(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	mustExec(t, openConn(t, s.DSN("postgres")), `CREATE ROLE platform LOGIN CREATEROLE`)
	dsn := createPlatform(t, s, "contacts", "platform", `
		DROP TABLE contacts, lead_emails;
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
	require.Equal(t, int64(1), res.Unassigned["tenant_contacts"])
	require.Equal(t, int64(2), res.Unassigned["tenant_emails"])
	require.Empty(t, queryGate(t, admin))
	for from, to := range map[string]string{"contacts": "tenant_contacts", "lead_emails": "tenant_emails"} {
		before[to] = before[from]
		delete(before, from)
	}
	requireKept(t, admin, before)
	require.Equal(t, []string{"(1,Ada,chief,6561234567)", "(3,Bob,,)"}, queryList[string](t, admin,
		`SELECT (contact_id, name, seniority, phone)::text FROM tenant_contacts ORDER BY contact_id`))

	mustExec(t, admin, `SET ROLE leadctl_app`)
	mustExec(t, admin, `SELECT set_config('request.tenant_id', '1', false)`)
	mustExec(t, admin, `INSERT INTO tenant_emails (tenant_id, company_id, email) VALUES (1, 2, 'ada@one.example')`)
	require.Equal(t, 2, queryOne[int](t, admin, `SELECT count(*)::int FROM tenant_emails`))
	mustExec(t, admin, `RESET ROLE; RESET request.tenant_id`)
	theirs := openConn(t, dsn)
	mustExec(t, theirs, `SELECT set_config('request.tenant_id', '2', false)`)
	mustExec(t, theirs, `INSERT INTO tenant_contacts (tenant_id, company_id, name) VALUES (2, 1, 'Cid')`)
	require.Equal(t, []string{"Cid"}, queryList[string](t, theirs, `SELECT name FROM tenant_contacts`))

	// Down and up again, as after a deployment was rolled back.
	const allContacts = `SELECT t::text FROM tenant_contacts t UNION ALL SELECT t::text FROM tenant_emails t ORDER BY 1`
	rows := queryList[string](t, admin, allContacts)
	_, err = schema.Down(t.Context(), s.DSN("contacts"), released)
	require.NoError(t, err, fault.Hint(err))
	_, err = schema.Up(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	require.Equal(t, rows, queryList[string](t, admin, allContacts))
	require.Empty(t, queryGate(t, admin))
}

// TestOlderDatabaseGetsSharedContacts: a database whose contacts an earlier form of migration 4 set aside gets them
// back as shared ones, and a tenant's own rows stay its own.
func TestOlderDatabaseGetsSharedContacts(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Empty(t)
	conn := openConn(t, dsn)
	require.NoError(t, migrateUp(t, dsn, released.FS))
	fresh := describeSchema(t, conn)
	_, err := schema.Down(t.Context(), dsn, released)
	require.NoError(t, err, fault.Hint(err))
	mustExec(t, conn, `ALTER TABLE tenant_contacts RENAME TO contacts; ALTER TABLE tenant_emails RENAME TO lead_emails;
		ALTER TABLE contacts RENAME CONSTRAINT tenant_contacts_pkey TO contacts_pkey;
		ALTER INDEX tenant_emails_best_idx RENAME TO lead_emails_best_idx;
		UPDATE leadctl_migrations SET sha256 = 'df7faca4c63edeee00a4987ff7cf09b48b7adbe03b254971342ea48aeeb0dadc'
			WHERE version = 1;
		UPDATE leadctl_migrations SET sha256 = '60bae5e3789807e9a9c47384b3bc8277e85a54706e1397149be62394038671df'
			WHERE version = 4;
		INSERT INTO tenants (name) VALUES ('Acme'); INSERT INTO companies (uen) VALUES ('U');
		INSERT INTO contacts (tenant_id, company_id, name) VALUES (1, 1, 'Own');
		SET ROLE leadctl_owner;
		CREATE TABLE contacts_unassigned (reason text NOT NULL, moved_at timestamptz NOT NULL DEFAULT now(),
			row_data jsonb NOT NULL);
		RESET ROLE;
		INSERT INTO contacts_unassigned (reason, row_data) VALUES ('no such tenant',
			'{"contact_id": "11111111-1111-1111-1111-111111111111", "company_id": 1, "full_name": "Shared",
			"tenant_id": null}')`)
	require.NoError(t, migrateUp(t, dsn, released.FS))
	require.Equal(t, fresh, describeSchema(t, conn))
	require.NoError(t, readStatus(t, conn, released.FS).Problem())
	require.Equal(t, []string{"Own", "Shared"},
		queryList[string](t, conn, `SELECT name FROM company_contacts ORDER BY 1`))
	require.Equal(t, []string{"Shared"}, queryList[string](t, conn, `SELECT full_name FROM contacts`))
}
