package sso

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of a token's JSON and of what the identity provider publishes.
const maxDepth = 200

// members is one JSON object, member by member in its order, each value still as it was written. Numbers keep every
// digit. Names are few, so looking one up walks the list. All of it shares the memory of what was parsed.
type members []member

type member struct {
	name  []byte // unquoted
	value jsontext.Value
}

// parseObject reads raw as exactly one JSON object: valid UTF-8, no duplicate names at any depth, no lone surrogates,
// no NUL, nothing before or after it, at most maxDepth levels. raw must not change afterwards.
func parseObject(raw []byte) (members, error) {
	if err := checkDepthAndNUL(raw); err != nil {
		return nil, err
	}
	v := jsontext.Value(raw)
	if !v.IsValid() {
		return nil, syntaxError(raw)
	}
	if v.Kind() != '{' {
		return nil, errors.New("not a JSON object")
	}
	out := make(members, 0, min(bytes.Count(raw, []byte(`":`)), 32))
	for name, value := range walkEntries(v) {
		out = append(out, member{unquoteBytes(name), value})
	}
	return out, nil
}

// syntaxError says what is wrong with raw, which is not valid JSON.
func syntaxError(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if _, err := dec.ReadValue(); err != nil {
		return err
	}
	return errors.New("text after the JSON value")
}

// checkDepthAndNUL refuses what the JSON grammar allows and a claim must not hold: deep nesting and \u0000.
func checkDepthAndNUL(raw []byte) error {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			end := endOfString(raw, i)
			if bytes.Contains(raw[i:end], []byte(`\u0000`)) && containsNUL(raw[i:end]) {
				return errors.New("a NUL character")
			}
			i = end - 1
		case '{', '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("more than %d levels", maxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// containsNUL tells \u0000 from a backslash followed by the text u0000.
func containsNUL(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(text[i+1:], []byte("u0000")) {
			return true
		}
		i++
	}
	return false
}

// listElements reads a JSON array into its values.
func listElements(v jsontext.Value) ([]jsontext.Value, error) {
	if err := requireList(v); err != nil {
		return nil, err
	}
	var out []jsontext.Value
	for _, e := range walkEntries(v) {
		out = append(out, e)
	}
	return out, nil
}

func requireList(v jsontext.Value) error {
	if v.Kind() != '[' {
		return fmt.Errorf("it is %s, not a list", kindName(v))
	}
	return nil
}

// memberValue is the member's value as it was written, nil when there is none.
func (m members) memberValue(name string) jsontext.Value {
	for i := range m {
		if string(m[i].name) == name {
			return m[i].value
		}
	}
	return nil
}

// stringMember is the member's string value; ok is false when it is absent or not a string.
func (m members) stringMember(name string) (s string, ok bool) {
	v := m.memberValue(name)
	if v == nil || v.Kind() != '"' {
		return "", false
	}
	return unquoteString(v), true
}

// hasMember reports whether the member is there at all, null included.
func (m members) hasMember(name string) bool { return m.memberValue(name) != nil }

// valueAt follows a path of member names. A missing member, or null on the way, gives nil; anything else on the way
// that is not an object is an error.
func (m members) valueAt(p claimPath) (jsontext.Value, error) {
	v := m.memberValue(p[0])
	for _, name := range p[1:] {
		if v == nil || v.Kind() == 'n' {
			return nil, nil
		}
		if v.Kind() != '{' {
			return nil, fmt.Errorf("it is %s, not an object, on the way to %q", kindName(v), name)
		}
		v = objectMember(v, name)
	}
	return v, nil
}

// objectMember is the member of an object that is part of a parsed one, nil when there is none.
func objectMember(v jsontext.Value, name string) jsontext.Value {
	for have, value := range walkEntries(v) {
		if string(unquoteBytes(have)) == name {
			return value
		}
	}
	return nil
}

// unquoteString is the text of a JSON string that has been parsed before.
func unquoteString(v jsontext.Value) string { return string(unquoteBytes(v)) }

// unquoteBytes is unquoted, without a copy where none is needed.
func unquoteBytes(v jsontext.Value) []byte {
	if len(v) > 1 && bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return nil
	}
	return b
}

// kindName names a JSON type for a message.
func kindName(v jsontext.Value) string {
	switch v.Kind() {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '[':
		return "a list"
	}
	return "an object"
}
