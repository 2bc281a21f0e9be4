package odoo

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Provisioning says how workspaces are made. With ClusterDSN they are raw clones on the PostgreSQL cluster (0.2 s each, and
// other tenants do not notice); without it Odoo's database service copies the template (1 to 2 s).
type Provisioning struct {
	Installation string // names this leadctl installation in every marker: letters, digits, ".", "_", "-"
	Template     string // the prepared template's database (ODOO_TEMPLATE_DB)

	ClusterDSN Secret // Odoo's PostgreSQL as a role that may create databases (ODOO_POSTGRES_DSN)

	Master         Secret // Odoo's master password (ODOO_MASTER_PASSWORD), for the database service
	TemplateLogin  string // administrator of the template, for the database service; "admin" by default
	TemplateSecret Secret // its password; a clone refuses it before it gets its final name
}

// Provisioner makes and repairs workspaces. Each method is one step of onboarding: it looks, acts and looks again, may be
// repeated at any time, and touches only databases that carry the marker of this installation and the workspace's tenant.
// It is safe for concurrent use.
type Provisioner struct {
	server *Server
	maker  maker
	uids   sync.Map // signInKey → int64: who leadctl's account is, so that not every step has to ask
}

// signInKey names a sign-in that succeeded, by digest rather than by secret.
type signInKey struct {
	database string
	digest   [sha256.Size]byte
}

// NewProvisioner chooses the way of provisioning and makes no call. fault.Operator: settings missing or malformed.
func NewProvisioner(server *Server, p Provisioning) (*Provisioner, error) {
	misconfigured := func(format string, args ...any) error {
		return fault.New(fault.Operator, format, args...).WithCode(CodeMisconfig)
	}
	switch {
	case !installationName.MatchString(p.Installation):
		return nil, misconfigured("installation name %q: not of the form [A-Za-z0-9._-]{1,63}", p.Installation)
	case p.Template == "":
		return nil, fault.New(fault.Operator, "Odoo template database: not set").WithCode(CodeMisconfig).
			WithHint("set ODOO_TEMPLATE_DB, and make it with: leadctl odoo template prepare")
	case p.ClusterDSN != "":
		m, err := newCluster(p)
		if err != nil {
			return nil, err
		}
		return &Provisioner{server: server, maker: m}, nil
	case p.Master == "" || p.TemplateSecret == "":
		return nil, fault.New(fault.Operator, "Odoo provisioning: neither the cluster nor the database service is configured").
			WithCode(CodeMisconfig).
			WithHint("set ODOO_POSTGRES_DSN, or ODOO_MASTER_PASSWORD with the template's administrator password")
	}
	return &Provisioner{server: server, maker: newManager(server, p)}, nil
}

// EnsureDatabase makes the workspace's database, with its own identity and with leadctl's account in it, and reports whether
// this call made it. fault.Operator with CodeForeign: a database of that name is not ours, and was left as it is.
func (p *Provisioner) EnsureDatabase(ctx context.Context, w Workspace) (created bool, err error) {
	if err := w.check(); err != nil {
		return false, err
	}
	return p.maker.ensure(ctx, w)
}

// DropDatabase deletes the workspace's database, if it carries our marker, and what a broken attempt left behind. It reports
// whether there was anything to delete.
func (p *Provisioner) DropDatabase(ctx context.Context, w Workspace) (bool, error) {
	if err := w.check(); err != nil {
		return false, err
	}
	p.uids.Delete(w.signInKey())
	return p.maker.drop(ctx, w)
}

// Session opens the workspace as leadctl's account. fault.Denied with CodeAccessDenied: the stored secret is refused, and
// EnsureServiceAccount may put that right. A secret refused only since its last use shows at the session's first call instead,
// with the same code.
func (p *Provisioner) Session(ctx context.Context, w Workspace) (*Session, error) {
	if uid, known := p.uids.Load(w.signInKey()); known {
		return p.server.Session(w.Database, uid.(int64), w.Secret), nil
	}
	s, ok, err := p.signIn(ctx, w)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refused(w)
	}
	return s, nil
}

// signIn asks Odoo, always.
func (p *Provisioner) signIn(ctx context.Context, w Workspace) (*Session, bool, error) {
	if err := w.check(); err != nil {
		return nil, false, err
	}
	uid, ok, err := p.server.Authenticate(ctx, w.Database, ServiceLogin, w.Secret)
	if err != nil || !ok {
		p.uids.Delete(w.signInKey())
		return nil, false, err
	}
	p.uids.Store(w.signInKey(), uid)
	return p.server.Session(w.Database, uid, w.Secret), true, nil
}

func (w Workspace) signInKey() signInKey {
	return signInKey{w.Database, sha256.Sum256([]byte(w.Secret))}
}

func refused(w Workspace) error {
	return fault.New(fault.Denied, "Odoo account %s in %s: credentials refused", ServiceLogin, w.Database).
		WithCode(CodeAccessDenied).
		WithHint("leadctl tenant provision --tenant %s installs the stored secret again", w.Tenant)
}
