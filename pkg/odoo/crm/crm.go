package crm

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Setup says how a workspace's CRM is prepared.
type Setup struct {
	Major int    // Odoo's major version
	Type  string // TypeOpportunity (the default) or TypeLead

	PublicURL string // Odoo's address in links of its mails; "" leaves what Odoo finds out
}

// Prepare brings a workspace to what Push and the people need: fields, views, the source and the team of pushed leads,
// the tag of withdrawn ones, the lost reason "Not a fit", the group of viewers, and the menu Leads if leads are pushed
// as leads. It may be repeated, and then repairs what is missing. The session must have administrator rights. It
// returns the names of the fields that it created.
func Prepare(ctx context.Context, s *odoo.Session, setup Setup) (created []string, err error) {
	if created, err = EnsureFields(ctx, s); err != nil {
		return nil, err
	}
	if err := EnsureViews(ctx, s, setup.Major); err != nil {
		return created, err
	}
	if err := EnsureSource(ctx, s); err != nil {
		return created, err
	}
	if err := EnsureWithdrawnTag(ctx, s); err != nil {
		return created, err
	}
	if err := EnsureLostReason(ctx, s); err != nil {
		return created, err
	}
	if err := EnsureViewerGroup(ctx, s); err != nil {
		return created, err
	}
	if setup.PublicURL != "" {
		// Without freeze, Odoo takes the address of the administrator's next sign-in.
		if err := s.EnsureParameters(ctx, [][2]string{{"web.base.url", setup.PublicURL},
			{"web.base.url.freeze", "True"}}); err != nil {
			return created, err
		}
	}
	if setup.Type == TypeLead {
		if err := EnsureLeadsMenu(ctx, s); err != nil {
			return created, err
		}
	}
	_, err = EnsureTeam(ctx, s)
	return created, err
}

// EnsureLeadsMenu switches on Odoo's menu Leads, which is off in a new database.
func EnsureLeadsMenu(ctx context.Context, s *odoo.Session) error {
	groups, err := s.ResolveXMLIDs(ctx, []string{"base.group_user", "crm.group_use_lead"})
	if err != nil {
		return err
	}
	on, err := s.SearchCount(ctx, "res.groups", odoo.Query{Domain: odoo.Domain{
		odoo.Where("id", "=", groups["base.group_user"]),
		odoo.Where("implied_ids", "in", groups["crm.group_use_lead"])}})
	if err != nil || on > 0 {
		return err
	}
	settings, err := s.Create(ctx, "res.config.settings", []odoo.Record{{"group_use_lead": true}}, nil)
	if err != nil {
		return err
	}
	_, err = s.Call(ctx, odoo.Call{Model: "res.config.settings", Method: "execute", IDs: settings})
	return err
}
