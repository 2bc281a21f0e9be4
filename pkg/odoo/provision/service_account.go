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

// EnsureServiceAccount sees to it that the workspace's secret opens leadctl's account. A refused secret is installed
// again where the cluster's DSN allows that; otherwise the answer is fault.Denied with CodeAccessDenied. It never tries
// any other credentials to get in.
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

// Rotate replaces the secret of leadctl's account: w carries the one in force, next the one to come, and both are
// stored by the caller, so that a crash on either side of the change loses neither. It is done when next opens the
// account and the old one does not, whether this call did it or an earlier one.
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

// requireRefused makes sure that a secret is refused at sign-in and, where XML-RPC is open, by the cache there of those
// accepted before.
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
	return fault.New(fault.Unavailable, "Odoo account %s in %s: the old secret still opens it",
		p.ServiceLogin(w.Tenant), w.Database)
}

// exchangeSecret installs the new secret: through the cluster where there is one, else as the account itself.
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

// forgetSecrets makes the Odoo processes drop their caches of accepted secrets: over XML-RPC a deleted key keeps
// working until something is written on its user.
func (p *Provisioner) forgetSecrets(ctx context.Context, w Workspace, uid int64) error {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	return s.Write(ctx, "res.users", []int64{uid}, odoo.Record{"active": true}, nil)
}

// requireNoDefaultPassword makes sure that the database is not one of those that Odoo leaves behind with admin/admin.
func (p *Provisioner) requireNoDefaultPassword(ctx context.Context, db string) error {
	_, open, err := p.server.Authenticate(ctx, db, "admin", "admin")
	if err != nil {
		return err
	}
	if open {
		return fault.New(fault.Operator, "Odoo database %s: admin/admin opens it", db).WithCode(odoo.CodeMisconfig).
			WithHint("the template was not prepared by leadctl odoo template prepare")
	}
	return nil
}
