package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// PushLeads writes leads into the workspace's CRM. A company is one partner, found by its UEN, and one lead with its
// score, made together or not at all. On existing records it writes only leadctl's own x_ fields, and only when they
// differ: names, stages, owners, phones and mails belong to the salespeople. It keeps a lead that they archived up to
// date. It makes no second lead when they moved the first to another partner or deleted it.
//
// The caller may repeat it after any failure, and it goes on where it stopped. Pushed is valid with an error too. Two
// concurrent pushes to one workspace could both make a lead, so the caller runs one at a time.
func (p *Provisioner) PushLeads(ctx context.Context, w Workspace, leads []crm.Lead) (crm.Pushed, error) {
	return p.pushLeads(ctx, w, leads, false)
}

// CompareLeads returns what PushLeads would do, and writes nothing.
func (p *Provisioner) CompareLeads(ctx context.Context, w Workspace, leads []crm.Lead) (crm.Pushed, error) {
	return p.pushLeads(ctx, w, leads, true)
}

func (p *Provisioner) pushLeads(ctx context.Context, w Workspace, leads []crm.Lead, dry bool) (crm.Pushed, error) {
	session, err := p.Session(ctx, w)
	if err != nil {
		return crm.Pushed{}, err
	}
	return crm.Push(ctx, session, leads, dry)
}
