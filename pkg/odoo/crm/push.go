package crm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// Item is a lead to push, and what the last push of it left in Odoo: nil for the first push.
type Item struct {
	Lead  Lead
	Known *Entry
	Again bool // make the lead again if a person deleted it

	Refill bool // leadctl's fields were removed from the workspace, and are empty
}

// Entry is what is known of a pushed lead: its records in Odoo, and the values that leadctl wrote last into fields that
// people may edit. A field that no longer has that value was changed by a person, and stays hers.
type Entry struct {
	Contact, Lead int64
	Written       Written
	State         State
}

// Written are values by field name. ownerField is the salesperson whom leadctl assigned the lead to.
type Written struct {
	Contact map[string]string      `json:"contact,omitempty"`
	Lead    map[string]string      `json:"lead,omitempty"`
	People  map[string]PersonEntry `json:"people,omitempty"` // by Person.Key
}

// State of a pushed lead.
type State string

// States. A deleted lead is not pushed again: a person deleted it in Odoo. A withdrawn one comes back when its company
// fits again.
const (
	StatePushed    State = "pushed"
	StateDeleted   State = "deleted"
	StateWithdrawn State = "withdrawn"
)

// Action is what a push did, or would do, to one lead.
type Action string

// Actions.
const (
	ActionCreated   Action = "created"
	ActionUpdated   Action = "updated"
	ActionUnchanged Action = "unchanged"
	ActionSkipped   Action = "skipped"   // deleted in Odoo by a person
	ActionWithdrawn Action = "withdrawn" // taken back, because its company no longer fits
)

// Outcome is the result for one item.
type Outcome struct {
	UEN    string
	Action Action
	Entry  Entry
}

// Options of a push.
type Options struct {
	Major int    // Odoo's major version
	Type  string // TypeOpportunity or TypeLead
	Dry   bool   // compare, and write nothing

	// References finds what new records refer to; called at most once, and only if there are new records.
	References func(context.Context) (References, error)
}

// References are records that leadctl's new leads and contacts refer to.
type References struct {
	Team, Source, Country, Tag int64

	Owners []int64 // salespeople who get new leads in turn, the next one first; nil: new leads belong to no person
}

// FindReferences finds the references with a session that may read external ids: before 19 everyone may, since then
// only administrators.
func FindReferences(ctx context.Context, s *odoo.Session, assign Assign) (refs References, err error) {
	ids := []string{ownModule + "." + teamMark(s), ownModule + "." + sourceMark, "base.sg",
		ownModule + "." + withdrawnMark}
	found, err := s.ResolveXMLIDs(ctx, ids)
	if err != nil {
		return References{}, err
	}
	refs = References{Team: found[ids[0]], Source: found[ids[1]], Country: found[ids[2]], Tag: found[ids[3]]}
	if refs.Source == 0 || refs.Team == 0 || refs.Tag == 0 {
		return refs, fault.New(fault.Operator, "Odoo database %s: has no sales team, source or tag of leadctl",
			s.Database()).
			WithCode(odoo.CodeMisconfig).WithHint("leadctl tenant provision TENANT creates them")
	}
	if assign == AssignRoundRobin {
		refs.Owners, err = findOwners(ctx, s, refs.Team)
	}
	return refs, err
}

// Types of the records that salespeople get.
const (
	TypeOpportunity = "opportunity" // a card in the pipeline
	TypeLead        = "lead"        // a line of the menu Leads, which a salesperson turns into an opportunity
)

// BatchSize is how many companies one round of calls carries: more are not faster, and fewer lose less when Odoo
// rejects one.
const BatchSize = 200

// pushing is one push into one workspace.
type pushing struct {
	*odoo.Session
	options  Options
	refs     References
	outcomes []Outcome
}

// Push brings leads into the CRM that the session opens. It creates a contact and a lead for each company, in one
// transaction of Odoo. Later it writes leadctl's own fields when they differ, and Odoo's fields when they are empty or
// as leadctl left them. Outcomes are valid with an error too: they say what was done before it.
func Push(ctx context.Context, session *odoo.Session, items []Item, options Options) ([]Outcome, error) {
	p := &pushing{Session: session, options: options}
	for batch := range slices.Chunk(items, BatchSize) {
		if err := p.pushBatch(ctx, batch); err != nil {
			return p.outcomes, err
		}
	}
	return p.outcomes, nil
}

