package keycloak

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rep is a JSON object of Keycloak's API, such as a ClientRepresentation.
// Members that leadctl does not know are sent back unchanged.
type rep map[string]any

// stringMember returns the member as a string, or "" if it is missing or not a string.
func (r rep) stringMember(name string) string {
	s, _ := r[name].(string)
	return s
}

// The types of wanted list members.
type (
	atLeast       []string // a list with these elements and possibly others
	exactly       []string // a list of these elements, in any order
	joinedAtLeast []string // a string of elements joined by listSeparator: these and possibly others
)

const listSeparator = "##"

// merge returns have with the members of want. changed describes each member that differs, as "name: old → new".
func merge(have, want rep) (merged rep, changed []string) {
	merged = maps.Clone(have)
	if merged == nil {
		merged = rep{}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if inner, ok := want[name].(rep); ok {
			was, _ := merged[name].(map[string]any)
			now, more := merge(was, inner)
			merged[name] = map[string]any(now)
			for _, m := range more {
				changed = append(changed, name+"."+m)
			}
			continue
		}
		now := mergeValue(merged[name], want[name])
		if was := merged[name]; !equalValues(was, now) {
			changed = append(changed, fmt.Sprintf("%s: %s → %s", name, formatValue(was), formatValue(now)))
		}
		merged[name] = now
	}
	return merged, changed
}

// mergeValue returns the new value of a member: want, or a list that satisfies want with the least change to have.
func mergeValue(have, want any) any {
	switch want := want.(type) {
	case atLeast:
		return appendMissing(stringList(have), want)
	case exactly:
		was := stringList(have)
		if slices.Equal(slices.Sorted(slices.Values(was)), slices.Sorted(slices.Values(want))) {
			return was
		}
		return []string(want)
	case joinedAtLeast:
		was, _ := have.(string)
		parts := slices.DeleteFunc(strings.Split(was, listSeparator), func(s string) bool { return s == "" })
		return strings.Join(appendMissing(parts, want), listSeparator)
	}
	return want
}

// appendMissing returns a copy of have followed by the elements of want that it lacks.
func appendMissing(have, want []string) []string {
	out := slices.Clone(have)
	for _, w := range want {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// stringList returns the strings in a JSON list; it is empty for any other value.
func stringList(v any) []string {
	if have, ok := v.([]string); ok {
		return have
	}
	list, _ := v.([]any)
	out := []string{}
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func equalValues(a, b any) bool { return formatValue(a) == formatValue(b) }

// formatValue returns a value as text for a plan. Keycloak does not distinguish a missing list from an empty one.
func formatValue(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if s := string(encoded); s != "null" && s != `""` {
		return s
	}
	return "[]"
}
