package odootest

import (
	"slices"
	"strconv"
	"strings"
)

// Access in a database with several companies, by Odoo's own rules and by leadctl's. A rule's domain is Python, which
// the stand-in does not evaluate: it knows leadctl's rules by their names.

// administrator is the id of the user whom leadctl's rules do not restrict.
const administrator = int64(2)

// allowedCompanies returns the companies of a call: those in its context, or all of the user's.
func (r request) allowedCompanies() ([]any, error) {
	user := r.db.tableOf("res.users").rows[r.uid]
	mine, _ := user["company_ids"].([]any)
	asked, ok := r.contextValue("allowed_company_ids").([]any)
	if !ok || len(asked) == 0 {
		return append([]any{user["company_id"]}, mine...), nil
	}
	for _, c := range asked {
		if !slices.Contains(mine, c) {
			return nil, &fault{4, "Access to unauthorized or invalid companies."}
		}
	}
	return asked, nil
}

// canAccess reports whether the rules let the user read a record, or with change write it.
func (r request) canAccess(rec row, companies []any, change bool) bool {
	own := func(c any) bool { return slices.Contains(companies, c) }
	noCompany := rec["company_id"] == any(false)
	strict := r.ruleApplies("leadctl: "+r.model, change) && r.uid != administrator
	switch r.model {
	case "res.company":
		return own(rec["id"])
	case "res.users":
		return !strict || own(rec["company_id"])
	case "res.partner":
		if strict {
			return own(rec["company_id"])
		}
		return noCompany || own(rec["company_id"]) || len(asList(rec["user_ids"])) > 0
	case "crm.lead":
		return own(rec["company_id"]) || noCompany && !strict
	case "utm.source":
		if rec["name"] == any("leadctl") {
			return true
		}
	case "crm.lost.reason":
		if rec["name"] == any("Not a fit") && !change {
			return true
		}
	case "crm.team":
		return own(rec["company_id"]) || noCompany && (!strict || rec["create_uid"] == any(int64(1)))
	case "crm.stage":
		return !change || !r.ruleApplies("leadctl: changing crm.stage", change) || r.uid == administrator
	}
	if !strict || rec["create_uid"] == any(int64(1)) {
		return true
	}
	maker, _ := rec["create_uid"].(int64)
	return own(r.db.tableOf("res.users").rows[maker]["company_id"])
}

func (r request) ruleApplies(name string, change bool) bool {
	kind := "perm_read"
	if change {
		kind = "perm_write"
	}
	for _, rule := range r.db.tableOf("ir.rule").rows {
		if rule["name"] == name && rule["active"] == true && rule[kind] == true {
			return true
		}
	}
	return false
}

// mayChange reports whether the user's groups allow changes of the model. The stand-in knows those of the CRM.
func (r request) mayChange() bool {
	has := func(groups ...string) bool {
		user := r.db.tableOf("res.users").rows[r.uid]
		mine := append(asList(user["group_ids"]), asList(user["groups_id"])...)
		return r.uid <= administrator || slices.ContainsFunc(groups, func(g string) bool {
			return slices.Contains(mine, r.db.resolveExternalID(g))
		})
	}
	switch r.model {
	case "crm.lead":
		if r.method == "unlink" {
			return has("sales_team.group_sale_manager")
		}
		return has("sales_team.group_sale_salesman", "sales_team.group_sale_salesman_all_leads",
			"sales_team.group_sale_manager")
	case "res.partner":
		return has("base.group_partner_manager")
	case "crm.stage", "crm.lost.reason":
		return has("sales_team.group_sale_manager")
	case "res.users":
		return has("base.group_system", "base.group_erp_manager")
	}
	return true
}

// checkAccess returns an access error for records that the groups or the rules exclude.
func (r request) checkAccess(ids []int64, change bool) error {
	if change && !r.mayChange() {
		return accessError(r.model)
	}
	companies, err := r.allowedCompanies()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if rec := r.db.tableOf(r.model).rows[id]; rec != nil && !r.canAccess(rec, companies, change) {
			return accessError(r.model)
		}
	}
	return nil
}

func accessError(model string) error {
	return &fault{4, "Due to security restrictions, you are not allowed to access '" + model + "'."}
}

