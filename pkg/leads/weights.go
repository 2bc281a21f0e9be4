package leads

import (
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Weights holds the weight of each feature and the least scores of the buckets. Only the proportions of the weights
// matter: a feature that a rule does not ask for has no weight, and the others share its part. Version is stored with
// every score; changed weights need a new version.
type Weights struct {
	Version  string  `json:"version" yaml:"version"`
	Industry float64 `json:"industry" yaml:"industry"`
	Keywords float64 `json:"keywords" yaml:"keywords"`
	Age      float64 `json:"age" yaml:"age"`
	Size     float64 `json:"size" yaml:"size"`
	Form     float64 `json:"form" yaml:"form"`
	Website  float64 `json:"website" yaml:"website"`
	Standing float64 `json:"standing" yaml:"standing"`
	High     float64 `json:"high" yaml:"high"`     // least score of bucket high
	Medium   float64 `json:"medium" yaml:"medium"` // least score of bucket medium
}

// DefaultWeights are explained in docs/scoring.md.
func DefaultWeights() Weights {
	return Weights{
		Version: "leadctl-1", Industry: 35, Keywords: 15, Age: 15, Size: 15, Form: 10, Website: 5, Standing: 5,
		High: 0.75, Medium: 0.5,
	}
}

// ParseWeights parses the entries of the configuration, such as version=acme-2, industry=40, high=0.8. Weights without
// an entry keep their default. Changed weights need a new version. Fault: Invalid with the wrong entry.
func ParseWeights(entries []string) (Weights, error) {
	w := DefaultWeights()
	if len(entries) == 0 {
		return w, nil
	}
	numbers := map[string]*float64{"industry": &w.Industry, "keywords": &w.Keywords, "age": &w.Age, "size": &w.Size,
		"form":    &w.Form,
		"website": &w.Website, "standing": &w.Standing, "high": &w.High, "medium": &w.Medium}
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		if name == "version" {
			w.Version = value
			continue
		}
		into, known := numbers[name]
		n, err := strconv.ParseFloat(value, 64)
		if !known || err != nil {
			return Weights{}, fault.New(fault.Invalid,
				"weights: %.40q: must be a weight and a number, such as industry=40", entry)
		}
		*into = n
	}
	if w.Version == DefaultWeights().Version && w != DefaultWeights() {
		return Weights{}, fault.New(fault.Invalid,
			"weights: changed weights need a new version").WithHint(
			"add version=NAME; choose another NAME with every change")
	}
	return w, w.checkWeights()
}

func (w Weights) checkWeights() error {
	// Every company has a value for age, form, website and standing. So no score divides by 0 if one of these has a
	// weight.
	always := w.Age + w.Form + w.Website + w.Standing
	for name, v := range map[string]float64{"industry": w.Industry, "keywords": w.Keywords, "age": w.Age,
		"size": w.Size,
		"form": w.Form, "website": w.Website, "standing": w.Standing} {
		if !(v >= 0 && v <= 1000) {
			return fault.New(fault.Invalid, "weight %s: %v: must be between 0 and 1000", name, v)
		}
	}
	switch {
	case w.Version == "":
		return fault.New(fault.Invalid, "weights: no version")
	case always == 0:
		return fault.New(fault.Invalid, "weights %s: age, form, website and standing are all 0", w.Version)
	case !(0 <= w.Medium && w.Medium <= w.High && w.High <= 1):
		return fault.New(fault.Invalid, "weights %s: buckets need 0 ≤ medium ≤ high ≤ 1", w.Version)
	}
	return nil
}

// feature is one part of a score. value is SQL for a number from 0 to 1, or NULL if the rule does not ask for the
// feature; says is SQL for the reason that salespeople read. Both use p, a row of pickSQL with the title of its
// division.
type feature struct {
	name   string
	weight float64
	value  string
	says   string
}

func (w Weights) scoreFeatures() []feature {
	return []feature{
		{"industry", w.Industry, `p.industry`,
			`coalesce(p.title || ' (SSIC ' || p.code || ')', p.industry_norm) ||
			CASE WHEN p.industry = 1 THEN ' matches the profile'
			ELSE ' matches an industry of the profile, but none of its SSIC codes' END`},
		{"keywords", w.Keywords, `CASE WHEN p.wants_words THEN (p.word IS NOT NULL)::int::float8 END`,
			`coalesce('name contains "' || p.word || '"', 'name contains none of the keywords')`},
		// In a range with two bounds, the middle gives 1 and the bounds give 0.5. Otherwise ten years in business give
		// 1.
		{"age", w.Age, `CASE WHEN p.year IS NULL THEN 0
			WHEN p.to_year IS NULL OR p.from_year IS NULL THEN least(greatest(p.this_year - p.year, 0),
			10) / 10.0::float8
			WHEN p.from_year = p.to_year THEN 1
			ELSE 1 - 0.5 * abs(2 * p.year - p.from_year - p.to_year) / (p.to_year - p.from_year)::float8 END`,
			`CASE WHEN p.year IS NULL THEN 'year of incorporation unknown'
			WHEN p.to_year IS NULL OR p.from_year IS NULL THEN 'incorporated in ' || p.year
			ELSE 'incorporated in ' || p.year || ', within ' || p.from_year || '–' || p.to_year END`},
		{"size", w.Size, `CASE WHEN p.wants_size THEN CASE WHEN p.employees IS NULL THEN 0.3 ELSE 1 END::float8 END`,
			`coalesce('about ' || p.employees || ' employees, within the range', 'headcount unknown')`},
		{"form", w.Form, `CASE WHEN p.wants_type THEN 1 ELSE CASE lower(p.entity_type) WHEN 'local company' THEN 1
			WHEN 'foreign company branch' THEN 0.8 WHEN 'limited liability partnership' THEN 0.7
			WHEN 'limited partnership' THEN 0.6
			WHEN 'sole proprietorship/ partnership' THEN 0.4 ELSE 0.5 END END::float8`,
			`coalesce(lower(p.entity_type), 'legal form unknown')`},
		{"website", w.Website, `(p.domain IS NOT NULL)::int::float8`,
			`coalesce('website ' || p.domain, 'no website known')`},
		{"standing", w.Standing, `CASE WHEN p.status IN ('live', 'live company') THEN 1
			WHEN p.status LIKE 'live (%' THEN 0.2 ELSE 0.5 END::float8`,
			`CASE WHEN p.status IN ('live', 'live company') THEN 'in good standing'
			WHEN p.status LIKE 'live (%' THEN 'under receivership' ELSE 'standing unknown' END`},
	}
}
