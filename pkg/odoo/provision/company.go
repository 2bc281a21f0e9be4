package provision

import (
	"context"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/memo"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// company makes workspaces as companies of one shared database. The database has the marker of the installation, and
// each of leadctl's companies has the external id "leadctl.tenant_<number>". Odoo keeps external ids unique and makes
// one together with its record, so concurrent attempts make one company. leadctl never writes to a company without that
// id.
type company struct {
	server        *odoo.Server
	cluster       *cluster // nil: the accounts get passwords instead of keys
	database      string
	installation  string
	login         string
	secret        odoo.Secret
	administrator memo.Value[*odoo.Session]
	companies     sync.Map // tenantid.ID → int64: the companies with leadctl's external id
	canaries      memo.Value[map[string][]int64]
}

func newCompany(server *odoo.Server, p Provisioning) (*company, error) {
	switch {
	case !databaseName.MatchString(p.Shared):
		return nil, odoo.Misconfigured("Odoo shared database %q: not of the form [a-z][a-z0-9_]{1,50}", p.Shared).
			WithHint("set ODOO_DEFAULT_DB_NAME, and make it with: leadctl odoo template prepare")
	case p.TemplateSecret == "":
		return nil, odoo.Misconfigured("Odoo shared database %s: no administrator password configured", p.Shared).
			WithHint("set odoo.template_password to the one it was prepared with")
	}
	c := &company{server: server, database: p.Shared, installation: p.Installation, login: p.TemplateLogin,
		secret: p.TemplateSecret}
	if p.ClusterDSN == "" {
		return c, nil
	}
	var err error
	c.cluster, err = newCluster(p)
	return c, err
}

// companyLogin returns the login of leadctl's account for one tenant. It is not an e-mail address, so it never equals a
// person's login.
func companyLogin(tenant tenantid.ID) string { return odoo.ServiceLogin + "-t" + tenant.String() }

// sharedMarker returns the marker of the installation's shared database.
func sharedMarker(installation string) string { return installation + "/shared" }

func companyMark(tenant tenantid.ID) string { return "tenant_" + tenant.String() }

// openAdministrator opens the shared database as its administrator and checks the marker.
func (c *company) openAdministrator(ctx context.Context) (*odoo.Session, error) {
	return c.administrator.Get(func() (*odoo.Session, error) {
		s, ok, err := c.server.Open(ctx, odoo.Account{Database: c.database, Login: c.login, Secret: c.secret})
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, odoo.Misconfigured("Odoo account %s in the shared database %s: credentials refused", c.login,
				c.database).
				WithHint("set odoo.template_password to the one the database was prepared with")
		}
		owner, err := s.Parameter(ctx, markerKey)
		if err == nil && owner != sharedMarker(c.installation) {
			err = fault.New(fault.Operator, "Odoo database %s: does not carry this installation's marker", c.database).
				WithCode(odoo.CodeForeign).WithHint("prepare a shared database with: leadctl odoo template prepare")
		}
		return s, err
	})
}

// findCompany returns the tenant's company, 0 when there is none.
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

// requireCompany is findCompany for callers that need the company: a missing one is fault.NotFound.
func (c *company) requireCompany(ctx context.Context, w Workspace) (int64, error) {
	if w.Database != c.database {
		return 0, odoo.Misconfigured("Odoo database %s of tenant %s: not the shared one", w.Database, w.Tenant)
	}
	id, err := c.findCompany(ctx, w.Tenant)
	if err == nil && id == 0 {
		err = fault.New(fault.NotFound, "Odoo company of tenant %s in %s: missing", w.Tenant,
			c.database).WithCode(odoo.CodeMissing)
	}
	return id, err
}

// openForCompany opens the tenant's company with the administrator's rights.
func (c *company) openForCompany(ctx context.Context, w Workspace) (*odoo.Session, error) {
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
		return false, odoo.Misconfigured("Odoo database %s of tenant %s: not the shared one", w.Database, w.Tenant)
	}
	c.companies.Delete(w.Tenant) // another replica may have dropped the company
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
	if err := setDefaultCompany(ctx, s); err != nil {
		return false, err
	}
	return id == 0, c.ensureAccount(ctx, s, w)
}

// createCompany makes the company and its external id in one transaction of Odoo. If another attempt was faster, it
// accepts that attempt's company.
func (c *company) createCompany(ctx context.Context, tenant tenantid.ID) error {
	s, err := c.openAdministrator(ctx)
	if err != nil {
		return err
	}
	failed := s.LoadRecords(ctx, "res.company", []string{"id", "name", "currency_id/id", "country_id/id"},
		[][]string{{ownModule + "." + companyMark(tenant), placeholderCompanyName(tenant), currency, country}})
	id, err := c.findCompany(ctx, tenant)
	if err == nil && id == 0 {
		err = failed
	}
	return err
}

// placeholderName is the company name in the template, and in a workspace until EnsureBaseline sets the tenant's name.
const placeholderName = "New workspace"

// placeholderCompanyName is a company's name until EnsureBaseline sets the tenant's name. It has the number because
// Odoo wants each company name only once.
func placeholderCompanyName(tenant tenantid.ID) string {
	return placeholderName + " " + tenant.String()
}

// ensureAccount makes leadctl's account for the tenant, in the tenant's company only.
func (c *company) ensureAccount(ctx context.Context, s *odoo.Session, w Workspace) error {
	login := companyLogin(w.Tenant)
	uid, err := findOwnUser(ctx, s, login)
	if err != nil || uid != 0 {
		return err
	}
	if _, err := createUser(ctx, s, odoo.Record{"login": login, "name": "leadctl"}, companyAccountGroups); err != nil {
		if uid, look := findOwnUser(ctx, s, login); look != nil || uid == 0 {
			return err
		}
		return nil // another attempt was faster and installs the same secret
	}
	return c.installSecret(ctx, w)
}

func (c *company) installSecret(ctx context.Context, w Workspace) error {
	s, err := c.openForCompany(ctx, w)
	if err != nil {
		return err
	}
	uid, err := findOwnUser(ctx, s, companyLogin(w.Tenant))
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

func (c *company) archiveWorkspace(context.Context, Workspace, string) (bool, error) {
	return false, fault.New(fault.Unsupported, "company in the shared database %s: cannot be archived", c.database).
		WithHint("keep the workspace, or drop it")
}

func (*company) takeSpareUser(context.Context, Workspace, User) (int64, error) { return 0, nil }

// checkAccess checks that the shared database has the installation's marker and that its record rules are active.
func (c *company) checkAccess(ctx context.Context) (string, error) {
	s, err := c.openAdministrator(ctx)
	if err != nil {
		return "", err
	}
	missing, err := missingRules(ctx, s)
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", odoo.Misconfigured("Odoo database %s: record rules missing or not active: %s", c.database,
			strings.Join(missing, ", ")).
			WithHint("make them again with: leadctl odoo template prepare")
	}
	return "shared database " + c.database + " has this installation's marker and all record rules", nil
}
