package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// EnsureFields sees to it that the workspace has all Fields and returns the names of those this call made. A field of
// the same name but another type is fault.Operator: converting it could lose what a user stored there.
func (p *Provisioner) EnsureFields(ctx context.Context, w Workspace) ([]string, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	return crm.EnsureFields(ctx, s)
}
