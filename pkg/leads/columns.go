package leads

import (
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// column is a column that an export can have. sql is read from lead_scores s, companies c, contacts k, lead_emails e
// and lead_outcomes o; the part of the leads decides that of the score. Numbers are written as PostgreSQL prints them,
// which is a valid JSON number.
type column struct {
	name, sql string
	number    bool
}

const scoreColumn = "score"

// leadColumns returns the columns of a Lead.
func leadColumns() []column {
	return []column{
		{"company_id", "s.company_id", true}, {"name", "c.name", false},
		{"website_domain", "c.website_domain", false}, {"industry_norm", "c.industry_norm", false},
		{"employees_est", "c.employees_est", true}, {scoreColumn, "", true}, {"bucket", "s.bucket", false},
		{"rationale", "s.rationale", false}, {"primary_email", "coalesce(e.email, k.email)", false},
		{"contact_name", "k.name", false}, {"contact_title", "k.title", false},
		{"contact_linkedin", "k.linkedin", false}, {"contact_phone", "k.phone", false},
	}
}

// exportColumns returns the columns of an export that names none, in their order, and then the others.
func exportColumns() (standard, more []column) {
	return append(leadColumns(), column{"crm_outcome", "o.outcome", false},
			column{"crm_lost_reason", "o.lost_reason", false}), []column{
			{"uen", "c.uen", false}, {"ssic_code", "c.industry_code", false},
			{"incorporation_year", "c.incorporation_year", true}, {"entity_type", "c.entity_type", false},
			{"entity_status", "c.entity_status", false}, {"street", "c.registered_street", false},
			{"street2", "c.registered_street2", false}, {"postal_code", "c.registered_postal_code", false},
		}
}

// ColumnNames returns the names of all columns that an export can have.
func ColumnNames() (names []string) {
	standard, more := exportColumns()
	for _, c := range slices.Concat(standard, more) {
		names = append(names, c.name)
	}
	return names
}

// chooseColumns returns the named columns in the given order; without names, the standard ones. Fault: Invalid for an
// unknown name or one that is there twice.
func chooseColumns(names []string) ([]column, error) {
	standard, more := exportColumns()
	if len(names) == 0 {
		return standard, nil
	}
	all := slices.Concat(standard, more)
	var out []column
	for i, name := range names {
		at := slices.IndexFunc(all, func(c column) bool { return c.name == name })
		switch {
		case at < 0:
			return nil, fault.New(fault.Invalid, "column %.40q: must be one of %s", name,
				strings.Join(ColumnNames(), ", "))
		case slices.Contains(names[:i], name):
			return nil, fault.New(fault.Invalid, "column %s: is named twice", name)
		}
		out = append(out, all[at])
	}
	return out, nil
}

// listSQL returns the SELECT list, with text every value as text. score is the expression of the score.
func listSQL(columns []column, score string, text bool) string {
	var list []string
	for _, c := range columns {
		sql := c.sql
		if c.name == scoreColumn {
			sql = score
		}
		if text && c.number {
			sql += "::text"
		}
		list = append(list, sql+" AS "+c.name)
	}
	return strings.Join(list, ", ")
}

// digestSQL returns a row whose digest changes with each value of the columns. The score is taken by its bytes, because
// 0 and -0 are equal but are exported as different texts.
func digestSQL(columns []column) string {
	list := []string{"s.company_id"}
	for _, c := range columns {
		sql := c.sql
		if c.name == scoreColumn {
			sql = "float8send(s.score)"
		}
		list = append(list, sql)
	}
	return "ROW(" + strings.Join(list, ", ") + ")"
}