// fillDefaults sets on a new record what Odoo sets: its creator and last writer, and the default company.
func (r request) fillDefaults(rec row, companies []any) {
	rec["create_uid"], rec["write_uid"] = r.uid, r.uid
	if _, has := r.db.fields[r.model]["company_id"]; !has || rec["company_id"] != nil {
		return
	}
	for _, d := range r.db.tableOf("ir.default").rows {
		if d["model"] == r.model && d["company_id"] == companies[0] {
			rec["company_id"] = d["value"]
		}
	}
}

// setDefault is ir.default.set(model, field, value, user, company).
func (r request) setDefault() {
	model, company := r.paramValue(0, "model_name"), r.paramValue(4, "company_id")
	for _, d := range r.db.tableOf("ir.default").rows {
		if d["model"] == model && d["company_id"] == company {
			return
		}
	}
	rec := row{"model": model, "company_id": company, "value": r.paramValue(2, "value")}
	r.db.addRow("ir.default", rec, r.s.now().UTC())
}

// importRows is Odoo's load method. Cells are text. The column "id" is an external id, ".id" the number of an existing
// record, "x/.id" the number of a related one, "x/id" its external id. It imports all rows or none.
func (r request) importRows() (any, error) {
	fields, ids := asStrings(r.paramValue(0, "fields")), []any{}
	for _, e := range asList(r.paramValue(1, "data")) {
		rec, mark, number := row{}, "", int64(0)
		for i, cell := range asStrings(e) {
			name, numeric := strings.CutSuffix(fields[i], "/.id")
			name, external := strings.CutSuffix(name, "/id")
			switch typ := r.db.fields[r.model][name]; {
			case fields[i] == "id":
				mark = cell
			case fields[i] == ".id":
				number = parseDigits(cell)
			case cell == "":
				rec[name] = false
			case numeric:
				rec[name] = parseDigits(cell)
			case external:
				rec[name] = r.db.resolveExternalID(cell)
			case typ == "boolean":
				rec[name] = cell == "1"
			case typ == "integer":
				rec[name] = parseDigits(cell)
			case typ == "float":
				rec[name], _ = strconv.ParseFloat(cell, 64)
			default:
				rec[name] = cell
			}
		}
		id, err := number, error(nil)
		if number != 0 {
			err = r.updateImported(number, rec)
		} else {
			id, err = r.importRow(mark, rec)
		}
		if err != nil {
			return map[string]any{"ids": false, "nextrow": 0,
				"messages": []any{map[string]any{"type": "error", "message": err.Error()}}}, nil
		}
		ids = append(ids, id)
	}
	return map[string]any{"ids": ids, "messages": []any{}, "nextrow": 0}, nil
}

// updateImported writes on a record that the context shows. An archived record is unknown unless active_test is false.
func (r request) updateImported(id int64, rec row) error {
	have := r.db.tableOf(r.model).rows[id]
	if have == nil || have["active"] == any(false) && r.contextValue("active_test") != any(false) {
		return userError("Unknown database identifier '%d'", id)
	}
	return r.updateRecords([]int64{id}, rec)
}

func (r request) importRow(mark string, rec row) (int64, error) {
	module, name, _ := strings.Cut(mark, ".")
	for _, d := range r.db.tableOf("ir.model.data").rows {
		if d["module"] == module && d["name"] == name {
			id := asInt(d["res_id"])
			for k, v := range rec {
				r.db.tableOf(r.model).rows[id][k] = v
			}
			return id, nil
		}
	}
	values, err := r.prepareValues(rec)
	if err == nil {
		err = r.checkConstraints(values, 0)
	}
	if err != nil {
		return 0, err
	}
	id, err := r.insertRecord(values)
	if err == nil {
		r.db.addExternalID(mark, r.model, id, r.s.now().UTC())
	}
	return id, err
}

func parseDigits(cell string) int64 {
	var n int64
	for _, c := range cell {
		n = n*10 + int64(c-'0')
	}
	return n
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

// addCompany makes a company with its contact and adds it to the companies of the calling user.
func (r request) addCompany(rec row) (int64, error) {
	at := r.s.now().UTC()
	for _, c := range r.db.tableOf("res.company").rows {
		if c["name"] == rec["name"] {
			return 0, userError("The company name must be unique!")
		}
	}
	rec["partner_id"] = r.db.addRow("res.partner", row{"name": rec["name"], "is_company": true, "active": true}, at)
	id := r.db.addRow("res.company", rec, at)
	maker := r.db.tableOf("res.users").rows[r.uid]
	maker["company_ids"] = append(asList(maker["company_ids"]), id)
	return id, nil
}
