package odoo

import (
	"context"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/memo"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// company makes workspaces as companies of one shared database. The database carries the marker of the installation, and a
// company of ours the external id "leadctl.tenant_<number>": Odoo keeps those unique and makes one together with its record, so
// that racing attempts make one company. A company without it is never written to.
type company struct {
	server        *Server
	cluster       *cluster // nil: the accounts get passwords instead of keys
	database      string
	installation  string
	login         string
	secret        Secret
	administrator memo.Value[*Session]
	companies     sync.Map // tenantid.ID → int64, of those that carry our marker
	planted       memo.Value[map[string][]int64]
}

func newCompany(server *Server, p Provisioning) (*company, error) {
	switch {
	case !databaseName.MatchString(p.Shared):
		return nil, Misconfigured("Odoo shared database %q: not of the form [a-z][a-z0-9_]{1,50}", p.Shared).
			WithHint("set ODOO_DEFAULT_DB_NAME, and make it with: leadctl odoo template prepare")
	case p.TemplateSecret == "":
		return nil, Misconfigured("Odoo shared database %s: no administrator password configured", p.Shared).
			WithHint("set odoo.template_password to the one it was prepared with")
	}
	c := &company{server: server, database: p.Shared, installation: p.Installation, login: p.TemplateLogin, secret: p.TemplateSecret}
	if p.ClusterDSN == "" {
		return c, nil
	}
	var err error
	c.cluster, err = newCluster(p)
	return c, err
}

// companyLogin is leadctl's account for one tenant. It is no e-mail address, so no person's can collide with it.
func companyLogin(tenant tenantid.ID) string { return ServiceLogin + "-t" + tenant.String() }

// sharedMarker is what the shared database must say about itself.
func sharedMarker(installation string) string { return installation + "/shared" }

const ownModule = "leadctl" // of external ids; no such module is installed

func companyMark(tenant tenantid.ID) string { return "tenant_" + tenant.String() }

// openAdministrator opens the shared database as its administrator, after reading the marker.
func (c *company) openAdministrator(ctx context.Context) (*Session, error) {
	return c.administrator.Get(func() (*Session, error) {
		s, ok, err := c.server.Open(ctx, Account{Database: c.database, Login: c.login, Secret: c.secret})
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, Misconfigured("Odoo account %s in the shared database %s: credentials refused", c.login, c.database).
				WithHint("set odoo.template_password to the one the database was prepared with")
		}
		owner, err := s.Parameter(ctx, markerKey)
		if err == nil && owner != sharedMarker(c.installation) {
			err = fault.New(fault.Operator, "Odoo database %s: does not carry this installation's marker", c.database).
				WithCode(CodeForeign).WithHint("prepare a shared database with: leadctl odoo template prepare")
		}
		return s, err
	})
}

// findCompany is the company that carries the tenant's marker, 0 when there is none.
func (c *company) findCompany(ctx context.Context, tenant tenantid.ID) (int64, error) {
	if id, known := c.companies.Load(tenant); known {
		return id.(int64), nil
	}
	s, err := c.openAdministrator(ctx)
	if err != nil {
		return 0, err
	}
	ids, err := s.ResolveXMLIDs(ctx, []string{ownModule + "." + companyMark(tenant)})
	id := ids[ownModule+"."+companyMark(tenant)]
	if id != 0 {
		c.companies.Store(tenant, id)
	}
	return id, err
}

// requireCompany is find for those who need a company that is there.
func (c *company) requireCompany(ctx context.Context, w Workspace) (int64, error) {
	if w.Database != c.database {
		return 0, Misconfigured("Odoo database %s of tenant %s: not the shared one", w.Database, w.Tenant)
	}
	id, err := c.findCompany(ctx, w.Tenant)
	if err == nil && id == 0 {
		err = fault.New(fault.NotFound, "Odoo company of tenant %s in %s: missing", w.Tenant, c.database).WithCode(CodeMissing)
	}
	return id, err
}

// openForCompany works for the tenant's company with the administrator's rights.
func (c *company) openForCompany(ctx context.Context, w Workspace) (*Session, error) {
	id, err := c.requireCompany(ctx, w)
	if err != nil {
		return nil, err
	}
	s, err := c.openAdministrator(ctx)
	if err != nil {
		return nil, err
	}
	return s.ForCompany(id), nil
}

