package sso

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of a token's JSON and of what the identity provider publishes.
const maxDepth = 200

// members is one JSON object, member by member, each value still as it was written. Numbers keep every digit.
type members map[string]jsontext.Value

// parseObject reads raw as exactly one JSON object: valid UTF-8, no duplicate names at any depth, no lone surrogates,
// no NUL, nothing before or after it, at most maxDepth levels.
func parseObject(raw []byte) (members, error) {
	if err := scan(raw); err != nil {
		return nil, err
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, orElse(err, "not a JSON object")
	}
	out := members{}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		out[key] = value.Clone()
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, orElse(err, "text after the JSON object")
	}
	return out, nil
}

func orElse(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// scan refuses what the JSON grammar allows and a claim must not hold: deep nesting and \u0000.
func scan(raw []byte) error {
	depth, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case inText && b == '\\':
			if bytes.HasPrefix(raw[i+1:], []byte("u0000")) {
				return errors.New("a NUL character")
			}
			i++
		case b == '"':
			inText = !inText
		case inText:
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("more than %d levels", maxDepth)
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}

// elements reads a JSON array into its values.
func elements(v jsontext.Value) ([]jsontext.Value, error) {
	if v.Kind() != '[' {
		return nil, fmt.Errorf("it is %s, not a list", kindName(v))
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	var out []jsontext.Value
	for dec.PeekKind() != ']' {
		e, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, e.Clone())
	}
	return out, nil
}

// text is the member's string value; ok is false when it is absent or not a string.
func (m members) text(name string) (s string, ok bool) {
	v := m[name]
	if v == nil || v.Kind() != '"' {
		return "", false
	}
	return unquoted(v), true
}

// has reports whether the member is there at all, null included.
func (m members) has(name string) bool { return m[name] != nil }

// at follows a path of member names. A missing member, or null on the way, gives nil; anything else on the way
// that is not an object is an error.
func (m members) at(p claimPath) (jsontext.Value, error) {
	v := m[p[0]]
	for _, name := range p[1:] {
		if v == nil || v.Kind() == 'n' {
			return nil, nil
		}
		if v.Kind() != '{' {
			return nil, fmt.Errorf("it is %s, not an object, on the way to %q", kindName(v), name)
		}
		inner, err := parseObject(v)
		if err != nil {
			return nil, err
		}
		v = inner[name]
	}
	return v, nil
}

// foldsTo finds a member whose name differs from one of known by letter case only (also ſ for s and K for k).
func (m members) foldsTo(known []string) (name, meant string) {
	for have := range m {
		for _, k := range known {
			if have != k && strings.EqualFold(have, k) {
				return have, k
			}
		}
	}
	return "", ""
}

// unquoted is the text of a JSON string that has been parsed before.
func unquoted(v jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
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