// match is an item and its records in Odoo, nil where they do not exist.
type match struct {
	Item
	entry         Entry
	contact, lead odoo.Record
	merged        bool // a person merged the contact into another, which is contact now
	back          bool // a withdrawn lead that fits again
}

// pushBatch compares leads with Odoo's records, and writes the differences in a few calls.
func (p *pushing) pushBatch(ctx context.Context, batch []Item) error {
	for _, i := range batch {
		if i.Lead.UEN == "" || i.Lead.Name == "" {
			return fault.New(fault.Invalid, "lead %q: has no UEN or no name", i.Lead.UEN+i.Lead.Name)
		}
	}
	matches, fresh, err := p.findMatches(ctx, batch)
	if err != nil {
		return err
	}
	if err := p.updateMatches(ctx, matches); err != nil {
		return err
	}
	return p.createLeads(ctx, fresh)
}

// findMatches finds the records of each item: by number if they are known, else by UEN. fresh are items without.
func (p *pushing) findMatches(ctx context.Context, batch []Item) (matches []match, fresh []Lead, err error) {
	var contactIDs, leadIDs []int64
	var unknown []string
	for _, i := range batch {
		if i.Known != nil {
			contactIDs, leadIDs = append(contactIDs, i.Known.Contact), append(leadIDs, i.Known.Lead)
		} else {
			unknown = append(unknown, i.Lead.UEN)
		}
	}
	contacts, err := p.readRecords(ctx, "res.partner", contactIDs, p.contactColumns())
	if err != nil {
		return nil, nil, err
	}
	leads, err := p.readRecords(ctx, "crm.lead", leadIDs, p.leadColumns())
	if err != nil {
		return nil, nil, err
	}
	byUEN, byContact, err := p.findByUEN(ctx, unknown)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range batch {
		m := match{Item: i}
		switch contact := byUEN[i.Lead.UEN]; {
		case i.Known != nil:
			m.entry, m.contact, m.lead = *i.Known, contacts[i.Known.Contact], leads[i.Known.Lead]
		case contact != nil:
			m.contact, m.lead = contact, byContact[contact.ID()]
			m.entry = Entry{Contact: contact.ID(), Lead: m.lead.ID(), State: StatePushed}
		default:
			fresh = append(fresh, i.Lead)
			continue
		}
		matches = append(matches, m)
	}
	return matches, fresh, p.followMerges(ctx, matches)
}

// followMerges finds the contact of those leads whose contact is gone: "Merge contacts" moves the leads to the contact
// that is left.
func (p *pushing) followMerges(ctx context.Context, matches []match) error {
	var ids []int64
	for _, m := range matches {
		if m.contact == nil {
			ids = append(ids, m.lead.Int("partner_id"))
		}
	}
	left, err := p.readRecords(ctx, "res.partner", ids, p.contactColumns())
	if err != nil {
		return err
	}
	for i, m := range matches {
		contact := left[m.lead.Int("partner_id")]
		if m.contact != nil || contact == nil {
			continue
		}
		if uen := contact.Text("x_uen"); uen != "" && uen != m.Lead.UEN {
			continue // the contact of another pushed company
		}
		matches[i].contact, matches[i].merged = contact, true
		matches[i].entry.Contact = contact.ID()
		matches[i].entry.Written.Contact = nil
	}
	return nil
}

func (p *pushing) contactColumns() []string {
	return append(FieldsOf("res.partner"), "name", "street", "street2", "zip", "city", "website", "active")
}

func (p *pushing) leadColumns() []string {
	return append(FieldsOf("crm.lead"), "partner_id", "name", "priority", "description", "active", "tag_ids")
}

// readRecords reads records by number, archived ones included. Deleted ones are absent.
func (p *pushing) readRecords(ctx context.Context, model string, ids []int64, fields []string) (map[int64]odoo.Record,
	error) {
	out := map[int64]odoo.Record{}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return id == 0 })
	if len(ids) == 0 {
		return out, nil
	}
	found, err := p.SearchRead(ctx, model, odoo.Query{Fields: fields, Archived: true,
		Domain: odoo.Domain{odoo.Where("id", "in", ids)}})
	for _, r := range found {
		out[r.ID()] = r
	}
	return out, err
}

