package crm

import (
	"context"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Role is what a person may do in a workspace's CRM. It has the name of the role in leadctl.
type Role string

// Roles. Odoo has no group that only reads the CRM, so leadctl makes one (EnsureViewerGroup). Only RoleOps and
// RoleAdmin may export: an export takes the whole list out of Odoo.
const (
	RoleViewer Role = "viewer" // reads leads and contacts
	RoleOps    Role = "ops"    // changes all leads and contacts, exports
	RoleAdmin  Role = "admin"  // also stages, teams, lost reasons, and deletes leads
)

// External ids of groups.
const (
	groupUser        = "base.group_user"
	groupContacts    = "base.group_partner_manager"
	groupExport      = "base.group_allow_export"
	groupSalesperson = "sales_team.group_sale_salesman"
	groupAllLeads    = "sales_team.group_sale_salesman_all_leads"
	groupCRMAdmin    = "sales_team.group_sale_manager"
	viewerGroup      = ownModule + "." + viewerMark
)

// viewerMark is the external id, in ownModule, of the group of RoleViewer.
const viewerMark = "group_viewer"

// viewerAccess is the external id, in ownModule, of the viewers' right to a model.
func viewerAccess(model string) string { return "access_viewer_" + strings.ReplaceAll(model, ".", "_") }

// Groups returns the external ids of the groups that make the role, without those that these imply. An unknown role
// has the groups of RoleViewer.
func (r Role) Groups() []string {
	switch r {
	case RoleAdmin:
		return []string{groupUser, groupContacts, groupExport, groupCRMAdmin}
	case RoleOps:
		return []string{groupUser, groupContacts, groupExport, groupAllLeads}
	}
	return []string{groupUser, viewerGroup}
}

// impliedGroups are the groups that Odoo adds to those of the role. Odoo before 19 stores them with the user.
func (r Role) impliedGroups() []string {
	switch r {
	case RoleAdmin:
		return []string{groupSalesperson, groupAllLeads}
	case RoleOps:
		return []string{groupSalesperson}
	}
	return nil
}

// managedGroups are the groups that a change of role takes away or gives. Others, which an administrator gave, stay.
func managedGroups() []string {
	return []string{groupContacts, groupExport, groupSalesperson, groupAllLeads, groupCRMAdmin, viewerGroup}
}

// viewerModels are what the pages of the CRM read. Those that a version of Odoo lacks are left out.
func viewerModels() []string {
	return []string{"crm.lead", "crm.stage", "crm.tag", "crm.team", "crm.team.member", "crm.lost.reason",
		"crm.recurring.plan", "crm.activity.report", "utm.campaign", "utm.medium", "utm.source"}
}

// EnsureViewerGroup makes the group of RoleViewer: it reads viewerModels, and sees the menu of the CRM. Contacts are
// readable by every user. It may be repeated, and then repairs what was changed.
func EnsureViewerGroup(ctx context.Context, s *odoo.Session) error {
	models, err := s.ModelIDs(ctx, viewerModels())
	if err != nil {
		return err
	}
	switch only, err := viewerReadsOnly(ctx, s, len(models)); {
	case err != nil:
		return err
	case only:
		return showMenu(ctx, s)
	}
	if err := s.LoadRecords(ctx, "res.groups", []string{"id", "name"},
		[][]string{{viewerGroup, "leadctl: reads the CRM"}}); err != nil {
		return err
	}
	var rows [][]string
	for _, model := range viewerModels() {
		if id := models[model]; id != 0 {
			rows = append(rows, []string{ownModule + "." + viewerAccess(model), "leadctl: reads " + model,
				odoo.FormatID(id), viewerGroup, "1", "0", "0", "0"})
		}
	}
	if err := s.LoadRecords(ctx, "ir.model.access", []string{"id", "name", "model_id/.id", "group_id/id", "perm_read",
		"perm_write", "perm_create", "perm_unlink"}, rows); err != nil {
		return err
	}
	return showMenu(ctx, s)
}

// viewerReadsOnly reports whether the viewer group has access to as many models as it must, and to each only to read.
func viewerReadsOnly(ctx context.Context, s *odoo.Session, models int) (bool, error) {
	ids, err := s.ResolveXMLIDs(ctx, []string{viewerGroup})
	if err != nil || ids[viewerGroup] == 0 {
		return false, err
	}
	access, err := s.SearchRead(ctx, "ir.model.access", odoo.Query{
		Fields: []string{"perm_read", "perm_write", "perm_create", "perm_unlink"},
		Domain: odoo.Domain{odoo.Where("group_id", "=", ids[viewerGroup])}})
	changes := slices.ContainsFunc(access, func(a odoo.Record) bool {
		return !a.Bool("perm_read") || a.Bool("perm_write") || a.Bool("perm_create") || a.Bool("perm_unlink")
	})
	return err == nil && len(access) == models && !changes, err
}

// CheckViewerGroup returns a fault.Operator if the viewer group is missing or may change records. The session must have
// administrator rights.
func CheckViewerGroup(ctx context.Context, s *odoo.Session) error {
	models, err := s.ModelIDs(ctx, viewerModels())
	if err != nil {
		return err
	}
	only, err := viewerReadsOnly(ctx, s, len(models))
	if err == nil && !only {
		err = odoo.Misconfigured("Odoo database %s: group %s is missing or does more than read", s.Database(),
			viewerGroup).WithHint("`leadctl tenant provision TENANT` repairs it")
	}
	return err
}

// CheckNoSettings returns a fault.Operator if a person of the workspace has a group that changes settings or users.
func CheckNoSettings(ctx context.Context, s *odoo.Session) error {
	ids, err := ResolveGroups(ctx, s, []string{"base.group_system", "base.group_erp_manager"})
	if err != nil {
		return err
	}
	field, err := GroupsField(ctx, s, "res.users")
	if err != nil {
		return err
	}
	found, err := s.SearchRead(ctx, "res.users", odoo.Query{Fields: []string{"login"}, Domain: append(s.PeopleDomain(),
		odoo.Where(field, "in", []int64{ids["base.group_system"], ids["base.group_erp_manager"]}))})
	if err == nil && len(found) > 0 {
		err = odoo.Misconfigured("Odoo database %s: user %s has rights to the settings of all companies", s.Database(),
			found[0].Text("login")).WithHint("take the group Administration from that user in Odoo")
	}
	return err
}

// crmMenu is the menu that Odoo shows to salespeople only.
const crmMenu = "crm.crm_menu_root"

// showMenu shows the menu of the CRM to the viewer group too. An upgrade of Odoo's module adds groups and removes none.
func showMenu(ctx context.Context, s *odoo.Session) error {
	ids, err := s.ResolveXMLIDs(ctx, []string{crmMenu, viewerGroup})
	if err != nil {
		return err
	}
	if ids[crmMenu] == 0 {
		return s.MissingRecord(crmMenu)
	}
	field, err := GroupsField(ctx, s, "ir.ui.menu")
	if err != nil {
		return err
	}
	shown, err := s.SearchCount(ctx, "ir.ui.menu", odoo.Query{Domain: odoo.Domain{
		odoo.Where("id", "=", ids[crmMenu]), odoo.Where(field, "in", []int64{ids[viewerGroup]})}})
	if err != nil || shown > 0 {
		return err
	}
	return s.Write(ctx, "ir.ui.menu", []int64{ids[crmMenu]},
		odoo.Record{field: []any{[]any{4, ids[viewerGroup]}}}, nil)
}

// GroupsField returns the name of the field with the groups of a user or a menu: group_ids since Odoo 19, groups_id
// before.
func GroupsField(ctx context.Context, s *odoo.Session, model string) (string, error) {
	have, err := s.FieldsGet(ctx, model, []string{"group_ids", "groups_id"})
	if err != nil {
		return "", err
	}
	if _, ok := have["group_ids"]; ok {
		return "group_ids", nil
	}
	return "groups_id", nil
}

// ResolveGroups returns the ids of groups by external id. It makes the viewer group in a workspace of an older version
// of leadctl. A missing group of Odoo is fault.Operator.
func ResolveGroups(ctx context.Context, s *odoo.Session, groups []string) (map[string]int64, error) {
	ids, err := s.ResolveXMLIDs(ctx, groups)
	if err == nil && ids[viewerGroup] == 0 && slices.Contains(groups, viewerGroup) {
		if err = EnsureViewerGroup(ctx, s); err == nil {
			ids, err = s.ResolveXMLIDs(ctx, groups)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if ids[g] == 0 {
			return nil, s.MissingRecord(g)
		}
	}
	return ids, nil
}

// EnsureRole gives a user the groups of the role and takes those of the other roles away. It reports whether anything
// changed. Groups that belong to no role stay. Odoo applies the change to open sessions at once.
func EnsureRole(ctx context.Context, s *odoo.Session, uid int64, role Role) (changed bool, err error) {
	ids, err := ResolveGroups(ctx, s, append(managedGroups(), groupUser))
	if err != nil {
		return false, err
	}
	field, err := GroupsField(ctx, s, "res.users")
	if err != nil {
		return false, err
	}
	user, err := s.Read(ctx, "res.users", []int64{uid}, []string{field})
	if err != nil || len(user) == 0 {
		return false, err
	}
	have := user[0].IDs(field)
	var commands []any
	for _, g := range managedGroups() {
		kept := slices.Contains(role.Groups(), g) || slices.Contains(role.impliedGroups(), g)
		if !kept && slices.Contains(have, ids[g]) {
			commands = append(commands, []any{3, ids[g]})
		}
	}
	for _, g := range role.Groups() {
		if !slices.Contains(have, ids[g]) {
			commands = append(commands, []any{4, ids[g]})
		}
	}
	if len(commands) == 0 {
		return false, nil
	}
	return true, s.Write(ctx, "res.users", []int64{uid}, odoo.Record{field: commands}, odoo.QuietContext())
}
