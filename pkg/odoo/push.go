package odoo

import (
	"context"
	"maps"
	"slices"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Lead is one scored company as the tenant's salespeople shall see it: a partner and an open lead on it. Text that is "" and
// numbers that are 0 mean "not known".
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

// pushBatch is how many companies one round of calls carries: more are not faster, and fewer lose less when one is refused.
const pushBatch = 200

// PushLeads brings leads into the workspace's CRM. A company is one partner, found by its UEN, and one lead that leadctl scored;
// both are made when missing; a lead that was archived as lost counts as there. On records that exist only leadctl's
// own x_ fields are written, and only when they differ: names, stages, owners, phones and mails belong to the salespeople.
//
// It may be repeated after any failure and then goes on; Pushed is valid with an error too. Two pushes to one workspace at the
// same time could each make a lead, so the caller runs one at a time.
func (p *Provisioner) PushLeads(ctx context.Context, w Workspace, leads []Lead) (Pushed, error) {
	return p.push(ctx, w, leads, false)
}

// CompareLeads counts what PushLeads would do, and writes nothing.
func (p *Provisioner) CompareLeads(ctx context.Context, w Workspace, leads []Lead) (Pushed, error) {
	return p.push(ctx, w, leads, true)
}

// pushing is one push into one workspace.
type pushing struct {
	*Session
	dry bool // count, and write nothing
	sum Pushed
}

func (p *Provisioner) push(ctx context.Context, w Workspace, leads []Lead, dry bool) (Pushed, error) {
	session, err := p.Session(ctx, w)
	if err != nil {
		return Pushed{}, err
	}
	s := &pushing{Session: session, dry: dry}
	for from := 0; from < len(leads); from += pushBatch {
		if err := s.pushBatch(ctx, leads[from:min(from+pushBatch, len(leads))]); err != nil {
			return s.sum, err
		}
	}
	return s.sum, nil
}

func (s *pushing) pushBatch(ctx context.Context, leads []Lead) error {
	byUEN := make(map[string]Lead, len(leads))
	for _, l := range leads {
		if l.UEN == "" || l.Name == "" {
			return fault.New(fault.Invalid, "lead %q: without UEN or name", l.UEN+l.Name)
		}
		byUEN[l.UEN] = l
	}
	partners, err := s.pushPartners(ctx, byUEN)
	if err != nil {
		return err
	}
	return s.pushScores(ctx, byUEN, partners)
}

// pushPartners returns the partner of each UEN; in a dry run, of those that are there.
func (s *pushing) pushPartners(ctx context.Context, byUEN map[string]Lead) (map[string]int64, error) {
	ids, err := s.updatePartners(ctx, byUEN)
	if err != nil {
		return nil, err
	}
	var missing []Record
	for uen, l := range byUEN {
		if ids[uen] == 0 {
			r := l.partner()
			r["name"], r["is_company"], r["x_uen"] = l.Name, true, uen
			missing = append(missing, r)
		}
	}
	if len(missing) == 0 || s.dry {
		return ids, nil
	}
	made, err := s.Create(ctx, "res.partner", missing, quiet())
	if err != nil {
		return nil, err
	}
	for i, r := range missing {
		ids[r.Text("x_uen")] = made[i]
	}
	return ids, nil
}

// updatePartners writes what differs on partners that exist, archived ones included, and returns them by UEN.
func (s *pushing) updatePartners(ctx context.Context, byUEN map[string]Lead) (map[string]int64, error) {
	fields := fieldsOf("res.partner")
	have, err := s.SearchRead(ctx, "res.partner", Query{Domain: Domain{Where("x_uen", "in", slices.Collect(maps.Keys(byUEN)))}, Fields: fields, Archived: true})
	if err != nil {
		return nil, err
	}
	ids := map[string]int64{}
	for _, r := range have {
		uen := r.Text("x_uen")
		ids[uen] = r.ID()
		if change := r.differs(byUEN[uen].partner()); len(change) > 0 && !s.dry {
			if err := s.Write(ctx, "res.partner", []int64{r.ID()}, change, quiet()); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

// pushScores sees to it that each partner has a lead with today's score.
func (s *pushing) pushScores(ctx context.Context, byUEN map[string]Lead, partners map[string]int64) error {
	have, err := s.SearchRead(ctx, "crm.lead", Query{Archived: true, Order: "id", Fields: append(fieldsOf("crm.lead"), "partner_id"),
		Domain: Domain{Where("partner_id", "in", slices.Collect(maps.Values(partners))), Where("x_pre_sdr_bucket", "!=", false)}})
	if err != nil {
		return err
	}
	current := map[int64]Record{}
	for _, r := range have {
		current[r.Int("partner_id")] = r
	}
	var missing []Record
	for uen, l := range byUEN {
		is, there := current[partners[uen]] // a company without a partner yet has number 0, which no lead is on
		if !there {
			missing = append(missing, l.open(partners[uen]))
			continue
		}
		change := is.differs(l.score())
		if len(change) == 0 {
			s.sum.Unchanged++
			continue
		}
		if !s.dry {
			if err := s.Write(ctx, "crm.lead", []int64{is.ID()}, change, quiet()); err != nil {
				return err
			}
		}
		s.sum.Updated++
	}
	switch {
	case len(missing) == 0:
		return nil
	case s.dry:
		s.sum.Created += len(missing)
		return nil
	}
	made, err := s.Create(ctx, "crm.lead", missing, quiet())
	s.sum.Created += len(made)
	return err
}

// partner are leadctl's fields on the company.
func (l Lead) partner() Record {
	return Record{"x_industry_norm": text(l.Industry), "x_employees_est": l.Employees, "x_revenue_bucket": text(l.RevenueBucket),
		"x_incorporation_year": l.IncorporationYear, "x_website_domain": text(l.WebsiteDomain), "x_enrichment_json": text(l.Enrichment)}
}

// score are leadctl's fields on the lead. The bucket is what marks a lead as leadctl's, so it is never empty.
func (l Lead) score() Record {
	if l.Bucket == "" {
		l.Bucket = "low"
	}
	return Record{"x_pre_sdr_score": l.Score, "x_pre_sdr_bucket": l.Bucket, "x_pre_sdr_features": text(l.Features),
		"x_pre_sdr_rationale": text(l.Rationale), "x_source_urls": text(l.Sources)}
}

// open is a new lead. It belongs to nobody yet; mail and phone come from the partner, which Odoo would overwrite otherwise.
func (l Lead) open(partner int64) Record {
	r := l.score()
	maps.Copy(r, Record{"name": l.Name, "type": "lead", "partner_id": partner, "user_id": false})
	return r
}

// text is Odoo's form of a text: unset is false, since "" would be stored as such.
func text(s string) any {
	if s == "" {
		return false
	}
	return s
}

// differs returns those of want's values that the record does not have.
func (r Record) differs(want Record) Record {
	change := Record{}
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

func fieldsOf(model string) []string {
	var out []string
	for _, f := range Fields() {
		if f.Model == model {
			out = append(out, f.Name)
		}
	}
	return out
}