// findByUEN finds contacts by UEN and leadctl's leads on them, archived ones included: those of a push whose end was
// not recorded, of an older version, and contacts of the salespeople. Of two with one number the older counts.
func (p *pushing) findByUEN(ctx context.Context, uens []string) (contacts map[string]odoo.Record,
	leads map[int64]odoo.Record, err error) {
	contacts, leads = map[string]odoo.Record{}, map[int64]odoo.Record{}
	if len(uens) == 0 {
		return contacts, leads, nil
	}
	found, err := p.SearchRead(ctx, "res.partner", odoo.Query{Fields: p.contactColumns(), Archived: true,
		Order: "id desc", Domain: odoo.Domain{odoo.Where("x_uen", "in", uens)}})
	if err != nil || len(found) == 0 {
		return contacts, leads, err
	}
	for _, r := range found {
		contacts[r.Text("x_uen")] = r
	}
	found, err = p.SearchRead(ctx, "crm.lead", odoo.Query{Fields: p.leadColumns(), Archived: true, Order: "id desc",
		Domain: odoo.Domain{odoo.Where("partner_id", "in", odoo.IDsOf(slices.Collect(maps.Values(contacts)))),
			odoo.Where("x_pre_sdr_bucket", "!=", false)}})
	for _, r := range found {
		leads[r.Int("partner_id")] = r
	}
	return contacts, leads, err
}

// updateMatches writes what differs.
func (p *pushing) updateMatches(ctx context.Context, matches []match) error {
	var contacts, leads []odoo.Record
	var done []pushed
	if err := p.bringBack(ctx, matches); err != nil {
		return err
	}
	for _, m := range matches {
		if m.needsLead() {
			if err := p.attachLead(ctx, m); err != nil {
				return err
			}
			continue
		}
		if m.lead == nil {
			m.entry.State = StateDeleted
			done = append(done, pushed{Outcome: Outcome{m.Lead.UEN, ActionSkipped, m.entry}})
			continue
		}
		outcome := Outcome{m.Lead.UEN, ActionUnchanged, m.entry}
		if m.back {
			outcome.Action = ActionUpdated
		}
		if change := p.changeOfContact(m, &outcome.Entry); len(change) > 0 {
			contacts = append(contacts, odoo.WithContext(change, "id", m.contact.ID()))
			outcome.Action = ActionUpdated
		}
		if change := p.changeOfLead(m, &outcome.Entry); len(change) > 0 {
			leads = append(leads, odoo.WithContext(change, "id", m.lead.ID()))
			outcome.Action = ActionUpdated
		}
		outcome.Entry.State = StatePushed
		next := pushed{Outcome: outcome, people: m.Lead.People}
		if m.ownsContact() {
			next.contact = m.contact.ID()
		}
		done = append(done, next)
	}
	if !p.options.Dry {
		if err := p.writeRecords(ctx, "crm.lead", leads); err != nil {
			return err
		}
		if err := p.writeRecords(ctx, "res.partner", contacts); err != nil {
			return err
		}
	}
	return p.finish(ctx, done)
}

// finish pushes the people of companies whose leads are written, and keeps the outcomes.
func (p *pushing) finish(ctx context.Context, done []pushed) error {
	if err := p.pushPeople(ctx, done); err != nil {
		return err
	}
	for _, d := range done {
		p.outcomes = append(p.outcomes, d.Outcome)
	}
	return nil
}

// needsLead reports whether the contact needs a lead: it never had one, because a person entered the company before
// leadctl knew it, or the lead is wanted again.
func (m match) needsLead() bool {
	return m.Known == nil && m.lead == nil && (m.Again || m.contact.Text(pushedMark) == "")
}

// ownsContact reports whether the contact is still the company's: no person deleted it, or took its number away.
func (m match) ownsContact() bool {
	uen := m.contact.Text("x_uen")
	return m.contact != nil && (uen == m.Lead.UEN || m.merged || m.Refill && uen == "")
}

// changeOfContact returns the fields of the contact to write.
func (p *pushing) changeOfContact(m match, entry *Entry) odoo.Record {
	if !m.ownsContact() {
		return nil
	}
	change := differingFields(m.contact, m.Lead.contactFields())
	if m.contact.Text("x_uen") == "" {
		change["x_uen"] = m.Lead.UEN
	}
	entry.Written.Contact = p.addShared(change, m.contact, m.Lead.sharedContactFields(), m.entry.Written.Contact)
	return change
}

