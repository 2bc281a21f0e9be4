package leads

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// arguments collects the parameters of a statement, so that no value from a tenant becomes part of the SQL text. Equal
// texts share one parameter: a statement can have 65535, and many rules have the same values.
type arguments struct {
	values []any
	seen   map[string]string
}

func (a *arguments) addValue(v any) string {
	text, isText := v.(string)
	if known, ok := a.seen[text]; ok && isText {
		return known
	}
	a.values = append(a.values, v)
	name := "$" + strconv.Itoa(len(a.values))
	if isText {
		if a.seen == nil {
			a.seen = map[string]string{}
		}
		a.seen[text] = name
	}
	return name
}

// plannedValues returns the values with an option that makes PostgreSQL plan the statement for them.
func (a *arguments) plannedValues() []any {
	return append([]any{pgx.QueryExecModeDescribeExec}, a.values...)
}

// condition is one condition of a profile as SQL over companies c.
type condition struct{ field, sql string }

// conditionsSQL returns the conditions that a company must fulfil, without the one that it is live.
func (p Profile) conditionsSQL(a *arguments) []condition {
	var out []condition
	add := func(field, sql string) {
		if sql != "" {
			out = append(out, condition{field, sql})
		}
	}
	byCode, byIndustry := codesSQL(p.SSICCodes, a), industriesSQL(p.Industries, a)
	switch {
	case byCode != "" && byIndustry != "":
		add("industries or ssic_codes", "("+byCode+" OR "+byIndustry+")")
	case byCode != "" || byIndustry != "":
		add("ssic_codes", byCode)
		add("industries", byIndustry)
	default:
		add("keywords", wordsSQL(p.Keywords, a))
	}
	add("incorporation_year", rangeSQL("c.incorporation_year", p.IncorporationYear, false, a))
	add("employee_range", rangeSQL("c.employees_est", p.EmployeeRange, true, a))
	add("entity_types", typesSQL(p.EntityTypes, a))
	add("exclusions.industries", notSQL(industriesSQL(p.Exclusions.Industries, a)))
	add("exclusions.ssic_codes", notSQL(codesSQL(p.Exclusions.SSICCodes, a)))
	add("exclusions.entity_types", notSQL(typesSQL(p.Exclusions.EntityTypes, a)))
	add("exclusions.keywords", notSQL(wordsSQL(p.Exclusions.Keywords, a)))
	add("exclusions.uens", notSQL(oneOfSQL("upper(c.uen)", p.Exclusions.UENs, strings.ToUpper, a)))
	return out
}

// whereSQL joins the conditions, and the one that the company is live, with AND.
func whereSQL(conditions []condition) string {
	sql := "c.live"
	for _, c := range conditions {
		sql += "\n      AND " + c.sql
	}
	return sql
}

func notSQL(sql string) string {
	if sql == "" {
		return ""
	}
	return "NOT coalesce(" + sql + ", false)"
}

// rangesSQL returns a condition for each range. It compares in byte order, the order of the index on industry_code.
func rangesSQL(ranges []codeRange, a *arguments) []string {
	var out []string
	for _, r := range ranges {
		out = append(out, `c.industry_code COLLATE "C" >= `+a.addValue(r.lo)+`
			AND c.industry_code COLLATE "C" < `+a.addValue(
			r.hi))
	}
	return out
}

func anyOf(alternatives []string) string {
	if len(alternatives) == 0 {
		return ""
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

func codesSQL(codes []string, a *arguments) string {
	var ranges []codeRange
	for _, code := range codes {
		ranges = append(ranges, prefixRange(code))
	}
	return anyOf(rangesSQL(ranges, a))
}

func industriesSQL(terms []string, a *arguments) string {
	var ranges []codeRange
	var literal []string
	for _, term := range terms {
		if in, ok := findIndustry(term); ok {
			ranges = append(ranges, in.codes)
		} else {
			literal = append(literal, term)
		}
	}
	alternatives := rangesSQL(ranges, a)
	if sql := oneOfSQL("c.industry_norm", literal, lowerTrimmed, a); sql != "" {
		alternatives = append(alternatives, sql)
	}
	return anyOf(alternatives)
}

func typesSQL(types []string, a *arguments) string {
	return oneOfSQL("lower(c.entity_type)", types, lowerTrimmed, a)
}

func oneOfSQL(column string, values []string, form func(string) string, a *arguments) string {
	if len(values) == 0 {
		return ""
	}
	formed := make([]string, len(values))
	for i, v := range values {
		formed[i] = form(v)
	}
	return column + " = ANY (" + a.addValue(formed) + "::text[])"
}

func lowerTrimmed(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// wordsSQL returns the condition that the company's name has one of the words as a whole word, in any case.
func wordsSQL(words []string, a *arguments) string {
	if len(words) == 0 {
		return ""
	}
	return "c.name ~* " + a.addValue(wordsPattern(words)) + "::text"
}

// wordsPattern returns a regular expression of PostgreSQL that matches one of the words and captures it. It ignores
// signs at the ends of a word (C++); signs and spaces inside a word match any others.
func wordsPattern(words []string) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = strings.Join(strings.Fields(notWord.ReplaceAllString(w, " ")), `[^[:alnum:]]+`)
	}
	return `\m(` + strings.Join(parts, "|") + `)\M`
}

func rangeSQL(column string, r Range, orUnknown bool, a *arguments) string {
	if !r.isSet() {
		return ""
	}
	var both []string
	if r.Min != nil {
		both = append(both, column+" >= "+a.addValue(*r.Min)+"::int")
	}
	if r.Max != nil {
		both = append(both, column+" <= "+a.addValue(*r.Max)+"::int")
	}
	sql := strings.Join(both, " AND ")
	if orUnknown {
		return "(" + column + " IS NULL OR " + sql + ")"
	}
	return sql
}
