package odoo

import (
	"context"
	"maps"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// User is a person who works in a tenant's workspace. They sign in through SSO, so leadctl sets no password.
type User struct {
	Email string // becomes the login, in lower case
	Name  string // "" shows the e-mail address
}

// ownerGroups is what the person of a workspace may do: all leads, all contacts, no settings.
var ownerGroups = []string{"base.group_user", "base.group_partner_manager", "sales_team.group_sale_manager"}

// EnsureUser sees to it that the person has a user and returns its id. Groups are set only when the user is made: what the
// tenant changed since stays. An archived user is fault.Conflict, since somebody took that access away on purpose.
func (p *Provisioner) EnsureUser(ctx context.Context, w Workspace, u User) (int64, error) {
	u.Email = strings.ToLower(strings.TrimSpace(u.Email))
	if !strings.Contains(u.Email, "@") {
		return 0, fault.New(fault.Invalid, "user %q of tenant %s: not an e-mail address", u.Email, w.Tenant)
	}
	if u.Name == "" {
		u.Name = u.Email
	}
	s, err := p.openForSettings(ctx, w)
	if err != nil {
		return 0, err
	}
	if uid, err := s.findOwnUser(ctx, u.Email); err != nil || uid != 0 {
		return uid, err
	}
	uid, err := p.backend.takeSpareUser(ctx, w, u)
	if err == nil && uid == 0 {
		uid, err = s.createUser(ctx, Record{"login": u.Email, "name": u.Name, "email": u.Email}, ownerGroups)
	}
	if err == nil {
		return uid, nil
	}
	// Another attempt may have been faster, or this one's answer got lost.
	if there, look := s.findOwnUser(ctx, u.Email); look == nil && there != 0 {
		return there, nil
	}
	return 0, err
}

// findUser finds a user by login, 0 when there is none.
func (s *Session) findUser(ctx context.Context, login string) (int64, error) {
	found, err := s.SearchRead(ctx, "res.users", Query{Domain: Domain{Where("login", "=", login)},
		Fields: []string{"login", "active"}, Archived: true})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	if !found[0].Bool("active") {
		return 0, fault.New(fault.Conflict, "Odoo user %s in %s: archived", login, s.Database()).WithCode(CodeUserArchived).
			WithHint("unarchive the user in Odoo if that person shall have access")
	}
	return found[0].ID(), nil
}

// createUser makes a user in exactly the named groups. Without groups Odoo 14 would make a sales administrator and 19 a user
// who sees no lead.
func (s *Session) createUser(ctx context.Context, values Record, groups []string) (int64, error) {
	byName, err := s.ResolveXMLIDs(ctx, groups)
	if err != nil {
		return 0, err
	}
	ids := make([]int64, len(groups))
	for i, g := range groups {
		if ids[i] = byName[g]; ids[i] == 0 {
			return 0, s.MissingRecord(g)
		}
	}
	field, err := s.groupsField(ctx)
	if err != nil {
		return 0, err
	}
	user := Record{"notification_type": "email", field: []any{[]any{6, 0, ids}}}
	if s.Company() != 0 {
		user["company_id"], user["company_ids"] = s.Company(), []any{[]any{6, 0, []int64{s.Company()}}}
	}
	maps.Copy(user, values)
	made, err := s.Create(ctx, "res.users", []Record{user}, withContext(QuietContext(), "no_reset_password", true))
	if err != nil {
		return 0, err
	}
	return made[0], nil
}

// MissingRecord: the module that brings an external id is not installed.
func (s *Session) MissingRecord(id string) error {
	return fault.New(fault.Operator, "Odoo record %s in %s: missing, its module is not installed", id, s.Database()).
		WithCode(CodeMisconfig).WithHint("prepare the template again with: leadctl odoo template prepare")
}

// ResolveXMLIDs resolves those ids that exist.
func (s *Session) ResolveXMLIDs(ctx context.Context, ids []string) (map[string]int64, error) {
	out := map[string]int64{}
	var modules, shortNames []string
	for _, id := range ids {
		module, name, _ := strings.Cut(id, ".")
		modules, shortNames = append(modules, module), append(shortNames, name)
	}
	found, err := s.SearchRead(ctx, "ir.model.data", Query{Fields: []string{"module", "name", "res_id"},
		Domain: Domain{Where("module", "in", modules), Where("name", "in", shortNames)}})
	for _, r := range found {
		out[r.Text("module")+"."+r.Text("name")] = r.Int("res_id")
	}
	return out, err
}
