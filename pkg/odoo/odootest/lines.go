package odootest

import "maps"

// leadsOfPartner is the field of a partner that creates leads together with the partner. The stand-in stores nothing in
// it: callers search for a partner's leads.
const leadsOfPartner = "opportunity_ids"

// splitLeadLines takes the new leads, commands (0, 0, values), out of a partner's values and checks them.
func (r request) splitLeadLines(vals map[string]any) (map[string]any, []row, error) {
	commands, has := vals[leadsOfPartner]
	if r.model != "res.partner" || !has {
		return vals, nil, nil
	}
	vals = maps.Clone(vals)
	delete(vals, leadsOfPartner)
	r.model = "crm.lead"
	var out []row
	for _, c := range asList(commands) {
		command := asList(c)
		if len(command) != 3 || command[0] != any(int64(0)) {
			return nil, nil, pythonException("NotImplementedError: %s: only the command (0, 0, values) is supported",
				leadsOfPartner)
		}
		given, _ := command[2].(map[string]any)
		rec, err := r.prepareValues(given)
		if err == nil {
			err = r.checkConstraints(rec, 0)
		}
		if err != nil {
			return nil, nil, err
		}
		out = append(out, rec)
	}
	return vals, out, nil
}

func (r request) insertLeadLines(partner int64, lines []row) error {
	r.model = "crm.lead"
	for _, rec := range lines {
		rec["partner_id"] = partner
		if _, err := r.insertRecord(rec); err != nil {
			return err
		}
	}
	return nil
}
