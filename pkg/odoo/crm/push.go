package crm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/odoo"
)

// Lead is one scored company as the tenant's salespeople shall see it: a partner and an open lead on it. Text that is
// "" and numbers that are 0 mean "not known".
type Lead struct {
	UEN  string // the company's registration number; which partner it is
	Name string

	Industry          string
	Employees         int
	RevenueBucket     string
	IncorporationYear int
	WebsiteDomain     string
	Enrichment        string // JSON

	Score     float64 // 0 to 1
	Bucket    string  // high, medium, low
	Features  string  // JSON
	Rationale string
	Sources   string // URLs, one a line
}

// Pushed counts what PushLeads did to each company's lead.
type Pushed struct {
	Created, Updated, Unchanged int
}

// pushBatch is how many companies one round of calls carries: more are not faster, and fewer lose less when one is
// refused.
const pushBatch = 200

// pushing is one push into one workspace.
type pushing struct {
	*odoo.Session
	dry bool // count, and write nothing
	sum Pushed
}

// Push brings leads into the CRM that the session opens; see Provisioner.PushLeads. With dry it counts and writes
// nothing.
func Push(ctx context.Context, session *odoo.Session, leads []Lead, dry bool) (Pushed, error) {
	s := &pushing{Session: session, dry: dry}
	for from := 0; from < len(leads); from += pushBatch {
		if err := s.pushBatch(ctx, leads[from:min(from+pushBatch, len(leads))]); err != nil {
			return s.sum, err
		}
	}
	return s.sum, nil
}

// pushBatch compares what there is with what shall be, and writes in a few calls.
func (s *pushing) pushBatch(ctx context.Context, leads []Lead) error {
	byUEN := make(map[string]Lead, len(leads))
	for _, l := range leads {
		if l.UEN == "" || l.Name == "" {
			return fault.New(fault.Invalid, "lead %q: without UEN or name", l.UEN+l.Name)
		}
		byUEN[l.UEN] = l
	}
	partners, err := s.partnersOf(ctx, byUEN)
	if err != nil {
		return err
	}
	scored, err := s.leadsOf(ctx, partners)
	if err != nil {
		return err
	}
	var fresh []odoo.Record
	var met []meeting
	for uen, l := range byUEN {
		if is, there := partners[uen]; there {
			met = append(met, meeting{l, is, scored[is.ID()]})
		} else {
			fresh = append(fresh, s.whole(l))
		}
	}
	if err := s.update(ctx, met); err != nil {
		return err
	}
	return s.make(ctx, fresh)
}

// meeting is a company that the workspace knows: the partner, and those of leadctl's leads that are on it.
type meeting struct {
	lead    Lead
	partner odoo.Record
	leads   []odoo.Record
}

// unmet: a lead was never made for this partner, which somebody else made.
func (m meeting) unmet() bool { return len(m.leads) == 0 && m.partner.Text(pushedMark) == "" }

// pushedMark is the field that is never empty on a partner that has, or had, its lead.
const pushedMark = "x_enrichment_json"

// partnersOf finds partners by UEN, archived ones included.
func (s *pushing) partnersOf(ctx context.Context, byUEN map[string]Lead) (map[string]odoo.Record, error) {
	have, err := s.SearchRead(ctx, "res.partner", odoo.Query{Fields: FieldsOf("res.partner"), Archived: true,
		Order:  "id desc",
		Domain: odoo.Domain{odoo.Where("x_uen", "in", slices.Collect(maps.Keys(byUEN)))}})
	out := map[string]odoo.Record{}
	for _, r := range have { // the oldest counts, where somebody duplicated one
		out[r.Text("x_uen")] = r
	}
	return out, err
}

// leadsOf finds leadctl's leads by partner, archived ones included.
func (s *pushing) leadsOf(ctx context.Context, partners map[string]odoo.Record) (map[int64][]odoo.Record, error) {
	if len(partners) == 0 {
		return nil, nil
	}
	have, err := s.SearchRead(ctx, "crm.lead", odoo.Query{Archived: true, Order: "id",
		Fields: append(FieldsOf("crm.lead"), "partner_id"),
		Domain: odoo.Domain{odoo.Where("partner_id", "in", odoo.IDsOf(slices.Collect(maps.Values(partners)))),
			odoo.Where("x_pre_sdr_bucket", "!=", false)}})
	out := map[int64][]odoo.Record{}
	for _, r := range have {
		out[r.Int("partner_id")] = append(out[r.Int("partner_id")], r)
	}
	return out, err
}

