package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// ServiceAccount is leadctl's own user in a workspace.
type ServiceAccount struct {
	Login string
	UID   int64
}

// EnsureServiceAccount makes sure that the workspace's secret opens leadctl's account. Where ClusterDSN allows it, it
// installs a refused secret again; otherwise it returns fault.Denied with CodeAccessDenied. It never tries other
// credentials.
func (p *Provisioner) EnsureServiceAccount(ctx context.Context, w Workspace) (ServiceAccount, error) {
	s, ok, err := p.signIn(ctx, w)
	if err != nil {
		return ServiceAccount{}, err
	}
	if !ok {
		if s, err = p.reinstallSecret(ctx, w); err != nil {
			return ServiceAccount{}, err
		}
	}
	return ServiceAccount{p.ServiceLogin(w.Tenant), s.UID()}, nil
}

func (p *Provisioner) reinstallSecret(ctx context.Context, w Workspace) (*odoo.Session, error) {
	if err := p.backend.installSecret(ctx, w); err != nil {
		return nil, err
	}
	s, ok, err := p.signIn(ctx, w)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, credentialsRefused(p.ServiceLogin(w.Tenant), w)
	}
	return s, p.forgetSecrets(ctx, w, s.UID())
}

// Rotate replaces the secret of leadctl's account: w has the current one, next is the new one. The caller has stored
// both, so that a crash before or after the change loses neither. Rotate succeeds when next opens the account and the
// old secret does not, also when an earlier call made the change.
func (p *Provisioner) Rotate(ctx context.Context, w Workspace, next odoo.Secret) error {
	after := w
	after.Secret = next
	if w.Secret == next {
		return fault.New(fault.Internal, "tenant %s: rotation to the same secret", w.Tenant)
	}
	s, done, err := p.signIn(ctx, after)
	if err != nil {
		return err
	}
	if !done {
		if s, err = p.exchangeSecret(ctx, w, after); err != nil {
			return err
		}
	}
	if err := p.forgetSecrets(ctx, after, s.UID()); err != nil {
		return err
	}
	return p.requireRefused(ctx, w, s.UID())
}

// requireRefused checks that Odoo refuses a secret at sign-in and, where XML-RPC is open, also in calls: XML-RPC has a
// cache of accepted secrets.
func (p *Provisioner) requireRefused(ctx context.Context, w Workspace, uid int64) error {
	_, opens, err := p.signIn(ctx, w)
	if err != nil {
		return err
	}
	version, err := p.server.CachedVersion(ctx)
	if err != nil {
		return err
	}
	if !opens && !version.XMLRPC {
		return nil
	}
	if !opens {
		a := p.accountOf(w)
		a.UID, a.Over = uid, odoo.ProtocolXMLRPC
		old, _, err := p.server.Open(ctx, a)
		if err == nil {
			_, err = old.SearchCount(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "=", uid)}})
		}
		if fault.Code(err) == odoo.CodeAccessDenied {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fault.New(fault.Unavailable, "Odoo account %s in %s: Odoo still accepts the old secret",
		p.ServiceLogin(w.Tenant), w.Database)
}

// exchangeSecret installs the new secret: in SQL with ClusterDSN, else as the account itself.
func (p *Provisioner) exchangeSecret(ctx context.Context, w, after Workspace) (*odoo.Session, error) {
	err := p.backend.installSecret(ctx, after)
	if fault.Code(err) != odoo.CodeAccessDenied {
		if err != nil {
			return nil, err
		}
		return p.Session(ctx, after)
	}
	s, err := p.Session(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := s.SetPassword(ctx, s.UID(), after.Secret, nil); err != nil {
		return nil, err
	}
	return p.Session(ctx, after)
}

// forgetSecrets makes the Odoo processes drop their caches of accepted secrets. Over XML-RPC a deleted key works until
// its user is written.
func (p *Provisioner) forgetSecrets(ctx context.Context, w Workspace, uid int64) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	return s.Write(ctx, "res.users", []int64{uid}, odoo.Record{"active": true}, nil)
}

// requireNoDefaultPassword checks that admin/admin does not open the database. Odoo leaves that account behind when
// making a database fails.
func (p *Provisioner) requireNoDefaultPassword(ctx context.Context, db string) error {
	_, open, err := p.server.Authenticate(ctx, db, "admin", "admin")
	if err != nil {
		return err
	}
	if open {
		return odoo.Misconfigured("Odoo database %s: the login admin with the password admin opens it", db).
			WithHint("prepare the template with: leadctl odoo template prepare")
	}
	return nil
}