func (p *pushing) changeOfLead(m match, entry *Entry) odoo.Record {
	change := differingFields(m.lead, m.Lead.leadFields())
	entry.Written.Lead = p.addShared(change, m.lead, m.Lead.sharedLeadFields(), m.entry.Written.Lead)
	return change
}

// addShared adds to change those of Odoo's own fields that are empty or as leadctl left them, and returns what leadctl
// has then written into each.
func (p *pushing) addShared(change, record odoo.Record, want, written map[string]string) map[string]string {
	now := maps.Clone(written)
	if now == nil {
		now = map[string]string{}
	}
	for field, value := range want {
		have := record.Text(field)
		switch {
		case sameText(have, value):
			now[field] = value
		case isEmpty(field, have) || written[field] != "" && sameText(have, written[field]):
			change[field] = p.stored(field, value)
			now[field] = value
		}
	}
	return now
}

// isEmpty reports whether a field has the value of a new record. No star is priority 0.
func isEmpty(field, value string) bool {
	return plainText(value) == "" || field == "priority" && value == "0"
}

// stored is the form of a value in this version of Odoo: descriptions are HTML from 15 on.
func (p *pushing) stored(field, value string) any {
	if field == "description" && p.options.Major < 15 {
		value = plainText(value)
	}
	return textOrUnset(value)
}

// writeRecords writes records that have an id, with one call for all that change the same fields.
func (p *pushing) writeRecords(ctx context.Context, model string, records []odoo.Record) error {
	groups := map[string][]odoo.Record{}
	for _, r := range records {
		key := strings.Join(slices.Sorted(maps.Keys(r)), " ")
		groups[key] = append(groups[key], r)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		fields := strings.Fields(key)
		rows := make([][]string, len(groups[key]))
		for i, r := range groups[key] {
			for _, f := range fields {
				rows[i] = append(rows[i], importCell(r[f]))
			}
		}
		fields[slices.Index(fields, "id")] = ".id" // the record's number; "id" would be an external id
		if err := p.LoadRecords(ctx, model, fields, rows); err != nil {
			return err
		}
	}
	return nil
}

// importCell is a value as Odoo's import takes it.
func importCell(v any) string {
	if v == false {
		return ""
	}
	return fmt.Sprint(v)
}

// attachLead gives a contact that a person made its lead and the mark, in one transaction of Odoo.
func (p *pushing) attachLead(ctx context.Context, m match) error {
	outcome := Outcome{UEN: m.Lead.UEN, Action: ActionCreated, Entry: m.entry}
	change := odoo.Record{}
	maps.Copy(change, m.Lead.contactFields())
	outcome.Entry.Written.Contact = p.addShared(change, m.contact, m.Lead.sharedContactFields(), nil)
	if p.options.Dry {
		p.outcomes = append(p.outcomes, outcome)
		return nil
	}
	lead, written, err := p.createLeadCommand(ctx, m.Lead)
	if err != nil {
		return err
	}
	outcome.Entry.Written.Lead = written
	if err := p.Write(ctx, "res.partner", []int64{m.contact.ID()}, odoo.WithContext(change, opportunities, lead),
		odoo.QuietContext()); err != nil {
		return err
	}
	made, err := p.leadsOfContacts(ctx, []int64{m.contact.ID()})
	if err != nil {
		return err
	}
	outcome.Entry.Lead = made[m.contact.ID()]
	return p.finish(ctx, []pushed{{outcome, m.Lead.People, m.contact.ID()}})
}

