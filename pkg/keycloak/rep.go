package keycloak

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rep is one of Keycloak's representations. Members that nobody here knows go back as they came.
type rep map[string]any

func (r rep) stringMember(name string) string {
	s, _ := r[name].(string)
	return s
}

// The lists in a rep that says how something must be.
type (
	atLeast       []string // a list that holds these and may hold more
	exactly       []string // a list of these alone, in any order
	joinedAtLeast []string // a text of parts joined by ##, at least these
)

const listSeparator = "##"

// merge lays want over have. changed describes each member that differs, as "name: old → new".
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

// mergeValue is what a member becomes: want itself, or for the lists what satisfies it with the least change.
func mergeValue(have, want any) any {
	switch want := want.(type) {
	case atLeast:
		return appendMissing(stringList(have), want)
	case exactly:
		if was := stringList(have); slices.Equal(slices.Sorted(slices.Values(was)), slices.Sorted(slices.Values(want))) {
			return was
		}
		return []string(want)
	case joinedAtLeast:
		was, _ := have.(string)
		return strings.Join(appendMissing(slices.DeleteFunc(strings.Split(was, listSeparator), func(s string) bool { return s == "" }), want), listSeparator)
	}
	return want
}

func appendMissing(have, want []string) []string {
	out := slices.Clone(have)
	for _, w := range want {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// stringList reads a JSON list of texts; anything else is an empty one.
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

// formatValue is a value in a plan. An absent list and an empty one are the same to Keycloak.
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
