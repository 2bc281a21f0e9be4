package odoo

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// checkBackends tries every way of making workspaces on this server, and makes none. The one that this Provisioner takes comes first.
func (p *Provisioner) checkBackends(ctx context.Context) []Check {
	if p.shared != nil {
		return []Check{reportBackend("company", true, func() (string, error) { return p.shared.checkAccess(ctx) })}
	}
	clone := p.cluster != nil
	taken, _ := p.databases.Backend(ctx) // BackendService after an error, which its own check reports
	by := func(b Backend) Check {
		return reportBackend(string(b), !clone && taken == b, func() (string, error) { return p.checkCopying(ctx, b) })
	}
	all := []Check{
		reportBackend("raw clone", clone, func() (string, error) { return p.cluster.checkAccess(ctx) }),
		by(BackendService),
		by(BackendForms),
	}
	at := slices.IndexFunc(all, func(c Check) bool { return !c.Spare })
	first := all[at]
	return slices.Insert(slices.Delete(all, at, at+1), 0, first)
}

// checkCopying reports whether a backend is open and, where databases are copied, has the template.
func (p *Provisioner) checkCopying(ctx context.Context, by Backend) (string, error) {
	detail, err := p.databases.CheckBackend(ctx, by)
	m, copies := p.backend.(*manager)
	if err != nil || !copies {
		return detail, err
	}
	there, err := p.databases.BackendHas(ctx, by, m.template)
	if err == nil && !there {
		err = notPrepared(m.template)
	}
	return detail, err
}

func reportBackend(name string, taken bool, try func() (string, error)) Check {
	start := time.Now()
	found, err := try()
	return Check{Name: name, Detail: found, Took: time.Since(start), Err: err, Spare: !taken}
}

// checkAccess: the cluster answers, the role may create databases, and the template is ready.
func (c *cluster) checkAccess(ctx context.Context) (string, error) {
	if c == nil {
		return "", Misconfigured("Odoo PostgreSQL: ODOO_POSTGRES_DSN is not set")
	}
	conn, err := c.connect(ctx, "")
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var allowed bool
	if err := conn.QueryRow(ctx, `SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&allowed); err != nil {
		return "", clusterFault("role", err)
	}
	if !allowed {
		return "", Misconfigured("Odoo PostgreSQL: the role may not create databases").
			WithHint("the role of ODOO_POSTGRES_DSN needs CREATEDB and membership in Odoo's role")
	}
	t, err := lookupDatabase(ctx, conn, c.template)
	if err != nil {
		return "", err
	}
	if !t.exists || !t.locked {
		return "", notPrepared(c.template)
	}
	return "template " + c.template + " is locked and ready", nil
}

// checkAccess: the service answers and takes the master password. To drop a name that no database has changes nothing, and is the one
// question whose answer depends on the master password.
func (d *dbService) checkAccess(ctx context.Context) (string, error) {
	if d.master == "" {
		return "", masterMissing()
	}
	answers, err := d.answers(ctx)
	if err == nil && !answers {
		err = Misconfigured("Odoo database service: shut, or gone").WithHint("let leadctl through to /xmlrpc/2/db, or leave it to the web form")
	}
	if err != nil {
		return "", err
	}
	if _, err := d.drop(ctx, noSuchDatabase()); err != nil {
		return "", MasterRefused(err)
	}
	return "master password accepted" + NoUniqueIndexNote, nil
}

// checkAccess checks the master password by asking the drop form for a database that does not exist.
func (d *dbForms) checkAccess(ctx context.Context) (string, error) {
	if d.master == "" {
		return "", masterMissing()
	}
	if _, err := d.exists(ctx, ""); err != nil {
		return "", MasterRefused(err)
	}
	if _, err := retryOn500(ctx, func() (any, error) { return nil, d.dropByForm(ctx, noSuchDatabase()) }); err != nil {
		return "", MasterRefused(err)
	}
	return "master password accepted" + NoUniqueIndexNote, nil
}

func masterMissing() error {
	return Misconfigured("Odoo database manager: ODOO_MASTER_PASSWORD is not set")
}

// MasterRefused: a refusal of the master password is for an operator to put right, whichever of its two reasons it has.
func MasterRefused(err error) error {
	if fault.Code(err) != CodeAccessDenied {
		return err
	}
	return fault.New(fault.Operator, "Odoo database manager: refuses: %w", err).WithCode(CodeMisconfig).
		WithHint("check ODOO_MASTER_PASSWORD and that Odoo runs with list_db on, or set ODOO_POSTGRES_DSN")
}

// checkAccess: the shared database is ours, and its record rules are in force.
func (c *company) checkAccess(ctx context.Context) (string, error) {
	s, err := c.openAdministrator(ctx)
	if err != nil {
		return "", err
	}
	missing, err := s.missingRules(ctx)
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", Misconfigured("Odoo database %s: record rules missing or switched off: %s", c.database, strings.Join(missing, ", ")).
			WithHint("leadctl odoo template prepare makes them again")
	}
	detail := "shared database " + c.database + " is ours and its rules stand"
	if c.cluster == nil {
		detail += NoUniqueIndexNote
	}
	return detail, nil
}

// NoUniqueIndexNote is what an operator shall know of a database that only Odoo was asked to make: an index is SQL's to make.
const NoUniqueIndexNote = "; without ODOO_POSTGRES_DSN no unique index keeps a company (x_uen) from being two contacts"
