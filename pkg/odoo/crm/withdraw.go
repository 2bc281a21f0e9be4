package crm

import (
	"context"
	"html"
	"maps"
	"slices"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Withdrawal is a pushed lead whose company no longer fits.
type Withdrawal struct {
	UEN    string
	Known  Entry
	Reason string // a sentence for salespeople

	KeepWorkedOn bool // leave a lead that a person works on as it is: it fits, but others are better
}

// Withdraw takes back leads. A lead that no person worked on is archived, and its contact too if it has no other lead
// and no people. A lead that a person worked on stays, with a tag. Both get a note with the reason. Leads that a person
// closed stay as they are. Push brings a withdrawn lead back. Outcomes are valid with an error too.
func Withdraw(ctx context.Context, session *odoo.Session, items []Withdrawal, options Options) ([]Outcome, error) {
	p := &pushing{Session: session, options: options}
	for batch := range slices.Chunk(items, BatchSize) {
		if err := p.withdrawBatch(ctx, batch); err != nil {
			return p.outcomes, err
		}
	}
	return p.outcomes, nil
}

// withdrawn is a batch of withdrawals as it is found in Odoo and as it will be written.
type withdrawn struct {
	service         int64                     // leadctl's user
	leads, contacts map[int64]odoo.Record     // by number
	discussed       map[string]map[int64]bool // by model and number: a person wrote on the record
	kept            map[int64]bool            // contacts with another lead or with people

	archive, archiveContacts, tag []int64
	notes                         []odoo.Record
}

func (p *pushing) withdrawBatch(ctx context.Context, batch []Withdrawal) error {
	w, err := p.findWithdrawn(ctx, batch)
	if err != nil {
		return err
	}
	outcomes := make([]Outcome, len(batch))
	for i, item := range batch {
		outcomes[i] = w.decide(item)
	}
	if !p.options.Dry {
		if err := p.writeWithdrawn(ctx, w); err != nil {
			return err
		}
	}
	p.outcomes = append(p.outcomes, outcomes...)
	return nil
}

func (p *pushing) findWithdrawn(ctx context.Context, batch []Withdrawal) (w withdrawn, err error) {
	var leads, contacts []int64
	w.service = p.UID()
	for _, item := range batch {
		leads, contacts = append(leads, item.Known.Lead), append(contacts, item.Known.Contact)
	}
	if w.leads, err = p.readRecords(ctx, "crm.lead", leads, append(p.leadColumns(), "probability", ownerField,
		"activity_ids", "expected_revenue", "write_uid")); err != nil {
		return w, err
	}
	w.contacts, err = p.readRecords(ctx, "res.partner", contacts, append(p.contactColumns(), "write_uid"))
	if err != nil {
		return w, err
	}
	w.discussed = map[string]map[int64]bool{}
	for model, ids := range map[string][]int64{"crm.lead": leads, "res.partner": contacts} {
		if w.discussed[model], err = p.findDiscussed(ctx, model, ids); err != nil {
			return w, err
		}
	}
	w.kept, err = p.findKept(ctx, contacts, leads)
	return w, err
}

// odooBot is the user that Odoo's own jobs run as.
const odooBot int64 = 1

// findDiscussed returns those of the records on which a person wrote, or changed something that Odoo records.
func (p *pushing) findDiscussed(ctx context.Context, model string, ids []int64) (map[int64]bool, error) {
	found, err := p.SearchRead(ctx, "mail.message", odoo.Query{Fields: []string{"res_id"}, Domain: odoo.Domain{
		odoo.Where("model", "=", model), odoo.Where("res_id", "in", ids),
		odoo.Where("create_uid", "not in", []int64{odooBot, p.UID()})}})
	discussed := map[int64]bool{}
	for _, r := range found {
		discussed[r.Int("res_id")] = true
	}
	return discussed, err
}

// findKept returns the contacts that have people, or a lead that is not in leads.
func (p *pushing) findKept(ctx context.Context, contacts, leads []int64) (map[int64]bool, error) {
	kept := map[int64]bool{}
	for _, q := range []struct {
		model, parent string
		domain        odoo.Domain
	}{
		{"crm.lead", "partner_id", odoo.Domain{odoo.Where("partner_id", "in", contacts),
			odoo.Where("id", "not in", leads)}},
		{"res.partner", "parent_id", odoo.Domain{odoo.Where("parent_id", "in", contacts)}},
	} {
		found, err := p.SearchRead(ctx, q.model, odoo.Query{Fields: []string{q.parent}, Domain: q.domain,
			Archived: true})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			kept[r.Int(q.parent)] = true
		}
	}
	return kept, nil
}

