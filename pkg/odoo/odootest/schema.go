package odootest

import (
	"strings"
	"time"
)

// A model is declared as "field:type field:type". A many2one type names its target: "many2one/res.partner".
const (
	partnerFields = "name:char email:char phone:char ref:char comment:html website:char vat:char street:char " +
		"city:char street2:char zip:char " +
		"is_company:boolean active:boolean parent_id:many2one/res.partner company_id:many2one/res.company " +
		"function:char lang:char type:selection country_id:many2one/res.country user_ids:many2many"
	leadFields = "name:char type:selection partner_id:many2one/res.partner partner_name:char email_from:char " +
		"phone:char website:char " +
		"description:html probability:float expected_revenue:monetary user_id:many2one/res.users " +
		"company_id:many2one/res.company active:boolean priority:selection team_id:many2one/crm.team " +
		"source_id:many2one/utm.source tag_ids:many2many activity_ids:many2many"
	userFields = "login:char name:char email:char active:boolean partner_id:many2one/res.partner " +
		"company_id:many2one/res.company " +
		"company_ids:many2many notification_type:selection password:char tz:selection lang:selection share:boolean"
	providerFields = "name:char client_id:char auth_endpoint:char scope:char validation_endpoint:char " +
		"data_endpoint:char body:char " +
		"enabled:boolean css_class:char sequence:integer"
	fieldFields = "name:char model:char model_id:many2one/ir.model field_description:char ttype:selection " +
		"state:selection index:boolean copied:boolean relation:char"
	viewFields = "name:char type:selection model:char inherit_id:many2one/ir.ui.view priority:integer arch:text"
)

func baseModels(major int) map[string]string {
	groups, language := " group_ids:many2many", "lang_ids:many2many"
	if major < 19 {
		groups = " groups_id:many2many"
	}
	if major < 16 {
		language = "lang:selection"
	}
	return map[string]string{
		"res.partner": partnerFields, "res.company": "name:char partner_id:many2one/res.partner " +
			"currency_id:many2one/res.currency country_id:many2one/res.country",
		"res.currency": "name:char active:boolean", "res.country": "name:char", "ir.ui.view": viewFields,
		"res.users":  userFields + groups,
		"res.groups": "name:char implied_ids:many2many", "ir.model": "model:char name:char",
		"ir.model.fields": fieldFields,
		"ir.model.data":   "module:char name:char model:char res_id:integer noupdate:boolean",
		"ir.rule": "name:char model_id:many2one/ir.model domain_force:text perm_read:boolean perm_write:boolean " +
			"perm_create:boolean perm_unlink:boolean active:boolean",
		"ir.default": "model:char company_id:many2one/res.company value:integer", "res.partner.category": "name:char",
		"utm.campaign": "name:char", "utm.source": "name:char", "utm.medium": "name:char",
		"calendar.event": "name:char", "mail.alias": "name:char", "mail.template": "name:char",
		"ir.ui.menu": "name:char" + groups,
		"ir.model.access": "name:char model_id:many2one/ir.model group_id:many2one/res.groups perm_read:boolean " +
			"perm_write:boolean perm_create:boolean perm_unlink:boolean",
		"ir.config_parameter": "key:char value:text", "ir.cron": "name:char active:boolean",
		"ir.module.module":  "name:char state:selection",
		"mail.message":      "model:char res_id:integer body:html message_type:selection is_internal:boolean",
		"ir.attachment":     "name:char store_fname:char res_field:char datas:binary",
		"ir.actions.server": "name:char model_id:many2one/ir.model state:selection code:text" + groups,

		"res.users.apikeys.description": "name:char",
		"res.config.settings":           "group_use_lead:boolean", "res.lang": "code:char name:char active:boolean",
		"base.language.install": language + " overwrite:boolean",
		"ir.filters":            "name:char model_id:char domain:text context:text sort:text active:boolean",
	}
}

// newDatabase returns a database with Odoo's base modules: one company, and one administrator with the given login and
// password.
func newDatabase(major int, login, password string, at time.Time) *database {
	d := &database{major: major, tables: map[string]*table{}, fields: map[string]map[string]string{},
		passwords: map[int64]string{}, keys: map[string]int64{}}
	models := baseModels(major)
	for _, m := range sortedKeys(models) {
		d.declareModel(m, models[m])
	}
	for _, m := range sortedKeys(models) {
		id := d.addRow("ir.model", row{"model": m, "name": m}, at)
		d.addExternalID("base.model_"+strings.ReplaceAll(m, ".", "_"), "ir.model", id, at)
	}
	own := d.addRow("res.partner", row{"name": "My Company", "is_company": true, "active": true}, at)
	company := d.addRow("res.company", row{"name": "My Company", "partner_id": own}, at)
	d.addExternalID("base.main_company", "res.company", company, at)
	for _, g := range []string{"base.group_user", "base.group_system", "base.group_erp_manager",
		"base.group_partner_manager", "base.group_allow_export"} {
		d.addExternalID(g, "res.groups", d.addRow("res.groups", row{"name": g}, at), at)
	}
	d.addExternalID("base.sg", "res.country", d.addRow("res.country", row{"name": "Singapore"}, at), at)
	d.addExternalID("base.SGD", "res.currency", d.addRow("res.currency", row{"name": "SGD", "active": false}, at), at)
	for _, code := range []string{"en_US", "zh_CN"} {
		d.addRow("res.lang", row{"code": code, "name": code, "active": code == "en_US"}, at)
	}
	d.addView("base.view_partner_form", "res.partner", at)
	d.addView("web.login", "", at)
	d.addUser(row{"login": "__system__", "name": "OdooBot", "active": false}, "", at)
	admin := d.addUser(row{"login": login, "name": "Administrator", "active": true}, password, at)
	d.addExternalID("base.user_admin", "res.users", admin, at)
	for key, value := range map[string]string{"database.uuid": "stand-in", "database.secret": "stand-in",
		"web.base.url": "http://localhost"} {
		d.addRow("ir.config_parameter", row{"key": key, "value": value}, at)
	}
	for _, m := range []string{"base", "web", "contacts", "crm", "auth_oauth"} {
		state := "uninstalled"
		if m == "base" || m == "web" {
			state = "installed"
		}
		d.addRow("ir.module.module", row{"name": m, "state": state}, at)
	}
	return d
}

