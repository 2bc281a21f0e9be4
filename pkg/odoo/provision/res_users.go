package provision

import (
	"context"
	"maps"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
	"github.com/leadctl/leadctl/pkg/odoo/crm"
)

// Codes of users that leadctl does not change.
const (
	CodeUserLinked   = "ODOO_USER_LINKED"   // the user is linked to another subject
	CodeUserArchived = "ODOO_USER_ARCHIVED" // an administrator of the workspace archived the user
)

// companyAccountGroups let leadctl's account of a company use all leads and all contacts, and no settings. Deleting
// leads needs the sales manager.
var companyAccountGroups = []string{"base.group_user", "base.group_partner_manager", "sales_team.group_sale_manager"}

// findUser returns the id of the user with this login, 0 when there is none.
func findUser(ctx context.Context, s *odoo.Session, login string) (int64, error) {
	found, err := s.SearchRead(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("login", "=", login)},
		Fields: []string{"login", "active"}, Archived: true})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	if !found[0].Bool("active") {
		return 0, fault.New(fault.Conflict, "Odoo user %s in %s: archived", login,
			s.Database()).WithCode(CodeUserArchived).
			WithHint("unarchive the user in Odoo to give that person access again")
	}
	return found[0].ID(), nil
}

// createUser makes a user in exactly the named groups. Without groups, Odoo 14 makes a sales administrator, and Odoo 19
// a user who sees no leads.
func createUser(ctx context.Context, s *odoo.Session, values odoo.Record, groups []string) (int64, error) {
	byName, err := crm.ResolveGroups(ctx, s, groups)
	if err != nil {
		return 0, err
	}
	ids := make([]int64, len(groups))
	for i, g := range groups {
		ids[i] = byName[g]
	}
	field, err := crm.GroupsField(ctx, s, "res.users")
	if err != nil {
		return 0, err
	}
	user := odoo.Record{"notification_type": "email", "tz": timeZone, field: []any{[]any{6, 0, ids}}}
	if s.Company() != 0 {
		user["company_id"], user["company_ids"] = s.Company(), []any{[]any{6, 0, []int64{s.Company()}}}
	}
	maps.Copy(user, values)
	made, err := s.Create(ctx, "res.users", []odoo.Record{user},
		odoo.WithContext(odoo.QuietContext(), "no_reset_password", true))
	if err != nil {
		return 0, err
	}
	return made[0], nil
}

// findOwnUser returns the id of the user with this login in the session's company, 0 when there is none. A user of
// another company is fault.Operator.
func findOwnUser(ctx context.Context, s *odoo.Session, login string) (int64, error) {
	uid, err := findUser(ctx, s, login)
	if err != nil || uid == 0 || s.Company() == 0 {
		return uid, err
	}
	is, err := s.SearchCount(ctx, "res.users", odoo.Query{Domain: odoo.Domain{odoo.Where("id", "=", uid),
		odoo.Where("company_id", "=", s.Company())}})
	if err == nil && is == 0 {
		err = fault.New(fault.Operator, "Odoo user %s in %s: belongs to another company", login,
			s.Database()).WithCode("ODOO_USER_TAKEN").
			WithHint("a login exists once in a shared database; use another address, or odoo.mode database")
	}
	return uid, err
}
