package odootest

import (
	"maps"
	"slices"
	"time"
)

// row is one record. A relation holds ids (int64, or []any of int64). An empty value is false.
type row map[string]any

// table holds a model's records by id.
type table struct {
	rows map[int64]row
	next int64
}

// sortedIDs returns the table's ids in ascending order.
func (t *table) sortedIDs() []int64 { return slices.Sorted(maps.Keys(t.rows)) }

// database is one Odoo database.
type database struct {
	major     int
	tables    map[string]*table
	fields    map[string]map[string]string // model → field → type
	passwords map[int64]string
	keys      map[string]int64 // API key → user
}

// tableOf returns the model's table, an empty one when the model does not exist.
func (d *database) tableOf(model string) *table {
	if t := d.tables[model]; t != nil {
		return t
	}
	return &table{}
}

// addRow adds a record without the checks of a call.
func (d *database) addRow(model string, r row, at time.Time) int64 {
	t := d.tables[model]
	t.next++
	r["create_date"] = at.Format(time.DateTime)
	r["write_date"] = r["create_date"]
	for field, typ := range d.fields[model] {
		if _, set := r[field]; !set {
			r[field] = emptyValue(typ)
		}
	}
	r["id"] = t.next
	t.rows[t.next] = r
	return t.next
}

// acceptsSecret reports whether secret is the user's password or one of the user's keys.
func (d *database) acceptsSecret(uid int64, secret string) bool {
	if secret == "" {
		return false
	}
	if owner, ok := d.keys[secret]; ok && owner == uid {
		return true
	}
	password, ok := d.passwords[uid]
	return ok && password == secret
}

func (d *database) cloneDatabase() *database {
	out := &database{major: d.major, tables: map[string]*table{}, fields: map[string]map[string]string{},
		passwords: maps.Clone(d.passwords), keys: maps.Clone(d.keys)}
	for model, t := range d.tables {
		copied := &table{rows: map[int64]row{}, next: t.next}
		for id, r := range t.rows {
			copied.rows[id] = maps.Clone(r)
		}
		out.tables[model] = copied
	}
	for model, f := range d.fields {
		out.fields[model] = maps.Clone(f)
	}
	return out
}

// emptyValue returns Odoo's answer for an unset value of a type.
func emptyValue(typ string) any {
	switch typ {
	case "integer":
		return int64(0)
	case "float", "monetary":
		return 0.0
	case "many2many", "one2many":
		return []any{}
	}
	return false
}
