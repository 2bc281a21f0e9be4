package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
)

// exportAll downloads all leads of each person.
func (d *demo) exportAll(ctx context.Context) (string, error) {
	var lines []string
	for _, p := range d.people {
		status, body, err := d.call(ctx, http.MethodGet, "/export/latest_scores.json?limit=all", p.token, "")
		if err != nil || status != http.StatusOK {
			return "", unexpectedStatus("export of "+p.ID, status, err)
		}
		var list []lead
		if err := json.Unmarshal(body, &list); err != nil {
			return "", err
		}
		if len(list) == 0 {
			return "", fault.New(fault.Internal, "export of %s: it has no rows", p.ID)
		}
		p.leads = map[int32]lead{}
		for _, l := range list {
			p.leads[l.ID] = l
		}
		best, _, _ := strings.Cut(list[0].Rationale, ";")
		lines = append(lines, fmt.Sprintf("%-5s  %d rows; the best is %s\n       %s …",
			p.Name, len(list), list[0].Name, best))
	}
	return strings.Join(lines, "\n"), nil
}

// proveIsolation compares the exports, sends foreign and missing tokens, and reads the database without naming a
// tenant.
func (d *demo) proveIsolation(ctx context.Context) (string, error) {
	alice, bob := d.people[0], d.people[1]
	for id := range alice.leads {
		if _, both := bob.leads[id]; both {
			return "", fault.New(fault.Internal, "company %d is in both exports", id)
		}
	}
	for _, c := range []struct {
		request, path, token string
		want                 int
	}{
		{"export without a token", "/export/latest_scores.json", "", http.StatusUnauthorized},
		{"Bob's tenant with Alice's token", "/tenants/" + bob.tenant.String(), alice.token, http.StatusNotFound},
		{"export with a forged token", "/export/latest_scores.json", alice.token[:len(alice.token)-8] + "AAAAAAAA",
			http.StatusUnauthorized},
	} {
		if status, _, err := d.call(ctx, http.MethodGet, c.path, c.token, ""); err != nil || status != c.want {
			return "", unexpectedStatus(c.request, status, err)
		}
	}
	tables, err := d.countWithoutTenant(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("no company is in both exports\nno token 401, forged token 401, the other's tenant 404\n"+
		"SQL that names no tenant sees 0 rows in all %d tenant tables", tables), nil
}

// countWithoutTenant counts the rows of every tenant table as the application's role with no tenant set, on a
// connection of its own. It returns the number of tables. A row that it sees is an Internal fault.
func (d *demo) countWithoutTenant(ctx context.Context) (int, error) {
	conn, err := pgx.Connect(ctx, d.cfg.Database.DSN)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT c.oid::regclass::text
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
			AND has_column_privilege('`+schema.AppRole+`', c.oid, a.attnum, 'SELECT')`)
	if err != nil {
		return 0, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	if _, err := conn.Exec(ctx, `SET ROLE `+schema.AppRole); err != nil {
		return 0, err
	}
	for _, t := range tables {
		var n int
		if err := conn.QueryRow(ctx, `SELECT count(tenant_id) FROM `+t).Scan(&n); err != nil {
			return 0, err
		}
		if n != 0 {
			return 0, fault.New(fault.Internal, "table %s: %d rows are visible without a tenant", t, n)
		}
	}
	return len(tables), d.compareCounts(ctx)
}

// compareCounts compares the scores in the database with the exports, so that countWithoutTenant did not count empty
// tables.
func (d *demo) compareCounts(ctx context.Context) error {
	for _, p := range d.people {
		var n int
		err := d.db.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
			return tx.QueryRow(ctx, `SELECT count(*) FROM lead_scores`).Scan(&n)
		})
		if err != nil {
			return err
		}
		if n != len(p.leads) {
			return fault.New(
				fault.Internal,
				"tenant %s: %d scores in the database, %d exported",
				p.tenant,
				n,
				len(p.leads),
			)
		}
	}
	return nil
}
