package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/schema"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// person is one who signs in, and what they got.
type person struct {
	devidp.User
	token    string
	tenant   tenantid.ID
	database string
	leads    map[int32]lead // of their export
}

type lead struct {
	ID        int32   `json:"company_id"`
	Name      string  `json:"name"`
	Score     float64 `json:"score"`
	Bucket    string  `json:"bucket"`
	Rationale string  `json:"rationale"`
}

func cast() []*person {
	return []*person{
		{User: devidp.User{ID: "alice", Name: "Alice", Email: "alice@acme.example", EmailVerified: true, Roles: []string{"ops"}}},
		{User: devidp.User{ID: "bob", Name: "Bob", Email: "bob@borealis.example", EmailVerified: true, Roles: []string{"viewer"}}},
	}
}

const operatorRole = "operator"

// visitors take no part in the story: they are for whoever opens the console. Carol has never signed in before.
func visitors() []devidp.User {
	return []devidp.User{
		{ID: "carol", Name: "Carol", Email: "carol@cedar.example", EmailVerified: true, Roles: []string{"ops"}},
		{ID: "olga", Name: "Olga", Email: "olga@platform.example", EmailVerified: true, Roles: []string{operatorRole}},
	}
}

const readyWithin = 60 * time.Second

// signIn is what a browser does: a token from the provider, one POST, then asking until the workspace is ready.
func (d *demo) signIn(ctx context.Context, p *person) (err error) {
	if p.token, err = d.idp.IssueToken(ctx, p.ID, clientID); err != nil {
		return err
	}
	status, body, err := d.call(ctx, http.MethodPost, "/onboarding/first_login", p.token, "")
	if err != nil || status != http.StatusAccepted {
		return unexpected("POST /onboarding/first_login as "+p.ID, status, err)
	}
	var state struct {
		Tenant tenantid.ID `json:"tenant_id"`
		Status string      `json:"status"`
		Error  *string     `json:"error"`
	}
	for deadline := time.Now().Add(readyWithin); state.Status != "ready"; {
		if err := json.Unmarshal(body, &state); err != nil {
			return err
		}
		if state.Status == "error" || time.Now().After(deadline) {
			return fault.New(fault.Internal, "workspace of %s: %s %s", p.ID, state.Status, deref(state.Error))
		}
		time.Sleep(20 * time.Millisecond)
		if status, body, err = d.call(ctx, http.MethodGet, "/onboarding/status", p.token, ""); err != nil || status != http.StatusOK {
			return unexpected("GET /onboarding/status as "+p.ID, status, err)
		}
	}
	p.tenant = state.Tenant
	return d.workspaceOf(ctx, p)
}

func (d *demo) workspaceOf(ctx context.Context, p *person) error {
	status, body, err := d.call(ctx, http.MethodGet, "/session/odoo_info", p.token, "")
	if err != nil || status != http.StatusOK {
		return unexpected("GET /session/odoo_info as "+p.ID, status, err)
	}
	var info struct {
		Odoo struct {
			Database string `json:"db_name"`
		} `json:"odoo"`
	}
	err = json.Unmarshal(body, &info)
	p.database = info.Odoo.Database
	return err
}

func (d *demo) exports(ctx context.Context) (string, error) {
	var told []string
	for _, p := range d.people {
		status, body, err := d.call(ctx, http.MethodGet, "/export/latest_scores.json?limit=all", p.token, "")
		if err != nil || status != http.StatusOK {
			return "", unexpected("export of "+p.ID, status, err)
		}
		var list []lead
		if err := json.Unmarshal(body, &list); err != nil {
			return "", err
		}
		if len(list) == 0 {
			return "", fault.New(fault.Internal, "export of %s: empty", p.ID)
		}
		p.leads = map[int32]lead{}
		for _, l := range list {
			p.leads[l.ID] = l
		}
		best, _, _ := strings.Cut(list[0].Rationale, ";")
		told = append(told, fmt.Sprintf("%-5s  %d rows; the best is %s\n       %s …", p.Name, len(list), list[0].Name, best))
	}
	return strings.Join(told, "\n"), nil
}

// isolation proves it three ways: what the exports hold, what foreign and missing tokens get, and what the database itself
// shows a connection that has not said for whom it asks.
func (d *demo) isolation(ctx context.Context) (string, error) {
	alice, bob := d.people[0], d.people[1]
	for id := range alice.leads {
		if _, both := bob.leads[id]; both {
			return "", fault.New(fault.Internal, "company %d is in both exports", id)
		}
	}
	for _, c := range []struct {
		what, path, token string
		want              int
	}{
		{"export without a token", "/export/latest_scores.json", "", http.StatusUnauthorized},
		{"Bob's tenant with Alice's token", "/tenants/" + bob.tenant.String(), alice.token, http.StatusNotFound},
		{"export with a forged token", "/export/latest_scores.json", alice.token[:len(alice.token)-8] + "AAAAAAAA", http.StatusUnauthorized},
	} {
		if status, _, err := d.call(ctx, http.MethodGet, c.path, c.token, ""); err != nil || status != c.want {
			return "", unexpected(c.what, status, err)
		}
	}
	tables, err := d.unscoped(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("no company is in both exports\nno token 401, forged token 401, the other's tenant 404\nSQL that names no tenant sees 0 rows in all %d tenant tables", tables), nil
}

// unscoped reads every tenant table as the application's role with no tenant set, on a connection of its own.
func (d *demo) unscoped(ctx context.Context) (int, error) {
	conn, err := pgx.Connect(ctx, d.cfg.Database.DSN)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND has_column_privilege('`+schema.AppRole+`', c.oid, a.attnum, 'SELECT')`)
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
			return 0, fault.New(fault.Internal, "table %s: %d rows without a tenant", t, n)
		}
	}
	return len(tables), d.counts(ctx)
}

// counts makes sure that the zeros above are not zeros of an empty table.
func (d *demo) counts(ctx context.Context) error {
	for _, p := range d.people {
		var n int
		err := d.db.ReadTenant(ctx, p.tenant, func(ctx context.Context, tx postgres.TenantTx) error {
			return tx.QueryRow(ctx, `SELECT count(*) FROM lead_scores`).Scan(&n)
		})
		if err != nil {
			return err
		}
		if n != len(p.leads) {
			return fault.New(fault.Internal, "tenant %s: %d scores in the database, %d exported", p.tenant, n, len(p.leads))
		}
	}
	return nil
}

// call is one request to the API.
func (d *demo) call(ctx context.Context, method, path, token, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fault.New(fault.Unavailable, "%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

func unexpected(what string, status int, err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Internal, "%s: answered %d", what, status)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