// archivedByUs is the mark, in Written, of a record that Withdraw archived.
const archivedByUs = "active"

// decide adds what is to be written for one item, and returns its outcome.
func (w *withdrawn) decide(item Withdrawal) Outcome {
	lead := w.leads[item.Known.Lead]
	outcome := Outcome{item.UEN, ActionWithdrawn, item.Known}
	outcome.Entry.State = StateWithdrawn
	if lead == nil {
		outcome.Action, outcome.Entry.State = ActionSkipped, StateDeleted
		return outcome
	}
	closed := !lead.Bool("active") || lead.Float("probability") >= 100 // lost, archived or won
	workedOn := w.isLeadWorkedOn(lead, item.Known.Written.Lead)
	switch {
	case item.KeepWorkedOn && (closed || workedOn):
		return Outcome{item.UEN, ActionUnchanged, item.Known}
	case closed:
		return outcome
	}
	w.notes = append(w.notes, newNote(lead.ID(), item.Reason))
	if workedOn {
		w.tag = append(w.tag, lead.ID())
		return outcome
	}
	w.archive = append(w.archive, lead.ID())
	outcome.Entry.Written.Lead = withArchived(item.Known.Written.Lead)
	contact := w.contacts[item.Known.Contact]
	if contact != nil && contact.Bool("active") && !w.kept[contact.ID()] &&
		!w.isWorkedOn("res.partner", contact, item.Known.Written.Contact) {
		w.archiveContacts = append(w.archiveContacts, contact.ID())
		outcome.Entry.Written.Contact = withArchived(item.Known.Written.Contact)
	}
	return outcome
}

func withArchived(written map[string]string) map[string]string {
	out := map[string]string{archivedByUs: "False"}
	maps.Copy(out, written)
	return out
}

// isLeadWorkedOn reports whether a person did anything to the lead: took it, planned, estimated, wrote or changed.
func (w *withdrawn) isLeadWorkedOn(lead odoo.Record, written map[string]string) bool {
	owner := lead.Int(ownerField)
	taken := owner != 0 && odoo.FormatID(owner) != written[ownerField]
	return taken || len(lead.IDs("activity_ids")) > 0 || len(lead.IDs("tag_ids")) > 0 ||
		lead.Float("expected_revenue") != 0 || w.isWorkedOn("crm.lead", lead, written)
}

// isWorkedOn reports whether a person wrote on the record or changed a field. The last writer alone does not tell:
// leadctl may have written after her.
func (w *withdrawn) isWorkedOn(model string, record odoo.Record, written map[string]string) bool {
	if by := record.Int("write_uid"); w.discussed[model][record.ID()] || by != odooBot && by != w.service {
		return true
	}
	for field, value := range written {
		if field != archivedByUs && field != ownerField && !sameText(record.Text(field), value) {
			return true
		}
	}
	return false
}

// newNote is a line in a lead's history.
func newNote(lead int64, text string) odoo.Record {
	return odoo.Record{"model": "crm.lead", "res_id": lead, "message_type": "comment", "is_internal": true,
		"body": "<p>" + html.EscapeString(text) + "</p>"}
}

