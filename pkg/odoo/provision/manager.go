package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// manager has Odoo make databases, for installations whose PostgreSQL leadctl cannot reach. It signs in to a clone
// once, as the template's administrator. Before the clone gets its final name, the manager changes that administrator's
// login and password.
type manager struct {
	server       *odoo.Server
	databases    *odoo.Databases
	template     string
	installation string
	login        string
	secret       odoo.Secret
}

func newManager(s *odoo.Server, databases *odoo.Databases, p Provisioning) *manager {
	return &manager{s, databases, p.Template, p.Installation, p.TemplateLogin, p.TemplateSecret}
}

func (m *manager) ensureWorkspace(ctx context.Context, w Workspace) (bool, error) {
	exists, err := m.databases.Exists(ctx, w.Database)
	if err != nil {
		return false, odoo.MasterRefused(err)
	}
	if exists {
		return false, m.acceptExisting(ctx, w)
	}
	if err := m.createDatabase(ctx, w); err != nil {
		return false, m.acceptConcurrent(ctx, w, err)
	}
	_, err = m.openOwned(ctx, w)
	return true, err
}

// acceptExisting accepts a workspace that exists. It drops a provisional database beside it: with the forms, a rename
// is a copy, and a crash leaves both.
func (m *manager) acceptExisting(ctx context.Context, w Workspace) error {
	if _, err := m.openOwned(ctx, w); err != nil {
		return err
	}
	return m.databases.DropLeftover(ctx, w.provisionalName())
}

// acceptConcurrent accepts the workspace after a failed attempt if it exists: then another attempt was faster, or an
// answer was lost. Odoo has no lock that would prevent this. Otherwise it returns failed.
func (m *manager) acceptConcurrent(ctx context.Context, w Workspace, failed error) error {
	if done, err := m.databases.Exists(ctx, w.Database); err != nil || !done {
		return failed
	}
	return m.acceptExisting(ctx, w)
}

func (m *manager) createDatabase(ctx context.Context, w Workspace) error {
	if err := m.cloneTemplate(ctx, w.provisionalName()); err != nil {
		return err
	}
	if err := m.setIdentity(ctx, w); err != nil {
		// The template is wrong. Drop its clone, so that the next attempt copies the repaired template.
		if fault.Is(err, fault.Operator) {
			_, _ = m.databases.Drop(ctx, w.provisionalName())
		}
		return err
	}
	return m.databases.Rename(ctx, w.provisionalName(), w.Database)
}

// cloneTemplate copies the template, unless an interrupted or concurrent attempt already did.
func (m *manager) cloneTemplate(ctx context.Context, name string) error {
	exists, err := m.databases.Exists(ctx, name)
	if err != nil || exists {
		return err
	}
	err = m.databases.Duplicate(ctx, m.template, name)
	if err == nil {
		return nil
	}
	if there, look := m.databases.Exists(ctx, name); look == nil && there {
		return nil
	}
	if fault.Is(err, fault.NotFound) {
		return notPrepared(m.template)
	}
	return odoo.MasterRefused(err)
}

// setIdentity does over RPC what cluster.setIdentity does in SQL. The order matters for a crash in between: leadctl's
// account gets its secret first, and the template's administrator loses its credentials last.
func (m *manager) setIdentity(ctx context.Context, w Workspace) error {
	db := w.provisionalName()
	own, ok, err := m.openServiceAccount(ctx, db, w.Secret)
	if err != nil {
		return err
	}
	if !ok {
		if own, err = m.installServiceSecret(ctx, db, w.Secret); err != nil {
			return err
		}
	}
	if prepared, err := own.Parameter(ctx, templateKey); err != nil {
		return err
	} else if prepared == "" {
		return notPrepared(m.template)
	}
	for _, p := range [][2]string{{"database.uuid", newUUID()}, {markerKey, markerOf(m.installation, w.Tenant)}} {
		if err := own.SetParameter(ctx, p[0], p[1]); err != nil {
			return err
		}
	}
	if err := m.closeTemplateAdministrator(ctx, own, w); err != nil {
		return err
	}
	return own.SetParameter(ctx, "database.secret", newUUID()) // ends all sessions
}

// openServiceAccount signs in as leadctl's account.
func (m *manager) openServiceAccount(ctx context.Context, db string, secret odoo.Secret) (*odoo.Session, bool, error) {
	return m.server.Open(ctx, odoo.Account{Database: db, Login: odoo.ServiceLogin, Secret: secret})
}

