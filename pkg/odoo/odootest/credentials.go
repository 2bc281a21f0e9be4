package odootest

import (
	"slices"
	"strings"
)

// runCredentialsAction does what the code of leadctl's only server action does: it finds the credentials of people, and
// with leadctl_close in the context it deletes them.
func (r request) runCredentialsAction() any {
	found := []any{}
	users := r.db.tableOf("res.users")
	for _, id := range users.sortedIDs() {
		if !r.isPerson(users.rows[id]) {
			continue
		}
		for _, door := range r.db.credentialsOf(id, r.contextValue("leadctl_close") == any(true)) {
			found = append(found, map[string]any{"door": door, "login": users.rows[id]["login"], "id": id})
		}
	}
	return map[string]any{"type": "ir.actions.act_window_close", "infos": map[string]any{"found": found}}
}

// isPerson is the action's search.
func (r request) isPerson(u row) bool {
	login, company := asString(u["login"]), asInt(r.contextValue("leadctl_company"))
	system := r.db.resolveExternalID("base.group_system")
	groups := append(slices.Clone(asList(u["group_ids"])), asList(u["groups_id"])...)
	return u["active"] == any(true) && u["share"] != any(true) && login != r.contextValue("leadctl_administrator") &&
		(strings.Contains(login, "@") || login == r.contextValue("leadctl_operator")) &&
		(company == 0 || asInt(u["company_id"]) == company) && !slices.Contains(groups, system)
}

// credentialsOf names the kinds of credentials that a user has. With remove it deletes them.
func (d *database) credentialsOf(uid int64, remove bool) (kinds []string) {
	if d.passwords[uid] != "" {
		kinds = append(kinds, "a password")
	}
	for key, owner := range d.keys {
		if owner != uid {
			continue
		}
		if !slices.Contains(kinds, "an API key") {
			kinds = append(kinds, "an API key")
		}
		if remove {
			delete(d.keys, key)
		}
	}
	if remove {
		delete(d.passwords, uid)
	}
	return kinds
}
