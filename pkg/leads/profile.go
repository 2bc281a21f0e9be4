package leads

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Profile is what a rule's payload says: an ideal customer. Every condition that is given must hold, with two
// exceptions: industries and ssic_codes are alternatives to each other, and keywords choose companies only when neither
// is given, else they raise the score. An empty profile fits every live company.
type Profile struct {
	// section letter, two-digit division, title or everyday word; else compared with industry_norm
	Industries []string `json:"industries,omitempty" yaml:"industries,omitempty"`
	// two to five digits; fewer than five mean all that begin so
	SSICCodes []string `json:"ssic_codes,omitempty" yaml:"ssic_codes,omitempty"`
	// companies whose headcount is unknown pass, and score lower
	EmployeeRange Range `json:"employee_range,omitzero" yaml:"employee_range,omitempty"`
	// both ends count
	IncorporationYear Range `json:"incorporation_year,omitzero" yaml:"incorporation_year,omitempty"`
	// as the register calls them, in any case
	EntityTypes []string `json:"entity_types,omitempty" yaml:"entity_types,omitempty"`
	// whole words in the name, in any case
	Keywords []string `json:"keywords,omitempty" yaml:"keywords,omitempty"`
	// any one of these rules a company out
	Exclusions Exclusions `json:"exclusions,omitzero" yaml:"exclusions,omitempty"`

	// Unknown holds members that leadctl does not know. They are kept with the rule and have no effect.
	Unknown map[string]jsontext.Value `json:",unknown" yaml:"-"`
}

// Range is closed; nil is no bound.
type Range struct {
	Min *int `json:"min,omitempty" yaml:"min,omitempty"`
	Max *int `json:"max,omitempty" yaml:"max,omitempty"`

	Unknown map[string]jsontext.Value `json:",unknown" yaml:"-"` // refused: a bound that has no effect misleads
}

func (r Range) isSet() bool { return r.Min != nil || r.Max != nil }

// Exclusions say which companies never fit.
type Exclusions struct {
	Industries  []string `json:"industries,omitempty" yaml:"industries,omitempty"`
	SSICCodes   []string `json:"ssic_codes,omitempty" yaml:"ssic_codes,omitempty"`
	EntityTypes []string `json:"entity_types,omitempty" yaml:"entity_types,omitempty"`
	Keywords    []string `json:"keywords,omitempty" yaml:"keywords,omitempty"`
	UENs        []string `json:"uens,omitempty" yaml:"uens,omitempty"`

	Unknown map[string]jsontext.Value `json:",unknown" yaml:"-"` // refused
}

const (
	maxPayload = 64 << 10 // bytes
	maxList    = 200      // values in one list
	maxText    = 120      // bytes of one value
)

// ParseProfile reads a payload. Faults: Invalid naming the member, such as "payload.employee_range.min".
func ParseProfile(payload []byte) (Profile, error) {
	var p Profile
	if len(payload) > maxPayload {
		return p, fault.New(fault.Invalid, "payload: %d bytes, %d at most", len(payload), maxPayload)
	}
	if jsontext.Value(payload).Kind() != '{' {
		return p, fault.New(fault.Invalid, "payload: not a JSON object")
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, payloadFault(err)
	}
	return p, p.checkProfile()
}

func payloadFault(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fault.New(fault.Invalid, "payload%s: a %s is not what goes here", pointerPath(semantic.JSONPointer),
			semantic.JSONKind)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return fault.New(fault.Invalid, "payload%s: not valid JSON, or a name twice",
			pointerPath(syntactic.JSONPointer))
	}
	return fault.New(fault.Invalid, "payload: not valid JSON")
}

func pointerPath(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		b.WriteByte('.')
		b.WriteString(token)
	}
	return b.String()
}

// Warnings are remarks on a profile that is valid and may not do what its author meant.
func (p Profile) Warnings() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Unknown)) {
		out = append(out, fmt.Sprintf("payload.%s: unknown to leadctl, kept without effect", name))
	}
	for _, term := range slices.Concat(p.Industries, p.Exclusions.Industries) {
		if _, ok := findIndustry(term); !ok {
			out = append(out, fmt.Sprintf(
				"industry %q: not a section, division or known word of SSIC 2020; compared with "+
					"companies.industry_norm",
				term))
		}
	}
	return out
}

var (
	ssicCode = regexp.MustCompile(`^[0-9]{2,5}$`)
	uenShape = regexp.MustCompile(`^[0-9A-Za-z]{8,10}$`)
)

func (p Profile) checkProfile() error {
	lists := []struct {
		field  string
		values []string
		shape  *regexp.Regexp
		want   string
	}{
		{"industries", p.Industries, nil, ""},
		{"ssic_codes", p.SSICCodes, ssicCode, "two to five digits"},
		{"entity_types", p.EntityTypes, nil, ""},
		{"keywords", p.Keywords, nil, ""},
		{"exclusions.industries", p.Exclusions.Industries, nil, ""},
		{"exclusions.ssic_codes", p.Exclusions.SSICCodes, ssicCode, "two to five digits"},
		{"exclusions.entity_types", p.Exclusions.EntityTypes, nil, ""},
		{"exclusions.keywords", p.Exclusions.Keywords, nil, ""},
		{"exclusions.uens", p.Exclusions.UENs, uenShape, "a UEN"},
	}
	for _, l := range lists {
		if len(l.values) > maxList {
			return fault.New(fault.Invalid, "payload.%s: %d values, %d at most", l.field, len(l.values), maxList)
		}
		for i, v := range l.values {
			if err := checkText(v); err != nil {
				return fault.New(fault.Invalid, "payload.%s[%d]: %s", l.field, i, err.Error())
			}
			if l.shape != nil && !l.shape.MatchString(v) {
				return fault.New(fault.Invalid, "payload.%s[%d] %q: not %s", l.field, i, v, l.want)
			}
		}
	}
	if err := p.EmployeeRange.checkBounds("employee_range", 0, 10_000_000); err != nil {
		return err
	}
	if err := p.IncorporationYear.checkBounds("incorporation_year", 1800, 2200); err != nil {
		return err
	}
	return rejectUnknown("exclusions", p.Exclusions.Unknown)
}

func rejectUnknown(field string, unknown map[string]jsontext.Value) error {
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		return fault.New(fault.Invalid, "payload.%s.%s: there is no such member", field, name)
	}
	return nil
}

func (r Range) checkBounds(field string, low, high int) error {
	for name, v := range map[string]*int{"min": r.Min, "max": r.Max} {
		if v != nil && (*v < low || *v > high) {
			return fault.New(fault.Invalid, "payload.%s.%s %d: not from %d to %d", field, name, *v, low, high)
		}
	}
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		return fault.New(fault.Invalid, "payload.%s: min %d is above max %d", field, *r.Min, *r.Max)
	}
	return rejectUnknown(field, r.Unknown)
}

// checkText refuses what no name, word or title is.
func checkText(s string) error {
	switch {
	case normalizeTerm(s) == "":
		return errors.New("no letter or digit in it")
	case len(s) > maxText:
		return fmt.Errorf("longer than %d bytes", maxText)
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("a control character in it")
	}
	return nil
}