// update writes what differs on what is there.
func (s *pushing) update(ctx context.Context, met []meeting) error {
	var partners, leads []odoo.Record
	var sum Pushed
	for _, m := range met {
		if m.unmet() {
			if err := s.meet(ctx, m); err != nil {
				return err
			}
			continue
		}
		if want := m.lead.partner(); differsFrom(m.partner, want) {
			partners = append(partners, odoo.WithContext(want, "id", m.partner.ID()))
		}
		before := len(leads)
		for _, is := range m.leads {
			if want := m.lead.score(); differsFrom(is, want) {
				leads = append(leads, odoo.WithContext(want, "id", is.ID()))
			}
		}
		if len(leads) > before {
			sum.Updated++
		} else {
			sum.Unchanged++
		}
	}
	if !s.dry {
		if err := s.rewrite(ctx, "crm.lead", leads); err != nil {
			return err
		}
		if err := s.rewrite(ctx, "res.partner", partners); err != nil {
			return err
		}
	}
	s.sum.Updated += sum.Updated
	s.sum.Unchanged += sum.Unchanged
	return nil
}

// rewrite sets leadctl's fields of records that have an id, all of the same fields, in one call.
func (s *pushing) rewrite(ctx context.Context, model string, records []odoo.Record) error {
	if len(records) == 0 {
		return nil
	}
	fields := slices.Sorted(maps.Keys(records[0]))
	rows := make([][]string, len(records))
	for i, r := range records {
		for _, f := range fields {
			rows[i] = append(rows[i], cell(r[f]))
		}
	}
	fields[slices.Index(fields, "id")] = ".id" // the record's number, where "id" would be an external name
	return s.LoadRecords(ctx, model, fields, rows)
}

// cell is a value as Odoo's import takes it.
func cell(v any) string {
	if v == false {
		return ""
	}
	return fmt.Sprint(v)
}

// meet gives a partner that somebody else made its lead and the mark, in one transaction of Odoo's.
func (s *pushing) meet(ctx context.Context, m meeting) error {
	if !s.dry {
		if err := s.Write(ctx, "res.partner", []int64{m.partner.ID()},
			odoo.WithContext(m.lead.partner(), opportunities, s.opened(m.lead)), odoo.QuietContext()); err != nil {
			return err
		}
	}
	s.sum.Created++
	return nil
}

// make makes partners with their leads, all or none.
func (s *pushing) make(ctx context.Context, fresh []odoo.Record) error {
	if len(fresh) > 0 && !s.dry {
		if _, err := s.Create(ctx, "res.partner", fresh, odoo.QuietContext()); err != nil {
			return err
		}
	}
	s.sum.Created += len(fresh)
	return nil
}

// opportunities is the partner's field that holds its leads.
const opportunities = "opportunity_ids"

// whole is a new partner with its lead.
func (s *pushing) whole(l Lead) odoo.Record {
	r := l.partner()
	maps.Copy(r, odoo.Record{"name": l.Name, "is_company": true, "x_uen": l.UEN, opportunities: s.opened(l)})
	return r
}

// opened is Odoo's way of saying that a lead shall be made with its partner. It belongs to nobody yet; mail and phone
// come from the partner, which Odoo would overwrite otherwise.
func (s *pushing) opened(l Lead) []any {
	r := l.score()
	maps.Copy(r, odoo.Record{"name": l.Name, "type": "lead", "user_id": false})
	if s.Company() != 0 {
		r["company_id"] = s.Company()
	}
	return []any{[]any{0, 0, r}}
}

// partner are leadctl's fields on the company. What is not known of it is {}, since that field is the mark.
func (l Lead) partner() odoo.Record {
	l.Enrichment = cmp.Or(l.Enrichment, "{}")
	return odoo.Record{"x_industry_norm": text(l.Industry), "x_employees_est": l.Employees,
		"x_revenue_bucket":     text(l.RevenueBucket),
		"x_incorporation_year": l.IncorporationYear, "x_website_domain": text(l.WebsiteDomain),
		pushedMark: l.Enrichment}
}

// score are leadctl's fields on the lead. The bucket is what marks a lead as leadctl's, so it is never empty.
func (l Lead) score() odoo.Record {
	l.Bucket = cmp.Or(l.Bucket, "low")
	return odoo.Record{"x_pre_sdr_score": l.Score, "x_pre_sdr_bucket": l.Bucket, "x_pre_sdr_features": text(l.Features),
		"x_pre_sdr_rationale": text(l.Rationale), "x_source_urls": text(l.Sources)}
}

// text is Odoo's form of a text: unset is false, since "" would be stored as such.
func text(s string) any {
	if s == "" {
		return false
	}
	return s
}

// differsFrom reports whether any of want's values is not what the record has.
func differsFrom(r odoo.Record, want odoo.Record) bool {
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
			return true
		}
	}
	return false
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
