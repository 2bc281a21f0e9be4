package odootest

import (
	"fmt"
	"slices"
	"strings"
)

// matchesDomain reports whether a record matches an Odoo domain: conditions joined by "and" unless "|", "&" or "!"
// stands before them.
func (d *database) matchesDomain(model string, r row, domain []any) (bool, error) {
	rest, all := domain, true
	for len(rest) > 0 {
		var ok bool
		var err error
		if ok, rest, err = d.evalTerm(model, r, rest); err != nil {
			return false, err
		}
		all = all && ok
	}
	return all, nil
}

func (d *database) evalTerm(model string, r row, domain []any) (bool, []any, error) {
	if len(domain) == 0 {
		return false, nil, pythonException("ValueError: Domain() invalid item in domain")
	}
	first, rest := domain[0], domain[1:]
	if op, ok := first.(string); ok {
		a, rest, err := d.evalTerm(model, r, rest)
		if err != nil || op == "!" {
			return !a, rest, err
		}
		b, rest, err := d.evalTerm(model, r, rest)
		if op == "|" {
			return a || b, rest, err
		}
		return a && b, rest, err
	}
	cond, _ := first.([]any)
	if len(cond) != 3 {
		return false, nil, pythonException("ValueError: Domain() invalid item in domain: %v", first)
	}
	field := asString(cond[0])
	if _, known := d.fields[model][field]; !known {
		return false, nil, pythonException("ValueError: Invalid field %s.%s in condition", model, field)
	}
	ok, err := compareValues(r[field], asString(cond[1]), cond[2])
	return ok, rest, err
}

func compareValues(have any, op string, want any) (bool, error) {
	switch op {
	case "=":
		return sameValue(have, want), nil
	case "!=":
		return !sameValue(have, want), nil
	case "in", "not in":
		list, _ := want.([]any)
		found := slices.ContainsFunc(list, func(e any) bool { return sameValue(have, e) })
		return found == (op == "in"), nil
	case "<", ">", "<=", ">=":
		return compareOrdered(have, op, want), nil
	case "like", "ilike", "=like", "=ilike":
		return matchesLike(asString(have), op, asString(want)), nil
	}
	return false, pythonException("ValueError: Invalid operator %s", op)
}

func sameValue(a, b any) bool {
	if list, ok := a.([]any); ok {
		return slices.ContainsFunc(list, func(e any) bool { return sameValue(e, b) })
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

func compareOrdered(have any, op string, want any) bool {
	c := strings.Compare(asString(have), asString(want))
	if _, text := want.(string); !text {
		c = int(asFloat(have) - asFloat(want))
	} else if have == any(false) {
		return false
	}
	return c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func matchesLike(have, op, pattern string) bool {
	if strings.Contains(op, "ilike") {
		have, pattern = strings.ToLower(have), strings.ToLower(pattern)
	}
	if !strings.HasPrefix(op, "=") {
		return strings.Contains(have, strings.Trim(pattern, "%"))
	}
	if prefix, open := strings.CutSuffix(pattern, "%"); open {
		return strings.HasPrefix(have, prefix)
	}
	return have == pattern
}
