package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// findViolations checks the final state against the promises, and returns a line for each violation:
//
//	I1 everything acknowledged is in the database    I2 one tenant, user and workspace per person
//	I3 no effect in Odoo happens twice               I4 no tenant's data is in another's workspace
//	I5 no job is left over                           I8 ready is reported only when it is true
//	I10 no person had to intervene                   I11 no log has a secret
func (w *world) findViolations(ctx context.Context) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, p := range w.people {
		found = append(found, p.broken...)
		if !p.ready {
			say("I10 %s never became ready", p.id)
		}
		if len(p.tenants) > 1 {
			say("I2 %s got answers for several tenants: %v", p.id, slices.Sorted(maps.Keys(p.tenants)))
		}
		if p.restarts > 0 {
			say("I10 %s had to sign in again %d times after an error", p.id, p.restarts)
		}
	}
	conn, err := pgx.Connect(ctx, w.ownerDSN)
	if err != nil {
		return append(found, "database: "+err.Error())
	}
	defer conn.Close(ctx)
	found = append(found, w.inDatabase(ctx, conn)...)
	found = append(found, w.inOdoo(ctx, conn)...)
	return append(found, w.inLogs()...)
}

// waitForJobs waits up to 20 seconds until no job is left to run. The checker reports the jobs that remain.
func (w *world) waitForJobs(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.ownerDSN)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for range 200 {
		var left int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM river.river_job
			WHERE state IN ('running', 'retryable', 'available')`).Scan(&left); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		sleepContext(ctx, 100*time.Millisecond)
	}
	return nil
}

// inDatabase returns rows that must not exist.
func (w *world) inDatabase(ctx context.Context, conn *pgx.Conn) (found []string) {
	for what, sql := range map[string]string{
		"I2 tenants without a user": `SELECT tenant_id FROM tenants t
			WHERE NOT EXISTS (SELECT FROM tenant_users u WHERE u.tenant_id = t.tenant_id)`,
		"I2 identities in two tenants": `SELECT subject FROM tenant_users GROUP BY subject HAVING count(*) > 1`,
		"I2 workspaces of two tenants": `SELECT db_name FROM odoo_connections GROUP BY db_name HAVING count(*) > 1`,
		"I2 tenants without an active workspace": `SELECT tenant_id FROM tenants t
			WHERE NOT EXISTS (SELECT FROM odoo_connections c WHERE c.tenant_id = t.tenant_id AND c.active)`,
		"I5 jobs left over": `SELECT kind || ' ' || state || ' ' || coalesce(args->>'tenant_id', '')
			FROM river.river_job WHERE state NOT IN ('completed', 'scheduled')`,
		"I8 onboardings that are not ready": `SELECT tenant_id || ' ' || status
			FROM onboarding_status WHERE status <> 'ready'`,
		"I8 ready with a step that is not done": `SELECT tenant_id || ' ' || step
			FROM onboarding_steps WHERE state <> 'done'`,
		"I11 workspace secrets that are not encrypted": `SELECT tenant_id
			FROM odoo_connections WHERE secret NOT LIKE 'v1:%'`,
	} {
		rows, err := conn.Query(ctx, `SELECT v::text FROM (`+sql+`) q(v)`)
		if err == nil {
			var values []string
			if values, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil && len(values) > 0 {
				found = append(found, what+": "+strings.Join(values, ", "))
			}
		}
		if err != nil {
			found = append(found, what+": "+err.Error())
		}
	}
	for _, p := range w.people {
		var rules []string
		err := conn.QueryRow(ctx, `SELECT array_agg(r.name) FROM icp_rules r JOIN tenant_users u USING (tenant_id)
			WHERE u.subject = $1 AND r.name LIKE 'rule of %'`, p.id).Scan(&rules)
		if want := []string{"rule of " + p.id}; p.rule && (err != nil || !slices.Equal(rules, want)) {
			found = append(found, fmt.Sprintf("I1 acknowledged rule of %s: the database has %v (%v)", p.id, rules, err))
		}
	}
	return found
}

// inOdoo replays the ledger and checks the resulting databases and their records.
func (w *world) inOdoo(ctx context.Context, conn *pgx.Conn) (found []string) {
	type record struct{ model, name string }
	databases := map[string]map[record]int{}
	for _, e := range w.odoo.Ledger() {
		switch e.Do {
		case "create_database", "duplicate_database":
			databases[e.Database] = map[record]int{}
		case "rename":
			databases[e.Database] = databases[e.Name]
			delete(databases, e.Name)
		case "drop":
			delete(databases, e.Database)
		case "create":
			databases[e.Database][record{e.Model, e.Name}]++
		case "unlink":
			databases[e.Database][record{e.Model, e.Name}]--
		}
	}
	delete(databases, template)
	owners := map[string]string{} // e-mail address of the person, by workspace
	for _, p := range w.people {
		var name string
		err := conn.QueryRow(ctx, `SELECT c.db_name FROM odoo_connections c JOIN tenant_users u USING (tenant_id)
			WHERE u.subject = $1`, p.id).Scan(&name)
		if err != nil || databases[name] == nil {
			found = append(found, fmt.Sprintf("I2 workspace %q of %s does not exist (%v)", name, p.id, err))
		}
		owners[name] = p.email
	}
	for name, records := range databases {
		if owners[name] == "" {
			found = append(found, "I2 database "+name+" belongs to no tenant")
		}
		for r, n := range records {
			if n > 1 {
				found = append(found, fmt.Sprintf("I3 %s: %s %s was created %d times", name, r.model, r.name, n))
			}
			if strings.Contains(r.name, "@company") && r.name != owners[name] {
				found = append(found,
					fmt.Sprintf("I4 %s of %s: has %s %s of another person", name, owners[name], r.model, r.name))
			}
		}
	}
	return found
}

// readyTooEarly returns a violation when a person reads ready before the account exists.
func (w *world) readyTooEarly(p *person) []string {
	for _, e := range w.odoo.Ledger() {
		if e.Do == "create" && e.Model == "res.users" && e.Name == p.email {
			return nil
		}
	}
	return []string{"I8 " + p.id + " read ready before the account existed"}
}

// inLogs looks for secrets, tokens and panics in the logs of the replicas.
func (w *world) inLogs() (found []string) {
	secrets := []string{w.shared.password, w.master, w.keyset}
	token := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.`)
	for _, r := range w.replicas {
		text, err := os.ReadFile(filepath.Join(w.dir, r.name+".log"))
		if err != nil {
			found = append(found, err.Error())
		}
		for _, s := range secrets {
			if strings.Contains(string(text), s) {
				found = append(found, "I11 "+r.name+".log contains a secret")
			}
		}
		if token.Match(text) {
			found = append(found, "I11 "+r.name+".log contains a token")
		}
		if strings.Contains(string(text), "panic") {
			found = append(found, r.name+".log contains a panic")
		}
	}
	return found
}

func (w *world) readyPeople() (n int) {
	for _, p := range w.people {
		if p.ready {
			n++
		}
	}
	return n
}
