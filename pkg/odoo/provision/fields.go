package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// EnsureFields prepares the workspace's CRM: fields, views, team and source (see crm.Prepare). It returns the names of
// the fields that it created. A field of the same name but another type is fault.Operator: a conversion could lose what
// a user stored there.
func (p *Provisioner) EnsureFields(ctx context.Context, w Workspace) ([]string, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	version, err := p.server.CachedVersion(ctx)
	if err != nil {
		return nil, err
	}
	setup := p.setup
	setup.Major = version.Major
	return crm.Prepare(ctx, s, setup)
}
