package leads

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Buckets returns the buckets of leadctl's scores, best first.
func Buckets() []string { return []string{"high", "medium", "low"} }

// Filter selects leads of the tenant. A zero field selects all.
type Filter struct {
	Text     string   // part of the company's name, in any case
	Industry string   // a section, division, title or everyday word as in a rule
	Bucket   string   // one of Buckets
	Years    Range    // of incorporation
	MinScore *float64 // 0 to 1; leaves out leads without a score
}

// ParseFilter reads a filter as callers write it; "" leaves a condition out. year is one year (2015) or two
// (2010-2020), both counting. Faults: Invalid naming the parameter.
func ParseFilter(bucket, industry, year string) (Filter, error) {
	years, err := parseYears(year)
	if err != nil {
		return Filter{}, err
	}
	f := Filter{Bucket: bucket, Industry: industry, Years: years}
	_, err = f.filterSQL(new(arguments))
	return f, err
}

func parseYears(s string) (r Range, err error) {
	if s == "" {
		return r, nil
	}
	from, to, two := strings.Cut(s, "-")
	if !two {
		to = from
	}
	for _, end := range []struct {
		text string
		into **int
	}{{from, &r.Min}, {to, &r.Max}} {
		n, err := strconv.ParseUint(end.text, 10, 16)
		if err != nil || len(end.text) != 4 {
			return Range{}, fault.New(fault.Invalid, "year %.20q: must be a year (2015) or a range (2010-2020)", s)
		}
		year := int(n)
		*end.into = &year
	}
	if *r.Min > *r.Max {
		return Range{}, fault.New(fault.Invalid, "year %.20q: the range ends before it begins", s)
	}
	return r, nil
}

// filterSQL returns the filter as further conditions on lead_scores s. Companies are looked up one by one in the order
// of the scores, so that a page reads no more companies than necessary. Fault: Invalid with the wrong field.
func (f Filter) filterSQL(a *arguments) (more string, err error) {
	company, err := f.companyConditions(a)
	if err != nil {
		return "", err
	}
	if len(company) > 0 {
		more = ` AND EXISTS (SELECT 1 FROM public.companies c WHERE c.company_id = s.company_id AND ` +
			strings.Join(company, " AND ") + ` OFFSET 0)`
	}
	switch {
	case f.Bucket == "":
	case !slices.Contains(Buckets(), f.Bucket):
		return "", fault.New(fault.Invalid, "bucket %.20q: must be one of %s", f.Bucket, strings.Join(Buckets(), ", "))
	default:
		more += ` AND s.bucket = ` + a.addValue(f.Bucket)
	}
	if m := f.MinScore; m != nil {
		if math.IsNaN(*m) || *m < 0 || *m > 1 {
			return "", fault.New(fault.Invalid, "least score: must be between 0 and 1")
		}
		more += ` AND s.score < 'Infinity' AND s.score >= ` + a.addValue(*m) // NaN lies above every number
	}
	return more, nil
}

// companyConditions returns the conditions on companies c.
func (f Filter) companyConditions(a *arguments) (conditions []string, err error) {
	if f.Text != "" {
		if err := checkText(f.Text); err != nil {
			return nil, fault.New(fault.Invalid, "name: %s", err.Error())
		}
		literal := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.TrimSpace(f.Text))
		conditions = append(conditions, `c.name ILIKE `+a.addValue("%"+literal+"%"))
	}
	if f.Industry != "" {
		if err := checkText(f.Industry); err != nil {
			return nil, fault.New(fault.Invalid, "industry: %s", err.Error())
		}
		conditions = append(conditions, industriesSQL([]string{f.Industry}, a))
	}
	if years := rangeSQL("c.incorporation_year", f.Years, false, a); years != "" {
		conditions = append(conditions, years)
	}
	return conditions, nil
}