// installServiceSecret signs in as the template's administrator and sets the secret of leadctl's account. The secret
// becomes a password: over RPC Odoo makes keys itself, but the secret that the caller has stored must work.
func (m *manager) installServiceSecret(ctx context.Context, db string, secret odoo.Secret) (*odoo.Session, error) {
	admin, ok, err := m.server.Open(ctx, odoo.Account{Database: db, Login: m.login, Secret: m.secret})
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Operator, "Odoo template account %s: credentials refused by the clone %s", m.login,
			db).
			WithCode(odoo.CodeMisconfig).WithHint("check the template's administrator login and password")
	}
	users, err := admin.SearchRead(ctx, "res.users",
		odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", odoo.ServiceLogin)}, Fields: []string{"login"}})
	if err != nil {
		return nil, err
	}
	if len(users) != 1 {
		return nil, fault.New(fault.Operator, "Odoo account %s: missing in template %s", odoo.ServiceLogin, m.template).
			WithCode(odoo.CodeMisconfig).WithHint("prepare it with: leadctl odoo template prepare")
	}
	if err := admin.SetPassword(ctx, users[0].ID(), secret, nil); err != nil {
		return nil, err
	}
	s, ok, err := m.openServiceAccount(ctx, db, secret)
	if err == nil && !ok {
		err = fault.New(fault.Unavailable, "Odoo account %s in %s: Odoo refuses the password that was just set",
			odoo.ServiceLogin, db)
	}
	return s, err
}

// closeTemplateAdministrator gives the template's administrator another login and a random password, and checks that
// Odoo refuses the old ones.
func (m *manager) closeTemplateAdministrator(ctx context.Context, own *odoo.Session, w Workspace) error {
	users, err := own.SearchRead(ctx, "res.users",
		odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", m.login)}, Fields: []string{"login"}})
	if err != nil {
		return err
	}
	if len(users) == 1 {
		if err := own.SetPassword(ctx, users[0].ID(), odoo.NewSecret(),
			odoo.Record{"login": odoo.AdministratorLogin(w.Database)}); err != nil {
			return err
		}
	}
	_, open, err := m.server.Authenticate(ctx, own.Database(), m.login, m.secret)
	if err == nil && open {
		err = fault.New(fault.Unavailable, "Odoo database %s: Odoo still accepts the template's credentials",
			own.Database())
	}
	return err
}

// openOwned signs in to the final database and checks its marker.
func (m *manager) openOwned(ctx context.Context, w Workspace) (*odoo.Session, error) {
	s, ok, err := m.openServiceAccount(ctx, w.Database, w.Secret)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, foreignWorkspace(w, "refuses leadctl's account")
	}
	switch owner, err := s.Parameter(ctx, markerKey); {
	case err != nil:
		return nil, err
	case owner == "":
		return nil, foreignWorkspace(w, "carries no marker of leadctl")
	case owner != markerOf(m.installation, w.Tenant):
		return nil, foreignWorkspace(w, "its marker names another owner")
	}
	return s, nil
}

// installSecret always fails: without SQL, leadctl cannot open an account whose secret Odoo has just refused.
func (m *manager) installSecret(_ context.Context, w Workspace) error {
	return credentialsRefused(odoo.ServiceLogin, w)
}

func (m *manager) dropWorkspace(ctx context.Context, w Workspace) (bool, error) {
	dropped := false
	for _, name := range []string{w.Database, w.provisionalName()} {
		exists, err := m.databases.Exists(ctx, name)
		if err != nil {
			return dropped, err
		}
		if !exists {
			continue
		}
		if name == w.Database {
			if _, err := m.openOwned(ctx, w); err != nil {
				return dropped, err
			}
		}
		gone, err := m.databases.Drop(ctx, name)
		if err != nil {
			return dropped, err
		}
		dropped = dropped || gone
	}
	return dropped, nil
}

func (m *manager) archiveWorkspace(ctx context.Context, w Workspace, as string) (bool, error) {
	switch there, err := m.databases.Exists(ctx, w.Database); {
	case err != nil || !there:
		return false, err
	}
	switch taken, err := m.databases.Exists(ctx, as); {
	case err != nil:
		return false, err
	case taken:
		return false, archiveTaken(as)
	}
	if _, err := m.openOwned(ctx, w); err != nil {
		return false, err
	}
	err := m.databases.Rename(ctx, w.Database, as)
	return err == nil, err
}

func (*manager) takeSpareUser(context.Context, Workspace, User) (int64, error) { return 0, nil }