// writeWithdrawn writes the notes first: if the rest fails, the next push finds the leads again.
func (p *pushing) writeWithdrawn(ctx context.Context, w withdrawn) error {
	if err := p.writeNotes(ctx, w.notes); err != nil {
		return err
	}
	if err := p.writeTag(ctx, w.tag, linkCommand); err != nil {
		return err
	}
	if err := p.setActive(ctx, "crm.lead", w.archive, false); err != nil {
		return err
	}
	return p.setActive(ctx, "res.partner", w.archiveContacts, false)
}

func (p *pushing) writeNotes(ctx context.Context, notes []odoo.Record) error {
	if len(notes) == 0 {
		return nil
	}
	_, err := p.Create(ctx, "mail.message", notes, odoo.QuietContext())
	return err
}

func (p *pushing) setActive(ctx context.Context, model string, ids []int64, active bool) error {
	if len(ids) == 0 {
		return nil
	}
	return p.Write(ctx, model, ids, odoo.Record{"active": active}, odoo.QuietContext())
}

// Odoo's commands that remove a record from a field of several, and add one.
const (
	unlinkCommand = 3
	linkCommand   = 4
)

// writeTag adds the tag of withdrawn leads to leads, or removes it where it is.
func (p *pushing) writeTag(ctx context.Context, leads []int64, command int) error {
	if len(leads) == 0 {
		return nil
	}
	if err := p.findReferences(ctx); err != nil {
		return err
	}
	return p.Write(ctx, "crm.lead", leads, odoo.Record{"tag_ids": []any{[]any{command, p.refs.Tag}}},
		odoo.QuietContext())
}

// bringBack takes back what Withdraw did to the leads of companies that fit again. Written loses its marks.
func (p *pushing) bringBack(ctx context.Context, matches []match) error {
	var leads, contacts, tagged []int64
	var notes []odoo.Record
	for i, m := range matches {
		if m.entry.State != StateWithdrawn || m.lead == nil {
			continue
		}
		matches[i].back = true
		written := &matches[i].entry.Written
		written.Contact, written.Lead = withoutArchived(written.Contact), withoutArchived(written.Lead)
		if m.entry.Written.Lead[archivedByUs] != "" && !m.lead.Bool("active") {
			leads = append(leads, m.lead.ID())
		}
		if m.contact != nil && m.entry.Written.Contact[archivedByUs] != "" && !m.contact.Bool("active") {
			contacts = append(contacts, m.contact.ID())
		}
		if len(m.lead.IDs("tag_ids")) > 0 {
			tagged = append(tagged, m.lead.ID())
		}
		notes = append(notes, newNote(m.lead.ID(), "The company fits again."))
	}
	if p.options.Dry {
		return nil
	}
	if err := p.writeTag(ctx, tagged, unlinkCommand); err != nil {
		return err
	}
	if err := p.setActive(ctx, "res.partner", contacts, true); err != nil {
		return err
	}
	if err := p.setActive(ctx, "crm.lead", leads, true); err != nil {
		return err
	}
	return p.writeNotes(ctx, notes)
}

func withoutArchived(written map[string]string) map[string]string {
	out := maps.Clone(written)
	delete(out, archivedByUs)
	return out
}

// withdrawnMark is the external id, in ownModule, of the tag of leads that no longer fit but that a person works on.
const withdrawnMark, withdrawnName = "tag_withdrawn", "No longer fits"

// EnsureWithdrawnTag makes the tag, or takes the one that the people of the workspace made under its name.
func EnsureWithdrawnTag(ctx context.Context, s *odoo.Session) error {
	if id, err := findMarked(ctx, s, withdrawnMark); err != nil || id != 0 {
		return err
	}
	existing, err := s.SearchRead(ctx, "crm.tag", odoo.Query{Fields: []string{"name"},
		Domain: odoo.Domain{odoo.Where("name", "=", withdrawnName)}})
	if err != nil {
		return err
	}
	if len(existing) > 0 {
		return markRecord(ctx, s, withdrawnMark, "crm.tag", existing[0].ID())
	}
	return ensureMarked(ctx, s, "crm.tag", withdrawnMark, withdrawnName)
}
