package sso

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the deepest nesting of JSON that is accepted, in tokens and in the provider's documents.
const maxDepth = 200

// members is a JSON object: its members in order, each value as in the source, so that numbers keep all digits. Objects
// have few members, so a lookup searches the list. The values share memory with the parsed source.
type members []member

type member struct {
	name  []byte // unquoted
	value jsontext.Value
}

// parseObject parses raw, which must be exactly one JSON object: valid UTF-8, no duplicate names at any depth, no lone
// surrogates, no NUL, at most maxDepth levels. raw must not change afterwards.
func parseObject(raw []byte) (members, error) {
	if err := checkDepth(raw); err != nil {
		return nil, err
	}
	v := jsontext.Value(raw)
	if !v.IsValid() {
		return nil, syntaxError(raw)
	}
	if containsNUL(raw) {
		return nil, errors.New("contains a NUL character")
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

// syntaxError returns what is wrong with raw, which is not valid JSON.
func syntaxError(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if _, err := dec.ReadValue(); err != nil {
		return err
	}
	return errors.New("text after the JSON value")
}

// checkDepth rejects deep nesting, which JSON allows but leadctl does not.
func checkDepth(raw []byte) error {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = endOfString(raw, i) - 1
		case '{', '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested deeper than %d levels", maxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// containsNUL reports whether valid JSON contains the escape \u0000, in a name or a value. The text \\u0000 is an
// escaped backslash, not NUL.
func containsNUL(text []byte) bool {
	if !bytes.Contains(text, []byte(`\u0000`)) {
		return false
	}
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

// listElements returns the elements of a JSON array.
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
		return fmt.Errorf("want a list, got %s", kindName(v))
	}
	return nil
}

// memberValue returns the member's value as in the source, or nil if there is no such member.
func (m members) memberValue(name string) jsontext.Value {
	for i := range m {
		if string(m[i].name) == name {
			return m[i].value
		}
	}
	return nil
}

// stringMember returns the member's string value; ok is false if the member is absent or no string.
func (m members) stringMember(name string) (s string, ok bool) {
	v := m.memberValue(name)
	if v == nil || v.Kind() != '"' {
		return "", false
	}
	return unquoteString(v), true
}

// hasMember reports whether the member is present, even as null.
func (m members) hasMember(name string) bool { return m.memberValue(name) != nil }

// valueAt returns the value at a path, or nil if a member on the way is absent or null. It fails if another value on
// the way is not an object.
func (m members) valueAt(p claimPath) (jsontext.Value, error) {
	v := m.memberValue(p[0])
	for _, name := range p[1:] {
		if v == nil || v.Kind() == 'n' {
			return nil, nil
		}
		if v.Kind() != '{' {
			return nil, fmt.Errorf("want an object with member %q, got %s", name, kindName(v))
		}
		v = objectMember(v, name)
	}
	return v, nil
}

// objectMember returns a member of an object inside a parsed one, or nil.
func objectMember(v jsontext.Value, name string) jsontext.Value {
	for have, value := range walkEntries(v) {
		if string(unquoteBytes(have)) == name {
			return value
		}
	}
	return nil
}

// unquoteString returns the value of a JSON string that has been parsed.
func unquoteString(v jsontext.Value) string { return string(unquoteBytes(v)) }

// unquoteBytes is like unquoteString. It copies the string only if it contains escapes.
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

// kindName returns the name of v's JSON type for messages.
func kindName(v jsontext.Value) string {
	switch v.Kind() {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "a list"
	}
	return "an object"
}
