package crm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"html"
	"maps"
	"math"
	"regexp"
	"strings"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Lead is a scored company as salespeople see it: a contact in Odoo and an opportunity (or a lead) on it. "" and 0 mean
// "unknown".
type Lead struct {
	UEN  string // registration number in the register; identifies the contact
	Name string

	Industry          string
	Employees         int
	RevenueBucket     string
	IncorporationYear int
	WebsiteDomain     string
	EntityType        string
	RegisterStatus    string
	Street            string
	Street2           string // floor, unit and building
	PostalCode        string
	Enrichment        string // JSON

	Score    float64 // 0 to 1; Odoo shows 0 to 100
	Bucket   string  // high, medium, low
	Features string  // JSON
	Reasons  []string
	Sources  string // URLs, one a line

	People []Person // the tenant's contacts at the company
}

// layout is part of each hash: raise it when the values that a lead gets in Odoo change.
const layout = "1"

// Hash identifies the content of the lead. A lead with the hash of the last push needs no call to Odoo.
func (l Lead) Hash() string {
	text, _ := json.Marshal(l) // strings, numbers and lists of them cannot fail
	sum := sha256.Sum256(append([]byte(layout), text...))
	return hex.EncodeToString(sum[:16])
}

// pushedMark is the contact's field that is never empty once the contact has, or had, a lead.
const pushedMark = "x_enrichment_json"

// contactFields are leadctl's fields of the contact. Unknown enrichment is {}, because the field is pushedMark.
func (l Lead) contactFields() odoo.Record {
	return odoo.Record{"x_industry_norm": textOrUnset(l.Industry), "x_employees_est": l.Employees,
		"x_revenue_bucket":     textOrUnset(l.RevenueBucket),
		"x_incorporation_year": l.IncorporationYear, "x_website_domain": textOrUnset(l.WebsiteDomain),
		"x_entity_type": textOrUnset(l.EntityType), "x_register_status": textOrUnset(l.RegisterStatus),
		pushedMark: cmp.Or(l.Enrichment, "{}")}
}

// leadFields are leadctl's fields of the lead. The bucket marks the lead as leadctl's, so it is never empty.
func (l Lead) leadFields() odoo.Record {
	return odoo.Record{"x_pre_sdr_score": l.points(), "x_pre_sdr_bucket": l.bucket(),
		"x_pre_sdr_features":  textOrUnset(l.Features),
		"x_pre_sdr_rationale": textOrUnset(strings.Join(l.Reasons, "\n")),
		"x_industry_norm":     textOrUnset(l.Industry), "x_source_urls": textOrUnset(l.Sources)}
}

// points is the score from 0 to 100, with one decimal.
func (l Lead) points() float64 { return math.Round(l.Score*1000) / 10 }

func (l Lead) bucket() string { return cmp.Or(l.Bucket, "low") }

// sharedContactFields are Odoo's own fields of the contact that leadctl fills in; salespeople may change them.
func (l Lead) sharedContactFields() map[string]string {
	fields := map[string]string{"name": l.Name, "city": "Singapore", "street": l.Street, "street2": l.Street2,
		"zip": l.PostalCode}
	if l.WebsiteDomain != "" {
		fields["website"] = "https://" + l.WebsiteDomain
	}
	maps.DeleteFunc(fields, func(_, value string) bool { return value == "" })
	return fields
}

// sharedLeadFields are Odoo's own fields of the lead that leadctl fills in; salespeople may change them.
func (l Lead) sharedLeadFields() map[string]string {
	return map[string]string{"name": l.Name, "priority": priorities[l.bucket()], "description": l.description()}
}

// priorities gives each bucket its number of stars in Odoo. Leads without a star are not from leadctl.
var priorities = map[string]string{"high": "3", "medium": "2", "low": "1"}

// description has the reasons as HTML; Odoo before 15 keeps plain text, which shows the tags, so Push strips them
// there.
func (l Lead) description() string {
	if len(l.Reasons) == 0 {
		return ""
	}
	lines := make([]string, len(l.Reasons))
	for i, reason := range l.Reasons {
		lines[i] = html.EscapeString(reason)
	}
	return "<p>" + strings.Join(lines, "<br>") + "</p>"
}

var htmlBreak, htmlTag = regexp.MustCompile(`(?i)<br\s*/?>|</p>`), regexp.MustCompile(`<[^>]*>`)

// plainText is the text of an HTML value, as Odoo before 15 stores descriptions.
func plainText(value string) string {
	value = htmlTag.ReplaceAllString(htmlBreak.ReplaceAllString(value, "\n"), "")
	return strings.TrimSpace(html.UnescapeString(value))
}

// sameText compares two values of a field that people may edit. Odoo adds tags and spaces to HTML, so only the text
// counts.
func sameText(a, b string) bool {
	return strings.Join(strings.Fields(plainText(a)), " ") == strings.Join(strings.Fields(plainText(b)), " ")
}

// textOrUnset is Odoo's form of a text: unset is false, because "" would be stored as a text.
func textOrUnset(s string) any {
	if s == "" {
		return false
	}
	return s
}