func (c *company) ensureWorkspace(ctx context.Context, w Workspace) (bool, error) {
	if w.Database != c.database {
		return false, Misconfigured("Odoo database %s of tenant %s: not the shared one", w.Database, w.Tenant)
	}
	c.companies.Delete(w.Tenant) // another replica may have taken it out of the database
	id, err := c.findCompany(ctx, w.Tenant)
	if err != nil {
		return false, err
	}
	if id == 0 {
		if err := c.createCompany(ctx, w.Tenant); err != nil {
			return false, err
		}
	}
	s, err := c.openForCompany(ctx, w)
	if err != nil {
		return false, err
	}
	if err := s.ownByDefault(ctx); err != nil {
		return false, err
	}
	return id == 0, c.ensureAccount(ctx, s, w)
}

// createCompany makes company and marker in one transaction of Odoo's. An attempt that loses a race finds the winner's.
func (c *company) createCompany(ctx context.Context, tenant tenantid.ID) error {
	s, err := c.openAdministrator(ctx)
	if err != nil {
		return err
	}
	failed := s.LoadRecords(ctx, "res.company", []string{"id", "name"}, [][]string{{ownModule + "." + companyMark(tenant), unnamedCompany(tenant)}})
	id, err := c.findCompany(ctx, tenant)
	if err == nil && id == 0 {
		err = failed
	}
	return err
}

// unnamedCompany is a company's name until EnsureBaseline gives it the tenant's; Odoo wants each only once.
func unnamedCompany(tenant tenantid.ID) string { return unnamed + " " + tenant.String() }

// ensureAccount makes leadctl's account for the tenant, in its company and no other.
func (c *company) ensureAccount(ctx context.Context, s *Session, w Workspace) error {
	login := companyLogin(w.Tenant)
	uid, err := s.findOwnUser(ctx, login)
	if err != nil || uid != 0 {
		return err
	}
	if _, err := s.createUser(ctx, Record{"login": login, "name": "leadctl"}, ownerGroups); err != nil {
		if uid, look := s.findOwnUser(ctx, login); look != nil || uid == 0 {
			return err
		}
		return nil // another attempt was faster, and installs the same secret
	}
	return c.installSecret(ctx, w)
}

func (c *company) installSecret(ctx context.Context, w Workspace) error {
	s, err := c.openForCompany(ctx, w)
	if err != nil {
		return err
	}
	uid, err := s.findOwnUser(ctx, companyLogin(w.Tenant))
	switch {
	case err != nil:
		return err
	case uid == 0:
		return fault.New(fault.Unavailable, "Odoo account %s in %s: missing", companyLogin(w.Tenant), w.Database)
	case c.cluster == nil:
		return s.SetPassword(ctx, uid, w.Secret, nil)
	}
	conn, err := c.cluster.connect(ctx, w.Database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return clusterFault("account in "+w.Database, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return installKey(ctx, tx, companyLogin(w.Tenant), w.Secret)
	}))
}

// findOwnUser finds a user of the session's company by login, 0 when there is none. One of another company is not ours to take.
func (s *Session) findOwnUser(ctx context.Context, login string) (int64, error) {
	uid, err := s.findUser(ctx, login)
	if err != nil || uid == 0 || s.Company() == 0 {
		return uid, err
	}
	is, err := s.SearchCount(ctx, "res.users", Query{Domain: Domain{Where("id", "=", uid), Where("company_id", "=", s.Company())}})
	if err == nil && is == 0 {
		err = fault.New(fault.Operator, "Odoo user %s in %s: belongs to another company", login, s.Database()).WithCode("ODOO_USER_TAKEN").
			WithHint("a login exists once in a shared database; use another address, or odoo.mode database")
	}
	return uid, err
}

// LoadRecords is Odoo's import: records with external ids or numbers, archived ones among them, all or none. Its refusals come as an
// answer, not as a fault.
func (s *Session) LoadRecords(ctx context.Context, model string, fields []string, rows [][]string) error {
	data := make([]any, len(rows))
	for i, r := range rows {
		data[i] = r
	}
	v, err := s.Call(ctx, Call{Model: model, Method: "load", Args: []Arg{{"fields", fields}, {"data", data}}, Context: withContext(QuietContext(), "active_test", false)})
	if err != nil {
		return err
	}
	if ids, ok := asRecord(v)["ids"].([]any); ok && len(ids) == len(rows) {
		return nil
	}
	said := ""
	if messages, _ := asRecord(v)["messages"].([]any); len(messages) > 0 {
		said = cutDetail(asRecord(messages[0]).Text("message"), nil)
	}
	return rejected(&CallError{Op: model + ".load", Database: s.Database(), Detail: said})
}

func IDsOf(records []Record) []int64 {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = r.ID()
	}
	return ids
}

func FormatID(n int64) string { return strconv.FormatInt(n, 10) }
