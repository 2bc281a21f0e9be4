package provision

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// Modes: what a workspace is.
const (
	ModeDatabase = "database" // a database per tenant, cloned from the template
	ModeCompany  = "company"  // a company per tenant in one shared database, kept apart by record rules
)

// Provisioning says how workspaces are made. With ClusterDSN they are raw clones on the PostgreSQL cluster (0.2 s each,
// and other tenants do not notice); without it Odoo's database service copies the template (1 to 2 s).
type Provisioning struct {
	Installation string // names this leadctl installation in every marker: letters, digits, ".", "_", "-"
	Template     string // the prepared template's database (ODOO_TEMPLATE_DB)

	ClusterDSN odoo.Secret // Odoo's PostgreSQL as a role that may create databases (ODOO_POSTGRES_DSN)

	Master         odoo.Secret // Odoo's master password (ODOO_MASTER_PASSWORD), for the database service
	TemplateLogin  string      // administrator of the template, for the database service; "admin" by default
	TemplateSecret odoo.Secret // its password; a clone refuses it before it gets its final name

	// In ModeCompany, Shared is the database of all tenants, which PrepareTemplate made, and TemplateLogin with
	// TemplateSecret opens its administrator. ClusterDSN is optional there: with it the tenants' accounts have API
	// keys, else passwords.
	Mode   string // ModeDatabase by default
	Shared string // ODOO_DEFAULT_DB_NAME
}

// Provisioner makes and repairs workspaces. Each method is one step of onboarding: it looks, acts and looks again, may
// be repeated at any time, and touches only databases that carry the marker of this installation and the workspace's
// tenant. It is safe for concurrent use.
type Provisioner struct {
	server    *odoo.Server
	backend   backend
	shared    *company        // the maker in ModeCompany, nil elsewhere
	cluster   *cluster        // the maker where the cluster is at hand, nil elsewhere
	databases *odoo.Databases // of which a manager makes them
	keys      bool            // accounts have API keys, so that JSON-2 can be spoken; else passwords
	// workspaces made at once: Odoo loads a new database for as long as the copying takes, and others wait for both
	slots chan struct{}
	uids  sync.Map // signInKey → int64: who leadctl's account is, so that not every step has to ask
}

// signInKey names a sign-in that succeeded, by digest rather than by secret.
type signInKey struct {
	database string
	digest   [sha256.Size]byte
}

// NewProvisioner chooses the way of provisioning and makes no call. fault.Operator: settings missing or malformed.
func NewProvisioner(server *odoo.Server, p Provisioning) (*Provisioner, error) {
	if !installationName.MatchString(p.Installation) {
		return nil, odoo.Misconfigured("installation name %q: not of the form [A-Za-z0-9._-]{1,63}", p.Installation)
	}
	if p.TemplateLogin == "" {
		p.TemplateLogin = "admin"
	}
	out := &Provisioner{server: server, databases: server.Databases(p.Master), keys: p.ClusterDSN != "",
		slots: make(chan struct{}, 3)}
	if server.Protocol() == odoo.ProtocolJSON2 && !out.keys {
		return nil, odoo.Misconfigured(
			"odoo.protocol json2: takes API keys only, and without the cluster there are none").
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
		err = odoo.Misconfigured("Odoo provisioning: neither the cluster nor the database service is configured").
			WithHint("set ODOO_POSTGRES_DSN, or ODOO_MASTER_PASSWORD with the template's administrator password")
	default:
		out.backend = newManager(server, out.databases, p)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Mode is ModeDatabase or ModeCompany.
func (p *Provisioner) Mode() string {
	if p.shared != nil {
		return ModeCompany
	}
	return ModeDatabase
}

// DatabaseName is where the tenant's workspace is: a database of its own, or the shared one.
func (p *Provisioner) DatabaseName(prefix string, tenant tenantid.ID) string {
	if p.shared != nil {
		return p.shared.database
	}
	return DatabaseName(prefix, tenant)
}

// ServiceLogin is the login of leadctl's account for the tenant.
func (p *Provisioner) ServiceLogin(tenant tenantid.ID) string {
	if p.shared != nil {
		return companyLogin(tenant)
	}
	return odoo.ServiceLogin
}

// AuthType is what the secret of leadctl's account is: "api_key" or "password".
func (p *Provisioner) AuthType() string {
	if p.keys {
		return "api_key"
	}
	return "password"
}

// EnsureDatabase makes the workspace's database, with its own identity and with leadctl's account in it, and reports
// whether this call made it. fault.Operator with CodeForeign: a database of that name is not ours, and was left as it
// is.
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
		_, _, _ = p.signIn(ctx, w) // has Odoo load the database; the next step sees whether it did
	}
	return created, err
}

// DropDatabase deletes the workspace's database, if it carries our marker, and what a broken attempt left behind. It
// reports whether there was anything to delete.
func (p *Provisioner) DropDatabase(ctx context.Context, w Workspace) (bool, error) {
	if err := w.check(); err != nil {
		return false, err
	}
	p.uids.Delete(w.signInKey())
	return p.backend.dropWorkspace(ctx, w)
}

// Session opens the workspace as leadctl's account, over the protocol that server and account have. fault.Denied with
// CodeAccessDenied: the stored secret is refused, and EnsureServiceAccount may put that right. A secret refused only
// since its last use shows at the session's first call instead, with the same code.
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

// openForSettings opens the workspace with the right to change its settings and users: in a shared database leadctl's
// account of a tenant has neither, and the administrator works for that tenant's company.
func (p *Provisioner) openForSettings(ctx context.Context, w Workspace) (*odoo.Session, error) {
	if p.shared != nil {
		return p.shared.openForCompany(ctx, w)
	}
	return p.Session(ctx, w)
}

// accountOf is leadctl's account in the workspace.
func (p *Provisioner) accountOf(w Workspace) odoo.Account {
	return odoo.Account{Database: w.Database, Login: p.ServiceLogin(w.Tenant), Secret: w.Secret, Key: p.keys}
}

// openWithUID opens the workspace as a user whom Odoo let in before, without asking it again.
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

// signIn asks Odoo, always.
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

func credentialsRefused(login string, w Workspace) error {
	return fault.New(fault.Denied, "Odoo account %s in %s: credentials refused", login, w.Database).
		WithCode(odoo.CodeAccessDenied).
		WithHint("leadctl tenant provision %s --wait installs the stored secret again", w.Tenant)
}

// About is what may be recorded of a workspace besides its name.
type About struct {
	Version  string // "19.0"
	Protocol string // ProtocolXMLRPC, ProtocolJSON2 or ProtocolWeb, whichever its sessions speak
	Company  int64  // in ModeCompany; else 0
}

// About asks the server for its version, once in its life, and looks the company up.
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

// ArchiveDatabase puts the workspace's database aside under another name, which it returns: nobody opens it there. ""
// means that there was none. A database without our marker is left as it is (CodeForeign). In a shared database a
// company cannot be put aside: fault.Unsupported.
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
