package odootest

import "maps"

// lineFields are the fields of a partner that create leads and child contacts together with the partner: the model of
// the lines, and its field for the partner. The stand-in stores nothing in them: callers search for the lines.
var lineFields = map[string]struct{ model, parent string }{
	"opportunity_ids": {"crm.lead", "partner_id"},
	"child_ids":       {"res.partner", "parent_id"},
}

// line is a new record that belongs to a partner.
type line struct {
	model, parent string
	values        row
}

// splitLines takes the new lines, commands (0, 0, values), out of a partner's values and checks them.
func (r request) splitLines(vals map[string]any) (map[string]any, []line, error) {
	if r.model != "res.partner" {
		return vals, nil, nil
	}
	vals = maps.Clone(vals)
	var out []line
	for field, to := range lineFields {
		r.model = to.model
		for _, c := range asList(vals[field]) {
			command := asList(c)
			if len(command) != 3 || command[0] != any(int64(0)) {
				return nil, nil, pythonException(
					"NotImplementedError: %s: only the command (0, 0, values) is supported",
					field)
			}
			given, _ := command[2].(map[string]any)
			rec, err := r.prepareValues(given)
			if err == nil {
				err = r.checkConstraints(rec, 0)
			}
			if err != nil {
				return nil, nil, err
			}
			out = append(out, line{to.model, to.parent, rec})
		}
		delete(vals, field)
	}
	return vals, out, nil
}

func (r request) insertLines(partner int64, lines []line) error {
	for _, l := range lines {
		r.model = l.model
		l.values[l.parent] = partner
		if _, err := r.insertRecord(l.values); err != nil {
			return err
		}
	}
	return nil
}
