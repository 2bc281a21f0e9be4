package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/migrations"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

// checkCatalog checks what PostgreSQL's catalog shows: server, schema, row security, login.
func checkCatalog(ctx context.Context, o Options, db *postgres.DB) (checks []Check) {
	err := db.ReadCatalog(ctx, func(q schema.Querier) error {
		version, err := schemaVersion(ctx, q)
		checks = append(checks, checkServer(ctx, q), checkServerSettings(ctx, q, o),
			fromError("migrations", err, fmt.Sprintf("version %d", version)))
		if version == 0 { // nothing is safe or unsafe yet
			checks = append(checks, skippedChecks("no schema of leadctl", "row security", "login")...)
			return nil
		}
		checks = append(checks, checkRowSecurity(ctx, q), checkLogin(ctx, q, o))
		checks = append(checks, listOthers(ctx, q)...)
		return nil
	})
	if err != nil {
		checks = append(checks, fromError("postgresql", err, ""))
	}
	return checks
}

func checkServer(ctx context.Context, q schema.Querier) Check {
	var version string
	var number int
	err := q.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int`).
		Scan(&version, &number)
	if err == nil && number < schema.MinServerVersion {
		err = fault.New(fault.Operator, "PostgreSQL %s is too old: must be 15 or later", version)
	}
	return fromError("postgresql", err, version)
}

// checkServerSettings checks the server's settings that can lose data or reject leadctl's connections and writes.
func checkServerSettings(ctx context.Context, q schema.Querier, o Options) Check {
	var encoding, fsync, pages string
	var standby bool
	var most, used int
	err := q.QueryRow(ctx, `SELECT
			current_setting('server_encoding'), current_setting('fsync'), current_setting('full_page_writes'),
			pg_is_in_recovery(),
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
			(SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database)::int`).
		Scan(&encoding, &fsync, &pages, &standby, &most, &used)
	c := fromError("settings", err, fmt.Sprintf("%s, %d of %d connections in use", encoding, used, most))
	state := Failed
	if o.Config.Development() {
		state = Warning
	}
	switch {
	case err != nil:
	case standby:
		c.State, c.Fact, c.Fix = Failed, "the server is a standby and rejects writes",
			"set POSTGRES_DSN to the primary, or add target_session_attrs=read-write to it"
	case encoding != "UTF8":
		c.State, c.Fact, c.Fix = Failed, "the database's encoding is "+encoding+", must be UTF8",
			"create a database with ENCODING 'UTF8' and move the data to it"
	case fsync == "off" || pages == "off":
		c.State, c.Fix = state, "set both to on in postgresql.conf"
		c.Fact = fmt.Sprintf("fsync %s, full_page_writes %s: a crash can lose committed data", fsync, pages)
	case most-used < o.Config.Database.MaxConns:
		c.State = Warning
		c.Fact = fmt.Sprintf("%d of %d connections in use; each leadctl opens up to %d", used, most,
			o.Config.Database.MaxConns)
		c.Fix = "raise max_connections, or lower LEADCTL_DATABASE_MAX_CONNS"
	}
	return c
}

// schemaVersion returns the schema's version, 0 if there is none or it is unknown, and what is wrong with it.
func schemaVersion(ctx context.Context, q schema.Querier) (uint, error) {
	st, err := schema.ReadStatus(ctx, q, migrations.FS)
	if err == nil {
		err = st.Problem()
	}
	return st.Version, err
}

func checkRowSecurity(ctx context.Context, q schema.Querier) Check {
	found, err := schema.Gate(ctx, q)
	if err == nil {
		err = schema.Refusal(found)
	}
	return fromError("row security", err,
		"forced on every table with tenant rows, with leadctl's policies")
}

// listOthers lists what is unsafe at other services: tables that leadctl's roles cannot reach, and what a service's
// login could read. Each has the SQL that mends it. They stop nothing.
func listOthers(ctx context.Context, q schema.Querier) []Check {
	found, err := schema.Others(ctx, q)
	if err != nil {
		return []Check{fromError("other services", err, "")}
	}
	var checks []Check
	var inTables []schema.Violation
	tables := map[string]bool{}
	for _, v := range found {
		if v.Rule != schema.ServiceLogin {
			inTables, tables[v.Object] = append(inTables, v), true
			continue
		}
		checks = append(checks, Check{Name: "other services", State: Warning, Fact: v.Object + ": " + v.Text,
			Fix: schema.Hint([]schema.Violation{v})})
	}
	if len(inTables) > 0 {
		names := strings.Join(slices.Sorted(maps.Keys(tables)), ", ")
		checks = append(checks, Check{Name: "other services", State: OK, Fact: fmt.Sprintf(
			"leadctl's roles cannot reach their %d unsafe tables with tenant_id: %s", len(tables), names),
			Fix: "none for leadctl; to make the tables safe for tenants, " + schema.Hint(inTables)})
	}
	return checks
}

// checkLogin checks the rights of the login itself, which RESET ROLE returns to. Too many rights are a warning in
// development.
func checkLogin(ctx context.Context, q schema.Querier, o Options) Check {
	found, err := schema.GateLogin(ctx, q)
	if err == nil && len(found) > 0 && o.Config.Development() {
		return Check{Name: "login", State: Warning, Fact: found[0].String(),
			Fix: "none needed in development; production rejects this login"}
	}
	if err == nil {
		err = schema.Refusal(found)
	}
	return fromError("login", err, "can become leadctl_app and leadctl_system only")
}

// errUndo rolls the proof back.
var errUndo = errors.New("proof rolled back")

// Numbers that no tenant has: tenant numbers start at 1.
const proofA, proofB = 2147483646, 2147483647

// checkTwoTenants tests row security with two new tenants: the second tries to read, change and forge a row of the
// first. It uses the role of requests, in a transaction that it rolls back.
func checkTwoTenants(ctx context.Context, _ Options, db *postgres.DB) []Check {
	var tables int
	err := db.InSystem(ctx, "doctor: two tenants", func(ctx context.Context, tx postgres.SystemTx) (err error) {
		if tables, err = proveTenants(ctx, tx); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	c := fromError("two tenants", err, fmt.Sprintf(
		"a tenant could not read, change or forge another's row, and read none in %d tables", tables))
	return []Check{c.orFix("stop every `leadctl serve`, run `leadctl migrate status`, and see docs/security.md")}
}

func proveTenants(ctx context.Context, tx postgres.SystemTx) (tables int, err error) {
	for _, sql := range []string{
		fmt.Sprintf(`INSERT INTO tenants (tenant_id, name) VALUES (%d, 'doctor a'), (%d, 'doctor b')`, proofA, proofB),
		fmt.Sprintf(`SELECT set_config('role', '%s', true), set_config('request.tenant_id', '%d', true)`,
			schema.AppRole, proofA),
		fmt.Sprintf(`INSERT INTO icp_rules (rule_id, tenant_id, name, payload) VALUES (1, %d, 'doctor', '{}')`, proofA),
		fmt.Sprintf(`SELECT set_config('request.tenant_id', '%d', true)`, proofB),
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	for _, try := range []struct{ what, sql string }{
		{"reads", `SELECT 1 FROM icp_rules WHERE name = 'doctor'`},
		{"changes", `UPDATE icp_rules SET name = 'taken' WHERE name = 'doctor'`},
		{"deletes", `DELETE FROM icp_rules WHERE name = 'doctor'`},
	} {
		tag, err := tx.Exec(ctx, try.sql)
		if err != nil {
			return 0, err
		}
		if tag.RowsAffected() > 0 {
			return 0, fault.New(fault.Operator, "a tenant %s the rule of another tenant", try.what)
		}
	}
	if tables, err = foreignRows(ctx, tx); err != nil {
		return tables, err
	}
	return tables, tryForgedRow(ctx, tx)
}

// foreignRows reads each table with tenant rows as a tenant without rows, and returns an error when it reads any.
func foreignRows(ctx context.Context, tx postgres.SystemTx) (tables int, err error) {
	var names []string
	err = tx.QueryRow(ctx, `SELECT coalesce(array_agg(c.oid::regclass::text), '{}')
		FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
			AND has_table_privilege(c.oid, 'SELECT') AND c.relname <> 'tenants'`).Scan(&names)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		tag, err := tx.Exec(ctx, `SELECT 1 FROM `+name+` LIMIT 1`)
		if err != nil {
			return 0, err
		}
		if tag.RowsAffected() > 0 {
			return 0, fault.New(fault.Operator, "a tenant without rows reads rows of table %s", name)
		}
	}
	return len(names), nil
}

const pgerrcodeDenied = "42501" // insufficient_privilege, the error of row security

// tryForgedRow inserts a row of the first tenant as the second. It runs last: the expected error ends the transaction.
func tryForgedRow(ctx context.Context, tx postgres.SystemTx) error {
	_, err := tx.Exec(ctx,
		fmt.Sprintf(`INSERT INTO icp_rules (rule_id, tenant_id, name, payload) VALUES (2, %d, 'forged', '{}')`, proofA))
	if err == nil {
		return fault.New(fault.Operator, "a tenant inserts a rule of another tenant")
	}
	if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == pgerrcodeDenied {
		return nil
	}
	return err
}
