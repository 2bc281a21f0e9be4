package provision

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// PushLeads writes leads into the workspace's CRM (see crm.Push). A company is one contact and one lead, made together
// or not at all. On existing records it writes leadctl's own x_ fields when they differ, and Odoo's fields only while
// they are empty or as leadctl left them. It makes no second lead when a person moved or deleted the first.
//
// The caller may repeat it after any failure, and it goes on where it stopped. Outcomes are valid with an error too.
// Two concurrent pushes to one workspace could both make a lead, so the caller runs one at a time. With dry, PushLeads
// writes nothing.
func (p *Provisioner) PushLeads(ctx context.Context, w Workspace, items []crm.Item, dry bool) ([]crm.Outcome, error) {
	session, options, err := p.openForPush(ctx, w, dry)
	if err != nil {
		return nil, err
	}
	return crm.Push(ctx, session, items, options)
}

// WithdrawLeads takes back pushed leads in the workspace's CRM (see crm.Withdraw). For repetition and dry, see
// PushLeads.
func (p *Provisioner) WithdrawLeads(ctx context.Context, w Workspace, items []crm.Withdrawal, dry bool) ([]crm.Outcome,
	error) {
	session, options, err := p.openForPush(ctx, w, dry)
	if err != nil {
		return nil, err
	}
	return crm.Withdraw(ctx, session, items, options)
}

func (p *Provisioner) openForPush(ctx context.Context, w Workspace, dry bool) (*odoo.Session, crm.Options, error) {
	session, err := p.Session(ctx, w)
	if err != nil {
		return nil, crm.Options{}, err
	}
	version, err := p.server.CachedVersion(ctx)
	if err != nil {
		return nil, crm.Options{}, err
	}
	references := func(ctx context.Context) (crm.References, error) {
		s, err := p.openForSettings(ctx, w)
		if err != nil {
			return crm.References{}, err
		}
		return crm.FindReferences(ctx, s)
	}
	return session, crm.Options{Major: version.Major, Type: p.setup.Type, Dry: dry, References: references}, nil
}

// ReadFeedback passes what became of leadctl's leads to page (see crm.ReadFeedback). since limits it to leads that
// changed then or later; the zero time reads all.
func (p *Provisioner) ReadFeedback(ctx context.Context, w Workspace, since time.Time,
	page func([]crm.Feedback) error) error {
	settings, err := p.openForSettings(ctx, w)
	if err != nil {
		return err
	}
	reason, err := crm.FindLostReason(ctx, settings)
	if err != nil {
		return err
	}
	s, err := p.Session(ctx, w)
	if err != nil {
		return err
	}
	return crm.ReadFeedback(ctx, s, reason, since, page)
}
