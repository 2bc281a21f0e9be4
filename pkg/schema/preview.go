package schema

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Preview is what Up would do.
type Preview struct {
	Pending  []Migration
	Refusals []string  // what Up would refuse, with hints
	Notes    []string  // as Result.Notes
	Columns  []string  // columns and owners of existing tables that would change
	Tables   []Account // the existing tables that would be adopted
}

// Account is the rows of an adopted table.
type Account struct {
	Table         string
	Before, After int64
	SetAside      map[string]int64 // by reason
}

// DryRun returns what Up would do to the database at dsn. It applies the pending migrations in one transaction, which
// takes the locks and the time of the migrations, and rolls it back. It does not stop at the first refusal.
func DryRun(ctx context.Context, dsn string, opts Options) (Preview, error) {
	var p Preview
	err := withLock(ctx, dsn, opts, func(conn *pgx.Conn, list []Migration) error {
		st, err := ReadStatus(ctx, conn, opts.FS)
		if err != nil {
			return err
		}
		if st.Dirty && !st.resumable || st.Version > st.Latest || len(st.namesInState(Edited)) > 0 {
			return st.Problem()
		}
		p.Pending = list[st.Committed:]
		if len(p.Pending) == 0 {
			return nil
		}
		return retryOnLock(ctx, opts, func() error {
			pending := p.Pending
			p, err = tryMigrations(ctx, dsn, opts.FS, pending)
			return err
		})
	})
	return p, err
}

// tryMigrations applies pending in a transaction of its own connection and rolls it back.
func tryMigrations(ctx context.Context, dsn string, fsys fs.FS, pending []Migration) (Preview, error) {
	p := Preview{Pending: pending}
	conn, err := connectForPreview(ctx, dsn, &p)
	if err != nil {
		return p, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // which rolls back
	if _, err := conn.Exec(ctx, `BEGIN; SET LOCAL leadctl.dry_run = 'on'`); err != nil {
		return p, classifyError(err, "dry run")
	}
	before, err := readShape(ctx, conn)
	if err != nil {
		return p, err
	}
	if pending[0].Version == 1 {
		if p.Refusals, err = findForeign(ctx, conn); err != nil || len(p.Refusals) > 0 {
			return p, err // without rights on a table, nothing after it can be tried
		}
		if err := countTables(ctx, conn, &p); err != nil {
			return p, err
		}
	}
	if err := prepareDatabase(ctx, conn); err != nil {
		return p, err
	}
	if err := clearNames(ctx, conn, fsys, &p); err != nil {
		return p, err
	}
	for _, m := range pending {
		if err := tryMigration(ctx, conn, fsys, m); err != nil {
			p.Refusals = append(p.Refusals, refusalText(stepFault(m, err)))
			return p, nil // the transaction has failed, so the rest cannot be tried
		}
	}
	return p, finishPreview(ctx, conn, &p, before)
}

func connectForPreview(ctx context.Context, dsn string, p *Preview) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fault.New(fault.Invalid, "POSTGRES_DSN: not a connection string")
	}
	pinSettings(cfg)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if text, ok := strings.CutPrefix(n.Message, "leadctl refusal: "); ok {
			p.Refusals = append(p.Refusals, text)
		} else if text, ok := strings.CutPrefix(n.Message, "leadctl: "); ok {
			p.Notes = append(p.Notes, text)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	return conn, classifyError(err, "dry run")
}

func tryMigration(ctx context.Context, conn *pgx.Conn, fsys fs.FS, m Migration) error {
	body, err := fs.ReadFile(fsys, fmt.Sprintf("%06d_%s.up.sql", m.Version, m.Name))
	if err != nil || m.noTransaction {
		return err
	}
	_, err = conn.Exec(ctx, `SET ROLE `+OwnerRole+`;`+string(body)+`; RESET ROLE`)
	return err
}

// refusalText returns err and its hint in one line.
func refusalText(err error) string {
	return fmt.Sprintf("%v; hint: %s", err, fault.Hint(err))
}

var createsTable = regexp.MustCompile(`(?m)^CREATE (?:TABLE|VIEW) public\.(\w+)`)

