package crm

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Person is someone at a company: a child contact in Odoo.
type Person struct {
	Key                       string // identifies the person among those of the company
	Name, Title, Email, Phone string
}

// PersonEntry is what is known of a pushed person: the record, and the values that leadctl wrote last.
type PersonEntry struct {
	Record int64             `json:"record"`
	Values map[string]string `json:"values,omitempty"`
}

// fields are Odoo's own fields of the person that leadctl fills in; salespeople may change them.
func (p Person) fields() map[string]string {
	fields := map[string]string{"name": p.Name, "function": p.Title, "email": p.Email, "phone": p.Phone}
	maps.DeleteFunc(fields, func(_, value string) bool { return value == "" })
	return fields
}

// newChild is the person as a new contact in Odoo.
func (p Person) newChild() odoo.Record {
	r := odoo.Record{"type": "contact"}
	for field, value := range p.fields() {
		r[field] = value
	}
	return r
}

// isRecord reports whether a child contact that leadctl does not know is the person: it has the same address or, if one
// of the two has none, the same name.
func (p Person) isRecord(r odoo.Record) bool {
	if email := r.Text("email"); p.Email != "" && email != "" {
		return strings.EqualFold(p.Email, email)
	}
	return sameText(p.Name, r.Text("name"))
}

// pushed is an outcome whose lead is written, and whose people are next.
type pushed struct {
	Outcome

	people  []Person
	contact int64 // 0: leave the people alone
}

// children are contacts in Odoo that belong to others, by number and by the contact that they belong to.
type children struct {
	byID     map[int64]odoo.Record
	byParent map[int64][]odoo.Record
}

// pushPeople brings the people of companies into Odoo and notes them in the outcomes. It follows the rule of the other
// fields that people edit, and does not make a person again whom a person deleted.
func (p *pushing) pushPeople(ctx context.Context, done []pushed) error {
	have, err := p.readChildren(ctx, done)
	if err != nil {
		return err
	}
	var changes, fresh []odoo.Record
	var freshEntries []func(id int64)
	for i := range done {
		d := &done[i]
		if d.contact == 0 || len(d.people) == 0 {
			continue
		}
		entries := map[string]PersonEntry{}
		maps.Copy(entries, d.Entry.Written.People)
		d.Entry.Written.People = entries
		for _, person := range d.people {
			entry, known := entries[person.Key]
			record := have.byID[entry.Record]
			if known && record == nil {
				continue // a person deleted it
			}
			if !known {
				record = have.findUnknown(d.contact, person, entries)
			}
			change := odoo.Record{}
			if record == nil {
				fresh = append(fresh, odoo.WithContext(person.newChild(), "parent_id", d.contact))
				freshEntries = append(freshEntries,
					func(id int64) { entries[person.Key] = PersonEntry{id, person.fields()} })
			} else {
				entries[person.Key] = PersonEntry{record.ID(),
					p.addShared(change, record, person.fields(), entry.Values)}
			}
			if len(change) > 0 {
				changes = append(changes, odoo.WithContext(change, "id", record.ID()))
			}
			if d.Action == ActionUnchanged && (record == nil || len(change) > 0) {
				d.Action = ActionUpdated
			}
		}
	}
	if p.options.Dry {
		return nil
	}
	if err := p.writeRecords(ctx, "res.partner", changes); err != nil || len(fresh) == 0 {
		return err
	}
	ids, err := p.Create(ctx, "res.partner", fresh, odoo.QuietContext())
	for i, id := range ids {
		freshEntries[i](id)
	}
	return err
}

// readChildren reads the people that were pushed, and the other people of contacts whose company has some.
func (p *pushing) readChildren(ctx context.Context, done []pushed) (children, error) {
	out := children{map[int64]odoo.Record{}, map[int64][]odoo.Record{}}
	var ids, parents []int64
	for _, d := range done {
		if d.contact == 0 || len(d.people) == 0 {
			continue
		}
		parents = append(parents, d.contact)
		for _, entry := range d.Entry.Written.People {
			ids = append(ids, entry.Record)
		}
	}
	if len(parents) == 0 {
		return out, nil
	}
	found, err := p.SearchRead(ctx, "res.partner", odoo.Query{Archived: true, Order: "id",
		Fields: []string{"parent_id", "name", "function", "email", "phone"},
		Domain: odoo.Domain{"|", odoo.Where("id", "in", ids), odoo.Where("parent_id", "in", parents)}})
	for _, r := range found {
		out.byID[r.ID()] = r
		out.byParent[r.Int("parent_id")] = append(out.byParent[r.Int("parent_id")], r)
	}
	return out, err
}

// findUnknown finds a person whom leadctl does not know in Odoo: a push whose end was not recorded made the contact, or
// a salesperson did.
func (c children) findUnknown(parent int64, person Person, known map[string]PersonEntry) odoo.Record {
	for _, r := range c.byParent[parent] {
		taken := slices.ContainsFunc(slices.Collect(maps.Values(known)),
			func(e PersonEntry) bool { return e.Record == r.ID() })
		if !taken && person.isRecord(r) {
			return r
		}
	}
	return nil
}
