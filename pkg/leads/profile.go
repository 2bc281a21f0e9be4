package leads

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Profile describes an ideal customer; it is the payload of a rule. A company must fulfil every condition that is
// given, with two exceptions. Industries and ssic_codes are alternatives: one match is enough. Keywords are a condition
// only if neither of these is given; otherwise they raise the score. An empty profile matches every live company.
type Profile struct {
	// section letter, two-digit division, title or everyday word; other texts are compared with industry_norm
	Industries []string `json:"industries,omitempty" yaml:"industries,omitempty"`
	// two to five digits; fewer than five mean all codes that begin with them
	SSICCodes []string `json:"ssic_codes,omitempty" yaml:"ssic_codes,omitempty"`
	// companies with an unknown headcount match, with a lower score
	EmployeeRange Range `json:"employee_range,omitzero" yaml:"employee_range,omitempty"`
	// including both ends
	IncorporationYear Range `json:"incorporation_year,omitzero" yaml:"incorporation_year,omitempty"`
	// the register's names, in any case
	EntityTypes []string `json:"entity_types,omitempty" yaml:"entity_types,omitempty"`
	// whole words in the name, in any case
	Keywords []string `json:"keywords,omitempty" yaml:"keywords,omitempty"`
	// one match excludes a company
	Exclusions Exclusions `json:"exclusions,omitzero" yaml:"exclusions,omitempty"`

	// Unknown holds members that leadctl does not know. They are stored with the rule and have no effect.
	Unknown map[string]jsontext.Value `json:",unknown" yaml:"-"`
}

// Range includes both bounds; nil means no bound.
type Range struct {
	Min *int `json:"min,omitempty" yaml:"min,omitempty"`
	Max *int `json:"max,omitempty" yaml:"max,omitempty"`

	Unknown map[string]jsontext.Value `json:",unknown" yaml:"-"` // rejected: a misspelt bound would have no effect
}

func (r Range) isSet() bool { return r.Min != nil || r.Max != nil }

// Exclusions are the conditions that exclude a company.
type Exclusions struct {
	Industries  []string `json:"industries,omitempty" yaml:"industries,omitempty"`
	SSICCodes   []string `json:"ssic_codes,omitempty" yaml:"ssic_codes,omitempty"`
	EntityTypes []string `json:"entity_types,omitempty" yaml:"entity_types,omitempty"`
	Keywords    []string `json:"keywords,omitempty" yaml:"keywords,omitempty"`
	UENs        []string `json:"uens,omitempty" yaml:"uens,omitempty"`

	Unknown map[string]jsontext.Value `json:",unknown" yaml:"-"` // rejected
}

const (
	maxPayload = 64 << 10 // bytes
	maxList    = 200      // values in one list
	maxText    = 120      // bytes of one value
)

// ParseProfile parses and checks a payload. Fault: Invalid with the name of the wrong member, such as
// "payload.employee_range.min".
func ParseProfile(payload []byte) (Profile, error) {
	var p Profile
	if len(payload) > maxPayload {
		return p, fault.New(fault.Invalid, "payload: %d bytes; at most %d are allowed", len(payload), maxPayload)
	}
	if kind := jsontext.Value(payload).Kind(); kind != '{' {
		return p, fault.New(fault.Invalid, "payload: must be a JSON object, got %s", kindName(kind))
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, payloadFault(err)
	}
	return p, p.checkProfile()
}

func payloadFault(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fault.New(fault.Invalid, "payload%s: want %s, got %s", pointerPath(semantic.JSONPointer),
			wantedValue(semantic.GoType), kindName(semantic.JSONKind))
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return fault.New(fault.Invalid, "payload%s: not valid JSON, or a member occurs twice",
			pointerPath(syntactic.JSONPointer))
	}
	return fault.New(fault.Invalid, "payload: not valid JSON")
}

// wantedValue describes the JSON value that a field of a profile accepts.
func wantedValue(t reflect.Type) string {
	if t == nil {
		return "another value"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wantedValue(t.Elem())
	case reflect.Slice:
		return "a list of strings"
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "an integer"
	default:
		return "an object"
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case 0:
		return "text that is not JSON"
	default:
		return k.String()
	}
}

func pointerPath(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		b.WriteByte('.')
		b.WriteString(token)
	}
	return b.String()
}

// Warnings returns a text for each part of a valid profile that may not have the effect that its author expects.
func (p Profile) Warnings() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Unknown)) {
		out = append(out, fmt.Sprintf("payload.%s: unknown member; it is stored but has no effect", name))
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

// rejectMisspelt rejects an unknown member whose name differs from a known one by letter case only: it would be stored
// and have no effect.
func rejectMisspelt(unknown map[string]jsontext.Value) error {
	known := reflect.TypeFor[Profile]()
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		for i := range known.NumField() {
			spelled, _, _ := strings.Cut(known.Field(i).Tag.Get("json"), ",")
			if strings.EqualFold(name, spelled) {
				return fault.New(fault.Invalid, "payload.%s: must be spelled %s", name, spelled)
			}
		}
	}
	return nil
}

func (p Profile) checkProfile() error {
	if err := rejectMisspelt(p.Unknown); err != nil {
		return err
	}
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
		{"exclusions.uens", p.Exclusions.UENs, uenShape, "a UEN of 8 to 10 letters and digits"},
	}
	for _, l := range lists {
		if len(l.values) > maxList {
			return fault.New(fault.Invalid, "payload.%s: %d values; at most %d are allowed",
				l.field, len(l.values), maxList)
		}
		for i, v := range l.values {
			if err := checkText(v); err != nil {
				return fault.New(fault.Invalid, "payload.%s[%d]: %s", l.field, i, err.Error())
			}
			if l.shape != nil && !l.shape.MatchString(v) {
				return fault.New(fault.Invalid, "payload.%s[%d] %q: must be %s", l.field, i, v, l.want)
			}
		}
	}
	if err := p.EmployeeRange.checkBounds("employee_range", 0, 10_000_000); err != nil {
		return err
	}
	if err := p.IncorporationYear.checkBounds("incorporation_year", 1800, 2200); err != nil {
		return err
	}
	return rejectUnknown("exclusions", p.Exclusions.Unknown,
		"industries, ssic_codes, entity_types, keywords or uens")
}

func rejectUnknown(field string, unknown map[string]jsontext.Value, known string) error {
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		return fault.New(fault.Invalid, "payload.%s.%s: unknown member; must be %s", field, name, known)
	}
	return nil
}

func (r Range) checkBounds(field string, low, high int) error {
	for name, v := range map[string]*int{"min": r.Min, "max": r.Max} {
		if v != nil && (*v < low || *v > high) {
			return fault.New(fault.Invalid, "payload.%s.%s %d: must be between %d and %d", field, name, *v, low, high)
		}
	}
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		return fault.New(fault.Invalid, "payload.%s: min %d is above max %d", field, *r.Min, *r.Max)
	}
	return rejectUnknown(field, r.Unknown, "min or max")
}

// checkText rejects a text that cannot be a name, word or title.
func checkText(s string) error {
	switch {
	case normalizeTerm(s) == "":
		return errors.New("must contain a letter or digit")
	case len(s) > maxText:
		return fmt.Errorf("must have at most %d bytes", maxText)
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("must not contain a control character")
	}
	return nil
}
