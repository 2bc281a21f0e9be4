package odootest

import (
	"slices"
	"strings"
)

// request is a method call on a model, the same for all protocols. A parameter has a name, or a place among the
// positional ones.
type request struct {
	s      *Server
	db     *database
	name   string // the database's
	uid    int64
	model  string
	method string
	args   []any
	named  map[string]any
}

// callObjectService is execute_kw(db, uid, secret, model, method, args, named).
func (s *Server) callObjectService(c call) (any, error) {
	if c.method != "execute_kw" || len(c.args) < 6 {
		return nil, pythonException("TypeError: unsupported call of %s", c.method)
	}
	db, err := s.findDatabase(asString(c.args[0]))
	if err != nil {
		return nil, err
	}
	uid, _ := c.args[1].(int64)
	secret := asString(c.args[2])
	if u := db.tableOf("res.users").rows[uid]; u == nil || u["active"] != true || !db.acceptsSecret(uid, secret) {
		return nil, accessDenied()
	}
	r := request{s: s, db: db, name: asString(c.args[0]), uid: uid, model: asString(c.args[3]),
		method: asString(c.args[4]), named: map[string]any{}}
	r.args, _ = c.args[5].([]any)
	if len(c.args) > 6 {
		r.named, _ = c.args[6].(map[string]any)
	}
	return r.runMethod()
}

// paramValue returns the parameter called name, or the one at place.
func (r request) paramValue(place int, name string) any {
	if v, ok := r.named[name]; ok {
		return v
	}
	if place >= 0 && place < len(r.args) {
		return r.args[place]
	}
	return nil
}

func (r request) recordIDs() []int64 {
	list, ok := r.paramValue(0, "ids").([]any)
	if !ok {
		list = []any{r.paramValue(0, "ids")}
	}
	var ids []int64
	for _, e := range list {
		if id, ok := e.(int64); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r request) runMethod() (any, error) {
	if strings.HasPrefix(r.method, "_") {
		return nil, &fault{4, "Private methods (such as '" + r.model + "." + r.method + "') cannot be called remotely."}
	}
	if _, known := r.db.tables[r.model]; !known {
		return nil, userError("Object %s doesn't exist", r.model)
	}
	if r.model == "ir.model.data" && !r.mayReadExternalIDs() {
		return nil, accessError(r.model)
	}
	switch r.method {
	case "create":
		return r.createRecords()
	case "write":
		return true, r.writeRecords()
	case "unlink":
		return true, r.unlinkRecords()
	case "read":
		return r.readRecords(r.recordIDs(), r.paramValue(1, "fields"))
	case "search_read":
		ids, err := r.searchIDs(4)
		if err != nil {
			return nil, err
		}
		return r.readRecords(ids, r.paramValue(1, "fields"))
	case "search":
		ids, err := r.searchIDs(3)
		return toAnySlice(ids), err
	case "search_count":
		ids, err := r.searchIDs(-1)
		return len(ids), err
	case "load":
		return r.importRows()
	case "fields_get":
		return r.fieldsGet(), nil
	}
	return r.callModelMethod()
}

// mayReadExternalIDs: since 19 only administrators may.
func (r request) mayReadExternalIDs() bool {
	if r.db.major < 19 || r.uid == administrator {
		return true
	}
	return slices.Contains(asList(r.db.tableOf("res.users").rows[r.uid]["group_ids"]),
		r.db.resolveExternalID("base.group_system"))
}

// searchIDs evaluates domain, offset, limit and order. orderPlace is the place of order, after offset and limit; it
// differs by method.
func (r request) searchIDs(orderPlace int) ([]int64, error) {
	domain, _ := r.paramValue(0, "domain").([]any)
	all := r.contextValue("active_test") == any(false) || r.db.fields[r.model]["active"] == ""
	for _, c := range domain {
		if cond, ok := c.([]any); ok && len(cond) == 3 && cond[0] == "active" {
			all = true
		}
	}
	companies, err := r.allowedCompanies()
	if err != nil {
		return nil, err
	}
	t := r.db.tableOf(r.model)
	var ids []int64
	for _, id := range t.sortedIDs() {
		ok, err := r.db.matchesDomain(r.model, t.rows[id], domain)
		if err != nil {
			return nil, err
		}
		if ok && (all || t.rows[id]["active"] == true) && r.canAccess(t.rows[id], companies, false) {
			ids = append(ids, id)
		}
	}
	if order := asString(r.paramValue(orderPlace, "order")); strings.HasSuffix(order, "id desc") {
		slices.Reverse(ids)
	}
	return limitIDs(ids, r.paramValue(orderPlace-2, "offset"), r.paramValue(orderPlace-1, "limit")), nil
}

func limitIDs(ids []int64, offset, limit any) []int64 {
	if n, ok := offset.(int64); ok {
		ids = ids[min(int(n), len(ids)):]
	}
	if n, ok := limit.(int64); ok && n > 0 {
		ids = ids[:min(int(n), len(ids))]
	}
	return ids
}

func (r request) contextValue(key string) any {
	c, _ := r.paramValue(-1, "context").(map[string]any)
	return c[key]
}

func (r request) readRecords(ids []int64, fields any) (any, error) {
	if err := r.checkAccess(ids, false); err != nil {
		return nil, err
	}
	names := asStrings(fields)
	if len(names) == 0 {
		names = sortedKeys(r.db.fields[r.model])
	}
	out := []any{}
	for _, id := range ids {
		rec := r.db.tableOf(r.model).rows[id]
		if rec == nil {
			return nil, userError("Record does not exist or has been deleted.\n(Record: %s(%d,), User: 2)", r.model, id)
		}
		shown := map[string]any{"id": id}
		for _, f := range names {
			typ, known := r.db.fields[r.model][f]
			if f == "display_name" {
				shown[f] = rec["name"]
				continue
			}
			if !known {
				return nil, pythonException("ValueError: Invalid field '%s' on '%s'", f, r.model)
			}
			shown[f] = r.db.displayValue(typ, rec[f])
		}
		out = append(out, shown)
	}
	return out, nil
}

// displayValue returns a value as an answer shows it: a many2one comes with its name.
func (d *database) displayValue(typ string, v any) any {
	target, isRef := strings.CutPrefix(typ, "many2one/")
	id, set := v.(int64)
	if !isRef || !set {
		return v
	}
	label := d.tableOf(target).rows[id]["name"]
	return []any{id, asString(label)}
}

func (r request) fieldsGet() any {
	wanted := asStrings(r.paramValue(0, "allfields"))
	out := map[string]any{}
	for name, typ := range r.db.fields[r.model] {
		if len(wanted) == 0 || slices.Contains(wanted, name) {
			kind, _, _ := strings.Cut(typ, "/")
			out[name] = map[string]any{"type": kind, "string": name, "required": false}
		}
	}
	return out
}

func asStrings(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, asString(e))
	}
	return out
}

func toAnySlice(ids []int64) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}
