package provision

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// PushLeads brings leads into the workspace's CRM. A company is one partner, found by its UEN, and one lead that
// leadctl scored, made together or not at all. On records that exist only leadctl's own x_ fields are written, and only
// when they differ: names, stages, owners, phones and mails belong to the salespeople. So does the lead itself: where
// they archived it as lost it is kept up to date, and where they moved it to another partner or deleted it, no second
// one is made.
//
// It may be repeated after any failure and then goes on; Pushed is valid with an error too. Two pushes to one workspace
// at the same time could each make a lead, so the caller runs one at a time.
func (p *Provisioner) PushLeads(ctx context.Context, w Workspace, leads []crm.Lead) (crm.Pushed, error) {
	return p.pushLeads(ctx, w, leads, false)
}

// CompareLeads counts what PushLeads would do, and writes nothing.
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
