package provision

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// PushOptions of PushLeads.
type PushOptions struct {
	Dry    bool       // compare, and write nothing
	Assign crm.Assign // to whom new leads belong; "": to no person
}

// PushLeads writes leads into the workspace's CRM (see crm.Push). A company is one contact and one lead, made together
// or not at all. On existing records it writes leadctl's own x_ fields when they differ, and Odoo's fields only while
// they are empty or as leadctl left them. It makes no second lead when a person moved or deleted the first.
//
// The caller may repeat it after any failure, and it goes on where it stopped. Outcomes are valid with an error too.
// Two concurrent pushes to one workspace could both make a lead, so the caller runs one at a time.
func (p *Provisioner) PushLeads(ctx context.Context, w Workspace, items []crm.Item, how PushOptions) ([]crm.Outcome,
	error) {
	session, options, err := p.openForPush(ctx, w, how)
	if err != nil {
		return nil, err
	}
	return crm.Push(ctx, session, items, options)
}

// WithdrawLeads takes back pushed leads in the workspace's CRM (see crm.Withdraw). For repetition, see
// PushLeads. With dry, it writes nothing.
func (p *Provisioner) WithdrawLeads(ctx context.Context, w Workspace, items []crm.Withdrawal, dry bool) ([]crm.Outcome,
	error) {
	session, options, err := p.openForPush(ctx, w, PushOptions{Dry: dry})
	if err != nil {
		return nil, err
	}
	return crm.Withdraw(ctx, session, items, options)
}

func (p *Provisioner) openForPush(ctx context.Context, w Workspace, how PushOptions) (*odoo.Session, crm.Options,
	error) {
	session, err := p.Session(ctx, w)
	if err != nil {
		return nil, crm.Options{}, err
	}
	version, err := p.server.CachedVersion(ctx)
	if err == nil && how.Dry {
		err = requireFields(ctx, session) // a push would have made them
	}
	if err != nil {
		return nil, crm.Options{}, err
	}
	references := func(ctx context.Context) (crm.References, error) {
		s, err := p.openForSettings(ctx, w)
		if err != nil {
			return crm.References{}, err
		}
		return crm.FindReferences(ctx, s, how.Assign)
	}
	return session, crm.Options{Major: version.Major, Type: p.setup.Type, Dry: how.Dry, References: references}, nil
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
