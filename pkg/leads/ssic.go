package leads

import (
	_ "embed"
	"encoding/csv"
	"regexp"
	"strings"
	"sync"
)

// ssicCSV holds the sections (a letter each) and the two-digit divisions of the classification that its first line
// names, with leadctl's list of common words for some of them. Groups and lower levels have a code only.
//
// Codes and titles of sections A to U and their 81 divisions were compared with a public listing of SSIC 2020, which
// has the published number of divisions. Codes of real entries of the register were compared with both. Two things are
// not checked: the department's own report, and that codes of section V begin with 00.
//
//go:embed ssic2020.csv
var ssicCSV string

// Industry is a section (code "J") or a division (code "62") of the SSIC.
type Industry struct {
	Code    string
	Title   string
	Section string   // the letter of the section it is or belongs to
	also    []string // everyday words that mean it
	codes   codeRange
}

// codeRange holds the five-digit codes from lo to just before hi, in byte order.
type codeRange struct{ lo, hi string }

// Industries returns the sections and divisions, each section before its divisions.
func Industries() []Industry { return taxonomy() }

var taxonomy = sync.OnceValue(func() []Industry {
	file := csv.NewReader(strings.NewReader(ssicCSV))
	file.Comment = '#'
	records, err := file.ReadAll()
	if err != nil {
		panic("leads: ssic2020.csv: " + err.Error())
	}
	var list []Industry
	section := -1
	for _, r := range records[1:] {
		in := Industry{Code: r[0], Title: r[1], Section: r[0]}
		if r[2] != "" {
			in.also = strings.Split(r[2], ";")
		}
		if r[0][0] > '9' {
			section = len(list)
		} else {
			in.codes = prefixRange(r[0])
			in.Section = list[section].Code
			if list[section].codes.lo == "" {
				list[section].codes.lo = in.codes.lo
			}
			list[section].codes.hi = in.codes.hi // divisions of a section follow each other without a gap
		}
		list = append(list, in)
	}
	return list
})

// prefixRange returns the range of all codes that begin with digits.
func prefixRange(digits string) codeRange {
	last := len(digits) - 1
	return codeRange{digits, digits[:last] + string(digits[last]+1)}
}

// findIndustry returns the industry that a user's term names: a section letter, a two-digit division, a title, or an
// everyday word. A title of both a section and a division (education) means the section.
func findIndustry(term string) (Industry, bool) {
	term = normalizeTerm(term)
	for _, in := range taxonomy() {
		if strings.EqualFold(term, in.Code) || term == normalizeTerm(in.Title) {
			return in, true
		}
	}
	for _, in := range taxonomy() {
		for _, word := range in.also {
			if term == normalizeTerm(word) {
				return in, true
			}
		}
	}
	return Industry{}, false
}

var notWord = regexp.MustCompile(`[^\p{L}\p{N}]+`)

func normalizeTerm(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "&", " and ")
	return strings.TrimSpace(notWord.ReplaceAllString(s, " "))
}

// divisionArrays returns parallel arrays for SQL: the code of each division, its title, and its section's title. Titles
// are in lower case, as in industry_norm.
func divisionArrays() (codes, titles, norms []string) {
	var norm string
	for _, in := range taxonomy() {
		if in.Code == in.Section {
			norm = strings.ToLower(in.Title)
			continue
		}
		codes = append(codes, in.Code)
		titles = append(titles, strings.ToLower(in.Title))
		norms = append(norms, norm)
	}
	return codes, titles, norms
}
