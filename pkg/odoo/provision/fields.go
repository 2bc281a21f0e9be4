package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// EnsureFields makes those of crm.Fields that the workspace does not have, and returns their names. A field of the same
// name but another type is fault.Operator, because a conversion could lose data of a user.
func (p *Provisioner) EnsureFields(ctx context.Context, w Workspace) ([]string, error) {
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return nil, err
	}
	return crm.EnsureFields(ctx, s)
}
