package odootest

import (
	"slices"
	"strings"
	"time"
)

// createRecords makes one record for a dict, and all or none for a list of dicts.
func (r request) createRecords() (any, error) {
	values, single := r.paramValue(0, "vals_list"), false
	list, ok := values.([]any)
	if !ok {
		list, single = []any{values}, true
	}
	recs, lines := make([]row, len(list)), make([][]line, len(list))
	for i, e := range list {
		vals, ok := e.(map[string]any)
		if !ok {
			return nil, pythonException("TypeError: create() values are no dict")
		}
		var err error
		if vals, lines[i], err = r.splitLines(vals); err != nil {
			return nil, err
		}
		rec, err := r.prepareValues(vals)
		if err == nil {
			err = r.checkConstraints(rec, 0)
		}
		if err != nil {
			return nil, err
		}
		recs[i] = rec
	}
	ids := make([]int64, len(recs))
	for i, rec := range recs {
		id, err := r.insertRecord(rec)
		if err == nil {
			err = r.insertLines(id, lines[i])
		}
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	if single {
		return ids[0], nil
	}
	return toAnySlice(ids), nil
}

// prepareValues checks the fields of values and returns the values as they are stored.
func (r request) prepareValues(vals map[string]any) (row, error) {
	rec := row{}
	for name, v := range vals {
		typ, known := r.db.fields[r.model][name]
		if !known {
			return nil, pythonException("ValueError: Invalid field '%s' on model '%s'", name, r.model)
		}
		if typ == "many2many" {
			v = relatedIDs(nil, v)
		}
		if n, ok := v.(int64); ok && (typ == "float" || typ == "monetary") {
			v = float64(n)
		}
		if _, text := v.(string); text && (typ == "integer" || typ == "float" || typ == "boolean") {
			return nil, pythonException("ValueError: could not convert string to %s: %v", typ, v)
		}
		rec[name] = v
	}
	return rec, nil
}

// relatedIDs applies the commands (3, id), (4, id) and (6, 0, ids) to the ids in a field. leadctl uses no others.
func relatedIDs(have []any, v any) any {
	out := slices.Clone(have)
	if out == nil {
		out = []any{}
	}
	commands, _ := v.([]any)
	for _, c := range commands {
		switch cmd, _ := c.([]any); {
		case len(cmd) == 3 && cmd[0] == any(int64(6)):
			out, _ = cmd[2].([]any)
		case len(cmd) >= 2 && cmd[0] == any(int64(3)):
			out = slices.DeleteFunc(out, func(id any) bool { return id == cmd[1] })
		case len(cmd) >= 2 && cmd[0] == any(int64(4)) && !slices.Contains(out, cmd[1]):
			out = append(out, cmd[1])
		}
	}
	return out
}

// checkConstraints checks what Odoo's constraints check. id is the record to write, 0 for a new one.
func (r request) checkConstraints(rec row, id int64) error {
	switch r.model {
	case "res.users":
		if lang := asString(rec["lang"]); lang != "" && !r.hasLanguage(lang) {
			return pythonException("ValueError: Wrong value for res.users.lang: '%s'", lang)
		}
		for other, u := range r.db.tableOf(r.model).rows {
			if login, set := rec["login"]; set && u["login"] == login && other != id {
				return userError("The operation cannot be completed: You can not have two users with the same login!")
			}
			if subject := asString(rec["oauth_uid"]); subject != "" && u["oauth_uid"] == subject &&
				u["oauth_provider_id"] == rec["oauth_provider_id"] && other != id {
				return userError("The operation cannot be completed: OAuth UID must be unique per provider")
			}
		}
	case "ir.model.fields":
		return r.checkFieldConstraints(rec, id)
	}
	if id != 0 {
		return nil
	}
	for _, field := range []string{"name", "login", "body"} {
		_, has := r.db.fields[r.model][field]
		if has && asString(rec[field]) == "" && r.model != "ir.config_parameter" {
			return userError("The operation cannot be completed: Missing required value for the field '%s' (%s)", field,
				r.model)
		}
	}
	return nil
}

func (r request) hasLanguage(code string) bool {
	for _, l := range r.db.tableOf("res.lang").rows {
		if l["code"] == code {
			return l["active"] == true
		}
	}
	return false
}

func (r request) checkFieldConstraints(rec row, id int64) error {
	if id != 0 {
		return nil
	}
	name := asString(rec["name"])
	model := r.db.tableOf("ir.model").rows[asInt(rec["model_id"])]
	if model == nil {
		return userError("Missing required value for the field 'Model' (model_id)")
	}
	if !strings.HasPrefix(name, "x_") {
		return userError("Custom fields must have a name that starts with 'x_'!")
	}
	rec["model"] = model["model"]
	if _, taken := r.db.fields[asString(model["model"])][name]; taken {
		return userError("Field names must be unique per model.")
	}
	return nil
}

// insertRecord stores a record, with the side effects of Odoo.
func (r request) insertRecord(rec row) (int64, error) {
	at := r.s.now().UTC()
	companies, err := r.allowedCompanies()
	if err != nil {
		return 0, err
	}
	r.fillDefaults(rec, companies)
	if _, has := r.db.fields[r.model]["active"]; has && rec["active"] == nil {
		rec["active"] = true
	}
	password := asString(rec["password"])
	delete(rec, "password")
	var id int64
	switch r.model {
	case "res.users":
		id = r.db.addUser(rec, password, at)
		if companies[0] != any(int64(1)) {
			r.db.tableOf("res.partner").rows[asInt(rec["partner_id"])]["company_id"] = companies[0]
		}
	case "res.company":
		if id, err = r.addCompany(rec); err != nil {
			return 0, err
		}
	case "ir.model.fields":
		id = r.db.addRow(r.model, rec, at)
		r.addField(asString(rec["model"]), asString(rec["name"]), asString(rec["ttype"]))
	case "crm.lead":
		if rec["type"] == nil {
			rec["type"] = "opportunity"
		}
		if rec["probability"] == nil {
			rec["probability"] = 10.0
		}
		id = r.db.addRow(r.model, rec, at)
	default:
		id = r.db.addRow(r.model, rec, at)
	}
	if err := r.checkAccess([]int64{id}, true); err != nil {
		delete(r.db.tableOf(r.model).rows, id)
		return 0, err
	}
	r.recordEffect("create", id)
	return id, nil
}

func (r request) addField(model, name, typ string) {
	r.db.fields[model][name] = typ
	for _, rec := range r.db.tableOf(model).rows {
		rec[name] = emptyValue(typ)
	}
}

func (r request) recordEffect(do string, id int64) {
	rec := r.db.tableOf(r.model).rows[id]
	name := asString(rec["name"])
	for _, f := range []string{"key", "login"} {
		if s := asString(rec[f]); s != "" {
			name = s
		}
	}
	r.s.appendEffect(Effect{Do: do, Database: r.name, Model: r.model, ID: id, Name: name})
}

func (r request) writeRecords() error {
	vals, ok := r.paramValue(1, "vals").(map[string]any)
	if !ok {
		return pythonException("TypeError: write() values are no dict")
	}
	return r.updateRecords(r.recordIDs(), vals)
}

// updateRecords writes values on records.
func (r request) updateRecords(ids []int64, vals map[string]any) error {
	vals, lines, err := r.splitLines(vals)
	if err != nil {
		return err
	}
	rec, err := r.prepareValues(vals)
	if err != nil {
		return err
	}
	if err := r.checkAccess(ids, true); err != nil {
		return err
	}
	password, changed := rec["password"]
	delete(rec, "password")
	for _, id := range ids {
		have := r.db.tableOf(r.model).rows[id]
		if have == nil {
			return userError("Record does not exist or has been deleted.\n(Record: %s(%d,), User: 2)", r.model, id)
		}
		if err := r.checkConstraints(rec, id); err != nil {
			return err
		}
		for k, v := range rec {
			if r.db.fields[r.model][k] == "many2many" {
				v = relatedIDs(asList(have[k]), vals[k])
			}
			have[k] = v
		}
		have["write_uid"] = r.uid
		have["write_date"] = r.s.now().UTC().Format(time.DateTime)
		if changed {
			r.db.passwords[id] = asString(password)
		}
		r.recordEffect("write", id)
		if err := r.insertLines(id, lines); err != nil {
			return err
		}
		r.computeTeams(id)
	}
	return nil
}

// computeTeams gives users the sale_team_id that Odoo computes from the members of a team.
func (r request) computeTeams(team int64) {
	if r.model != "crm.team" {
		return
	}
	members := asList(r.db.tableOf(r.model).rows[team]["member_ids"])
	for uid, user := range r.db.tableOf("res.users").rows {
		switch {
		case slices.Contains(members, any(uid)):
			user["sale_team_id"] = team
		case user["sale_team_id"] == any(team):
			user["sale_team_id"] = false
		}
	}
}

func (r request) unlinkRecords() error {
	if err := r.checkAccess(r.recordIDs(), true); err != nil {
		return err
	}
	for _, id := range r.recordIDs() {
		rec := r.db.tableOf(r.model).rows[id]
		if rec == nil {
			continue
		}
		if r.model == "ir.model.fields" {
			if err := r.dropField(asString(rec["model"]), asString(rec["name"])); err != nil {
				return err
			}
		}
		r.recordEffect("unlink", id)
		delete(r.db.tableOf(r.model).rows, id)
		r.db.forgetExternalIDs(r.model, id)
	}
	return nil
}

// dropField deletes a field with its values, unless a view shows it.
func (r request) dropField(model, name string) error {
	for _, view := range r.db.tableOf("ir.ui.view").rows {
		if view["model"] == model && strings.Contains(asString(view["arch"]), name) {
			return userError("Cannot rename/delete fields that are still present in views:\nFields: %s.%s", model, name)
		}
	}
	delete(r.db.fields[model], name)
	for _, rec := range r.db.tableOf(model).rows {
		delete(rec, name)
	}
	return nil
}

// callModelMethod calls a method that belongs to one model.
func (r request) callModelMethod() (any, error) {
	switch r.model + "." + r.method {
	case "ir.config_parameter.get_param":
		for _, p := range r.db.tableOf(r.model).rows {
			if p["key"] == r.paramValue(0, "key") {
				return p["value"], nil
			}
		}
		return false, nil
	case "ir.config_parameter.set_param":
		return true, r.setParam()
	case "ir.module.module.button_immediate_install":
		r.installModules()
		return map[string]any{"type": "ir.actions.act_url", "target": "self", "url": "/odoo"}, nil
	case "ir.default.set":
		r.setDefault()
		return nil, nil
	case "res.users.context_get":
		return map[string]any{"lang": "en_US", "tz": false, "uid": r.uid}, nil
	case "ir.actions.server.run":
		return r.runCredentialsAction(), nil
	case "base.language.install.lang_install":
		r.installLanguage()
		return map[string]any{"type": "ir.actions.act_window"}, nil
	case "ir.attachment.force_storage", "res.config.settings.execute":
		return nil, nil
	}
	return nil, pythonException("AttributeError: The method '%s.%s' does not exist", r.model, r.method)
}

// installLanguage activates the language of a wizard, which names it before 16 and has its record since.
func (r request) installLanguage() {
	for _, id := range r.recordIDs() {
		wizard := r.db.tableOf(r.model).rows[id]
		for _, l := range r.db.tableOf("res.lang").rows {
			if l["code"] == wizard["lang"] || slices.Contains(asList(wizard["lang_ids"]), l["id"]) {
				l["active"] = true
				r.s.appendEffect(Effect{Do: "install", Database: r.name, Model: "res.lang", Name: asString(l["code"])})
			}
		}
	}
}

func (r request) setParam() error {
	key, value := asString(r.paramValue(0, "key")), r.paramValue(1, "value")
	for id, p := range r.db.tableOf(r.model).rows {
		if p["key"] == key {
			p["value"] = value
			r.recordEffect("write", id)
			return nil
		}
	}
	_, err := r.insertRecord(row{"key": key, "value": value})
	return err
}

func (r request) installModules() {
	for _, id := range r.recordIDs() {
		m := r.db.tableOf(r.model).rows[id]
		if m == nil || m["state"] == "installed" {
			continue
		}
		m["state"] = "installed"
		r.db.installModule(asString(m["name"]), r.s.now().UTC())
		r.s.appendEffect(Effect{Do: "install", Database: r.name, Model: r.model, ID: id, Name: asString(m["name"])})
	}
}

func asInt(v any) int64 {
	n, _ := v.(int64)
	return n
}