// clearNames reports each existing relation that has the name of one that a pending migration creates, and renames it
// so that the dry run can go on.
func clearNames(ctx context.Context, conn *pgx.Conn, fsys fs.FS, p *Preview) error {
	for _, m := range p.Pending {
		body, err := fs.ReadFile(fsys, fmt.Sprintf("%06d_%s.up.sql", m.Version, m.Name))
		if err != nil {
			return err
		}
		for _, found := range createsTable.FindAllStringSubmatch(string(body), -1) {
			taken, err := hasTable(ctx, conn, found[1])
			if err != nil {
				return err
			}
			if !taken {
				continue
			}
			p.Refusals = append(p.Refusals, fmt.Sprintf("public.%s exists already; hint: rename it", found[1]))
			_, err = conn.Exec(ctx, fmt.Sprintf(`ALTER TABLE public.%s RENAME TO %[1]s_renamed`, found[1]))
			if err != nil {
				return classifyError(err, "table "+found[1])
			}
		}
	}
	return nil
}

// adopted are the tables that adoption changes if they exist.
var adopted = []string{"tenants", "tenant_users", "odoo_connections", "onboarding_status", "icp_rules", "companies",
	"lead_features", "lead_scores", "enrichment_runs", "staging_acra_companies", "contacts", "lead_emails"}

// findForeign returns a refusal for each table or schema that the login cannot take over.
func findForeign(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `SELECT format('table %s belongs to %s; hint: migrate as that role or as a superuser',
			relname, relowner::regrole) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($1) AND NOT pg_has_role(relowner, 'MEMBER')
		UNION ALL SELECT format('schema %s belongs to %s; hint: rename it, or give leadctl its own database',
			nspname, nspowner::regrole) FROM pg_namespace
		WHERE nspname = $2 AND nspowner IS DISTINCT FROM to_regrole($3)::oid
		UNION ALL SELECT format('schema public belongs to %s; hint: grant CREATE on it to the login',
			nspowner::regrole) FROM pg_namespace
		WHERE nspname = 'public' AND NOT has_schema_privilege(oid, 'CREATE') ORDER BY 1`,
		adopted, JobsSchema, OwnerRole)
	if err != nil {
		return nil, classifyError(err, "dry run")
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return found, classifyError(err, "dry run")
}

func countTables(ctx context.Context, conn *pgx.Conn, p *Preview) error {
	for _, table := range adopted {
		found, err := hasTable(ctx, conn, table)
		if err != nil {
			return err
		}
		a := Account{Table: table}
		if !found {
			continue
		}
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM public.`+table).Scan(&a.Before); err != nil {
			return classifyError(err, "table "+table)
		}
		p.Tables = append(p.Tables, a)
	}
	return nil
}

// finishPreview reads what the transaction has changed.
func finishPreview(ctx context.Context, conn *pgx.Conn, p *Preview, before map[string]string) error {
	for i := range p.Tables {
		if err := countAfter(ctx, conn, &p.Tables[i]); err != nil {
			return err
		}
	}
	after, err := readShape(ctx, conn)
	if err != nil {
		return err
	}
	p.Columns = compareShapes(before, after)
	return nil
}

// countAfter counts the rows of a's table and of its rows set aside. For the owner of the table row security would hide
// rows; it is off until the transaction is rolled back.
func countAfter(ctx context.Context, conn *pgx.Conn, a *Account) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN
		IF (SELECT relowner = '%[2]s'::regrole FROM pg_class WHERE oid = 'public.%[1]s'::regclass) THEN
			SET ROLE %[2]s;
			ALTER TABLE public.%[1]s NO FORCE ROW LEVEL SECURITY;
		END IF;
		END $$`, a.Table, OwnerRole))
	if err == nil {
		err = conn.QueryRow(ctx, `SELECT count(*) FROM public.`+a.Table).Scan(&a.After)
	}
	if err == nil {
		err = countSetAside(ctx, conn, a)
	}
	if err == nil {
		_, err = conn.Exec(ctx, `RESET ROLE`)
	}
	return classifyError(err, "table "+a.Table)
}

func countSetAside(ctx context.Context, conn *pgx.Conn, a *Account) error {
	if found, err := hasTable(ctx, conn, a.Table+"_unassigned"); err != nil || !found {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT reason, count(*) FROM public.`+a.Table+`_unassigned GROUP BY 1`)
	if err != nil {
		return err
	}
	a.SetAside = map[string]int64{}
	var reason string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&reason, &n}, func() error {
		a.SetAside[reason] = n
		return nil
	})
	return err
}
