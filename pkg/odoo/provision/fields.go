package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// EnsureFields prepares the workspace's CRM: the language of new users, fields, views, team and source (see
// crm.Prepare). It returns the names of the fields that it created. A field of the same name but another type is
// fault.Operator: a conversion could lose what a user stored there.
func (p *Provisioner) EnsureFields(ctx context.Context, w Workspace) ([]string, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	version, err := p.server.CachedVersion(ctx)
	if err != nil {
		return nil, err
	}
	if err := ensureLanguage(ctx, s, p.language); err != nil {
		return nil, err
	}
	setup := p.setup
	setup.Major = version.Major
	return crm.Prepare(ctx, s, setup)
}

// RemoveFields takes leadctl's fields and views out of the workspace's CRM, and returns what it took (see crm.Remove).
// The companies of a shared database have the same fields: fault.Unsupported.
func (p *Provisioner) RemoveFields(ctx context.Context, w Workspace, dry bool) ([]string, error) {
	if p.shared != nil {
		return nil, fault.New(fault.Unsupported,
			"fields of the workspace of tenant %s: all tenants of Odoo database %s use them", w.Tenant, w.Database)
	}
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	return crm.Remove(ctx, s, dry)
}
