package odoo

import (
	"encoding/json"
	"fmt"
)

// Record is one Odoo record, or the values to write to one. Odoo sends false for an empty value, except for numbers,
// booleans and lists. The methods of Record return the zero value instead.
type Record map[string]any

// ID returns the record's id, 0 when absent.
func (r Record) ID() int64 { return asInt(r["id"]) }

// Records returns a list of records, nil when the field has another type.
func (r Record) Records(field string) []Record {
	list, err := asRecords(r[field])
	if err != nil {
		return nil
	}
	return list
}

// Int returns a number or the id of a many2one.
func (r Record) Int(field string) int64 { return asInt(r[field]) }

// Text returns a char, text, selection, date or datetime.
func (r Record) Text(field string) string {
	s, _ := r[field].(string)
	return s
}

// Bool returns a boolean.
func (r Record) Bool(field string) bool {
	b, _ := r[field].(bool)
	return b
}

// IDs returns the numbers of a field that refers to several records.
func (r Record) IDs(field string) []int64 {
	list, _ := r[field].([]any)
	ids := make([]int64, len(list))
	for i, v := range list {
		ids[i] = asInt(v)
	}
	return ids
}

// Float returns a number.
func (r Record) Float(field string) float64 {
	if f, ok := r[field].(float64); ok {
		return f
	}
	return float64(asInt(r[field]))
}

// Label returns the name in a many2one, "" when it is empty.
func (r Record) Label(field string) string {
	pair, _ := r[field].([]any)
	if len(pair) < 2 {
		return ""
	}
	name, _ := pair[1].(string)
	return name
}

// asInt returns a whole number from any protocol, or the id of a many2one pair.
func asInt(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case int:
		return int64(v)
	case float64:
		return int64(v)
	case []any:
		if len(v) > 0 {
			return asInt(v[0])
		}
	}
	return 0
}

// AsRecord returns v as a record, or nil if it is none.
func AsRecord(v any) Record {
	m, _ := v.(map[string]any)
	return m
}

func asRecords(v any) ([]Record, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%T instead of a list", v)
	}
	out := make([]Record, len(list))
	for i, e := range list {
		if out[i] = AsRecord(e); out[i] == nil {
			return nil, fmt.Errorf("%T instead of a record", e)
		}
	}
	return out, nil
}

// asIDs returns a list of ids. For a single record, create answers with a single id.
func asIDs(v any) ([]int64, error) {
	list, ok := v.([]any)
	if !ok {
		if id := asInt(v); id > 0 {
			return []int64{id}, nil
		}
		return nil, fmt.Errorf("%T instead of ids", v)
	}
	ids := make([]int64, len(list))
	for i, e := range list {
		if ids[i] = asInt(e); ids[i] <= 0 {
			return nil, fmt.Errorf("%T instead of an id", e)
		}
	}
	return ids, nil
}

// convertNumbers gives JSON numbers the types of XML-RPC: int64 when whole, float64 otherwise.
func convertNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = convertNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = convertNumbers(v[k])
		}
	}
	return v
}