// createLeads makes contacts with their leads, all or none.
func (p *pushing) createLeads(ctx context.Context, fresh []Lead) error {
	if len(fresh) == 0 {
		return nil
	}
	contacts, leads, written := make([]int64, len(fresh)), map[int64]int64{}, make([]Written, len(fresh))
	if !p.options.Dry {
		records := make([]odoo.Record, len(fresh))
		for i, l := range fresh {
			var err error
			if records[i], written[i], err = p.newContact(ctx, l); err != nil {
				return err
			}
		}
		var err error
		if contacts, err = p.Create(ctx, "res.partner", records, odoo.QuietContext()); err != nil {
			return err
		}
		if leads, err = p.leadsOfContacts(ctx, contacts); err != nil {
			return err
		}
	}
	done := make([]pushed, len(fresh))
	for i, l := range fresh {
		entry := Entry{contacts[i], leads[contacts[i]], written[i], StatePushed}
		done[i] = pushed{Outcome{l.UEN, ActionCreated, entry}, l.People, contacts[i]}
	}
	return p.finish(ctx, done)
}

// leadsOfContacts returns the number of leadctl's lead of each contact.
func (p *pushing) leadsOfContacts(ctx context.Context, contacts []int64) (map[int64]int64, error) {
	found, err := p.SearchRead(ctx, "crm.lead", odoo.Query{Fields: []string{"partner_id"}, Archived: true,
		Order: "id desc", Domain: odoo.Domain{odoo.Where("partner_id", "in", contacts),
			odoo.Where("x_pre_sdr_bucket", "!=", false)}})
	leads := map[int64]int64{}
	for _, r := range found {
		leads[r.Int("partner_id")] = r.ID()
	}
	return leads, err
}

// opportunities and people are the contact's fields that hold its leads and its child contacts.
const (
	opportunities = "opportunity_ids"
	people        = "child_ids"
)

// newContact is a contact with its lead and its people, and what it writes into fields that people may edit.
func (p *pushing) newContact(ctx context.Context, l Lead) (r odoo.Record, written Written, err error) {
	lead, ofLead, err := p.createLeadCommand(ctx, l)
	if err != nil {
		return nil, written, err
	}
	written = Written{Contact: l.sharedContactFields(), Lead: ofLead}
	r = l.contactFields()
	for field, value := range written.Contact {
		r[field] = value
	}
	maps.Copy(r, odoo.Record{"is_company": true, "x_uen": l.UEN, opportunities: lead})
	if p.refs.Country != 0 {
		r["country_id"] = p.refs.Country
	}
	var children []any
	for _, person := range l.People {
		children = append(children, []any{0, 0, person.newChild()})
	}
	if len(children) > 0 {
		r[people] = children
	}
	return r, written, nil
}

// createLeadCommand is Odoo's command that makes a lead with its contact, and what it writes into fields that people
// may edit. The lead belongs to the team. Mail and phone come from the contact: Odoo would write others over the
// contact's.
func (p *pushing) createLeadCommand(ctx context.Context, l Lead) (command []any, written map[string]string, err error) {
	if err := p.findReferences(ctx); err != nil {
		return nil, nil, err
	}
	r := l.leadFields()
	written = l.sharedLeadFields()
	for field, value := range written {
		r[field] = p.stored(field, value)
	}
	maps.Copy(r, odoo.Record{"type": p.options.Type, ownerField: false, "team_id": p.refs.Team,
		"source_id": p.refs.Source})
	if owner := p.nextOwner(); owner != 0 {
		r[ownerField], written[ownerField] = owner, odoo.FormatID(owner)
	}
	if p.Company() != 0 {
		r["company_id"] = p.Company()
	}
	return []any{[]any{0, 0, r}}, written, nil
}

// findReferences finds the references once.
func (p *pushing) findReferences(ctx context.Context) (err error) {
	if p.refs.Team == 0 {
		p.refs, err = p.options.References(ctx)
	}
	return err
}

// sourceMark is the external id, in ownModule, of the source (utm.source) of pushed leads.
const sourceMark = "source"

// differingFields returns those of want's fields that have another value in the record.
func differingFields(r odoo.Record, want odoo.Record) odoo.Record {
	change := odoo.Record{}
	for field, value := range want {
		var same bool
		switch value := value.(type) {
		case int:
			same = r.Int(field) == int64(value)
		case float64:
			same = r.Float(field) == value
		case string:
			same = r.Text(field) == value
		case bool:
			same = r.Text(field) == ""
		}
		if !same {
			change[field] = value
		}
	}
	return change
}

// FieldsOf returns the technical names of leadctl's fields on a model.
func FieldsOf(model string) []string {
	var out []string
	for _, f := range Fields() {
		if f.Model == model {
			out = append(out, f.Name)
		}
	}
	return out
}