func (d *database) declareModel(model, fields string) {
	d.tables[model] = &table{rows: map[int64]row{}}
	d.fields[model] = map[string]string{"id": "integer", "create_date": "datetime", "write_date": "datetime",
		"create_uid": "many2one/res.users", "write_uid": "many2one/res.users"}
	for _, f := range strings.Fields(fields) {
		name, typ, _ := strings.Cut(f, ":")
		d.fields[model][name] = typ
	}
}

// addExternalID gives a record its external id.
func (d *database) addExternalID(id, model string, res int64, at time.Time) {
	module, name, _ := strings.Cut(id, ".")
	d.addRow("ir.model.data", row{"module": module, "name": name, "model": model, "res_id": res}, at)
}

// addView makes one of Odoo's views, without its content: leadctl only extends it.
func (d *database) addView(id, model string, at time.Time) {
	d.addExternalID(id, "ir.ui.view", d.addRow("ir.ui.view", row{"name": id, "model": model}, at), at)
}

// addUser makes a user with a partner, as Odoo does.
func (d *database) addUser(u row, password string, at time.Time) int64 {
	contact := row{"name": u["name"], "email": u["login"], "active": u["active"]}
	u["partner_id"] = d.addRow("res.partner", contact, at)
	if u["company_id"] == nil {
		u["company_id"], u["company_ids"] = int64(1), []any{int64(1)}
	}
	id := d.addRow("res.users", u, at)
	contact["user_ids"] = []any{id}
	if password != "" {
		d.passwords[id] = password
	}
	return id
}

// installModule adds a module's models and records.
func (d *database) installModule(module string, at time.Time) {
	switch module {
	case "crm":
		reason := " lost_reason_id:many2one/crm.lost.reason"
		if d.major < 16 {
			reason = " lost_reason:many2one/crm.lost.reason"
		}
		for model, fields := range map[string]string{"crm.lead": leadFields + reason, "crm.tag": "name:char",
			"crm.stage": "name:char", "crm.lost.reason": "name:char active:boolean",
			"crm.team": "name:char company_id:many2one/res.company member_ids:many2many"} {
			d.declareModel(model, fields)
			d.addRow("ir.model", row{"model": model, "name": model}, at)
		}
		for _, g := range []string{"sales_team.group_sale_salesman", "sales_team.group_sale_salesman_all_leads",
			"sales_team.group_sale_manager"} {
			d.addExternalID(g, "res.groups", d.addRow("res.groups", row{"name": g}, at), at)
		}
		for _, v := range []string{"crm.crm_lead_view_form", "crm.crm_case_tree_view_oppor",
			"crm.crm_case_tree_view_leads", "crm.crm_case_kanban_view_leads",
			"crm.view_crm_case_opportunities_filter", "crm.view_crm_case_leads_filter"} {
			d.addView(v, "crm.lead", at)
		}
		d.addExternalID("crm.crm_menu_root", "ir.ui.menu", d.addRow("ir.ui.menu", row{"name": "CRM"}, at), at)
		d.addExternalID("crm.group_use_lead", "res.groups", d.addRow("res.groups", row{"name": "Leads"}, at), at)
		d.addExternalID("sales_team.team_sales_department", "crm.team", d.addRow("crm.team", row{"name": "Sales"}, at),
			at)
		d.fields["res.users"]["sale_team_id"] = "many2one/crm.team"
		for _, u := range d.tables["res.users"].rows {
			u["sale_team_id"] = false
		}
		for _, c := range []string{"crm_iap_enrich.ir_cron_lead_enrichment",
			"mail.ir_cron_module_update_notification"} {
			d.addExternalID(c, "ir.cron", d.addRow("ir.cron", row{"name": c, "active": true}, at), at)
		}
	case "auth_oauth":
		d.declareModel("auth.oauth.provider", providerFields)
		d.addRow("ir.model", row{"model": "auth.oauth.provider", "name": "OAuth"}, at)
		d.addRow("auth.oauth.provider", row{"name": "Odoo.com Accounts", "body": "Log in with Odoo.com",
			"enabled":             true,
			"auth_endpoint":       "https://accounts.odoo.com/oauth2/auth",
			"validation_endpoint": "https://accounts.odoo.com/oauth2/tokeninfo"}, at)
		d.fields["res.users"]["oauth_provider_id"] = "many2one/auth.oauth.provider"
		d.fields["res.users"]["oauth_uid"] = "char"
		for _, u := range d.tables["res.users"].rows {
			u["oauth_provider_id"], u["oauth_uid"] = false, false
		}
	}
}

// resolveExternalID returns the record that an external id names, or false.
func (d *database) resolveExternalID(id string) any {
	module, name, _ := strings.Cut(id, ".")
	for _, r := range d.tableOf("ir.model.data").rows {
		if r["module"] == module && r["name"] == name {
			return r["res_id"]
		}
	}
	return false
}

// forgetExternalIDs deletes the external ids of a deleted record, as Odoo does.
func (d *database) forgetExternalIDs(model string, id int64) {
	for mark, r := range d.tableOf("ir.model.data").rows {
		if r["model"] == model && r["res_id"] == id {
			delete(d.tableOf("ir.model.data").rows, mark)
		}
	}
}
