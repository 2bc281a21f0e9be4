package provision

import (
	"cmp"
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// backend is one way of making workspaces. There are three: raw clones on the PostgreSQL cluster, databases that Odoo
// makes, and companies. Every method checks the marker of a final database before it changes the database.
type backend interface {
	// ensureWorkspace makes the workspace's database and reports whether this call made it. It removes a database that
	// cannot become one.
	ensureWorkspace(ctx context.Context, w Workspace) (created bool, err error)
	// installSecret makes w.Secret the one secret of leadctl's account.
	installSecret(ctx context.Context, w Workspace) error
	// takeSpareUser turns the clone's spare user into u and returns its id, 0 when there is none.
	takeSpareUser(ctx context.Context, w Workspace, u User) (int64, error)
	// dropWorkspace deletes the workspace's final and provisional database and reports whether there was one.
	dropWorkspace(ctx context.Context, w Workspace) (bool, error)
	// archiveWorkspace renames and locks the workspace's database and reports whether there was one.
	archiveWorkspace(ctx context.Context, w Workspace, as string) (bool, error)
}

// Provisioner makes and repairs workspaces. Each method is one step of onboarding. It looks, acts and looks again, and
// may be repeated at any time. It changes only databases with the marker of this installation and the workspace's
// tenant. It is safe for concurrent use.
type Provisioner struct {
	server    *odoo.Server
	setup     crm.Setup // without the version
	language  string    // of new users
	backend   backend
	shared    *company        // the backend in ModeCompany, else nil
	cluster   *cluster        // the backend for raw clones, else nil
	databases *odoo.Databases // for the manager
	keys      bool            // accounts have API keys, which JSON-2 needs; else passwords
	// limits concurrent attempts: copying and loading a database delay other calls
	slots chan struct{}
	uids  sync.Map // signInKey → int64: user ids of leadctl's accounts, which save a sign-in for each step
}

// signInKey identifies a successful sign-in. It has a digest instead of the secret.
type signInKey struct {
	database string
	digest   [sha256.Size]byte
}

// NewProvisioner returns a Provisioner. It chooses the way of making workspaces and makes no call. fault.Operator means
// that settings are missing or malformed.
func NewProvisioner(server *odoo.Server, p Provisioning) (*Provisioner, error) {
	if !installationName.MatchString(p.Installation) {
		return nil, odoo.Misconfigured("installation name %q: not of the form [A-Za-z0-9._-]{1,63}", p.Installation)
	}
	if p.TemplateLogin == "" {
		p.TemplateLogin = "admin"
	}
	out := &Provisioner{server: server, setup: crm.Setup{Type: cmp.Or(p.LeadType, crm.TypeOpportunity),
		PublicURL: p.PublicURL}, language: cmp.Or(p.Language, english),
		databases: server.Databases(p.Master), keys: p.ClusterDSN != "", slots: make(chan struct{}, 3)}
	if server.Protocol() == odoo.ProtocolJSON2 && !out.keys {
		return nil, odoo.Misconfigured(
			"odoo.protocol json2: needs API keys, and leadctl makes them only with ODOO_POSTGRES_DSN").
			WithHint("set ODOO_POSTGRES_DSN, or odoo.protocol to auto")
	}
	var err error
	switch {
	case p.Mode == ModeCompany:
		out.shared, err = newCompany(server, p)
		out.backend = out.shared
	case p.Template == "":
		err = odoo.Misconfigured("Odoo template database: not set").WithHint(
			"set ODOO_TEMPLATE_DB, and make it with: leadctl odoo template prepare")
	case p.ClusterDSN != "":
		out.cluster, err = newCluster(p)
		out.backend = out.cluster
	case p.Master == "" || p.TemplateSecret == "":
		err = odoo.Misconfigured("Odoo provisioning: neither PostgreSQL nor the database service is configured").
			WithHint("set ODOO_POSTGRES_DSN, or ODOO_MASTER_PASSWORD with the template's administrator password")
	default:
		out.backend = newManager(server, out.databases, p)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Mode returns ModeDatabase or ModeCompany.
func (p *Provisioner) Mode() string {
	if p.shared != nil {
		return ModeCompany
	}
	return ModeDatabase
}

// DatabaseName returns the database of the tenant's workspace: its own one, or the shared one.
func (p *Provisioner) DatabaseName(prefix string, tenant tenantid.ID) string {
	if p.shared != nil {
		return p.shared.database
	}
	return DatabaseName(prefix, tenant)
}

// ServiceLogin returns the login of leadctl's account for the tenant.
func (p *Provisioner) ServiceLogin(tenant tenantid.ID) string {
	if p.shared != nil {
		return companyLogin(tenant)
	}
	return odoo.ServiceLogin
}

// AuthType returns the kind of secret of leadctl's account: "api_key" or "password".
func (p *Provisioner) AuthType() string {
	if p.keys {
		return "api_key"
	}
	return "password"
}

// EnsureDatabase makes the workspace's database, with its own identity and leadctl's account. It reports whether this
// call made it. fault.Operator with CodeForeign means that a database of that name exists without the workspace's
// marker; it stays unchanged.
func (p *Provisioner) EnsureDatabase(ctx context.Context, w Workspace) (created bool, err error) {
	if err := w.check(); err != nil {
		return false, err
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	created, err = p.backend.ensureWorkspace(ctx, w)
	if created && err == nil && p.cluster != nil {
		_, _, _ = p.signIn(ctx, w) // makes Odoo load the database; the next step finds any failure
	}
	return created, err
}

// DropDatabase deletes the workspace's database, if it has the workspace's marker, and what an interrupted attempt
// left. It reports whether there was anything to delete.
func (p *Provisioner) DropDatabase(ctx context.Context, w Workspace) (bool, error) {
	if err := w.check(); err != nil {
		return false, err
	}
	p.uids.Delete(w.signInKey())
	return p.backend.dropWorkspace(ctx, w)
}

// Session opens the workspace as leadctl's account. fault.Denied with CodeAccessDenied means that Odoo refuses the
// stored secret; EnsureServiceAccount may repair that. If Odoo refuses a secret that it accepted earlier, the session's
// first call fails with the same code.
func (p *Provisioner) Session(ctx context.Context, w Workspace) (*odoo.Session, error) {
	if uid, known := p.uids.Load(w.signInKey()); known {
		return p.openWithUID(ctx, w, uid.(int64))
	}
	s, ok, err := p.signIn(ctx, w)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, credentialsRefused(p.ServiceLogin(w.Tenant), w)
	}
	return s, nil
}

// openForSettings opens the workspace with the right to change settings and users. In a shared database, leadctl's
// account of a tenant has no such right, so the administrator works in the tenant's company.
func (p *Provisioner) openForSettings(ctx context.Context, w Workspace) (*odoo.Session, error) {
	if p.shared != nil {
		return p.shared.openForCompany(ctx, w)
	}
	return p.Session(ctx, w)
}

// accountOf returns leadctl's account in the workspace.
func (p *Provisioner) accountOf(w Workspace) odoo.Account {
	return odoo.Account{Database: w.Database, Login: p.ServiceLogin(w.Tenant), Secret: w.Secret, Key: p.keys}
}

// openWithUID opens the workspace with a user id from an earlier sign-in, without a call.
func (p *Provisioner) openWithUID(ctx context.Context, w Workspace, uid int64) (*odoo.Session, error) {
	a := p.accountOf(w)
	a.UID = uid
	s, _, err := p.server.Open(ctx, a)
	if err != nil {
		return nil, err
	}
	return p.restrictToCompany(ctx, w, s)
}

// restrictToCompany restricts a session to the tenant's company where the database is shared.
func (p *Provisioner) restrictToCompany(ctx context.Context, w Workspace, s *odoo.Session) (*odoo.Session, error) {
	if p.shared == nil {
		return s, nil
	}
	id, err := p.shared.requireCompany(ctx, w)
	if err != nil {
		return nil, err
	}
	return s.ForCompany(id), nil
}

// signIn signs in as leadctl's account. It always asks Odoo.
func (p *Provisioner) signIn(ctx context.Context, w Workspace) (*odoo.Session, bool, error) {
	if err := w.check(); err != nil {
		return nil, false, err
	}
	s, ok, err := p.server.Open(ctx, p.accountOf(w))
	if err != nil || !ok {
		p.uids.Delete(w.signInKey())
		return nil, false, err
	}
	p.uids.Store(w.signInKey(), s.UID())
	s, err = p.restrictToCompany(ctx, w, s)
	return s, err == nil, err
}

func (w Workspace) signInKey() signInKey {
	return signInKey{w.Database, sha256.Sum256([]byte(w.Secret))}
}

// About describes a workspace.
type About struct {
	Version  string // "19.0"
	Protocol string // the protocol of its sessions: ProtocolXMLRPC, ProtocolJSON2 or ProtocolWeb
	Company  int64  // in ModeCompany; else 0
}

// About returns the server's version and the workspace's protocol and company.
func (p *Provisioner) About(ctx context.Context, w Workspace) (About, error) {
	v, err := p.server.CachedVersion(ctx)
	if err != nil {
		return About{}, err
	}
	s, err := p.Session(ctx, w)
	if err != nil {
		return About{}, err
	}
	return About{Version: v.Name, Protocol: s.Protocol(), Company: s.Company()}, nil
}

// ArchiveDatabase renames the workspace's database, so that leadctl no longer opens it, and returns the new name. ""
// means that there was no database. A database without the workspace's marker stays unchanged (CodeForeign). A company
// in a shared database cannot be archived: fault.Unsupported.
func (p *Provisioner) ArchiveDatabase(ctx context.Context, w Workspace, at time.Time) (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	as := w.Database + "__" + at.UTC().Format("20060102")
	p.uids.Delete(w.signInKey())
	done, err := p.backend.archiveWorkspace(ctx, w, as)
	if err != nil || !done {
		return "", err
	}
	return as, nil
}
