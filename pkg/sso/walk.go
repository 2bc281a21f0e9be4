package sso

import (
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// walkEntries returns the members of a JSON object or the elements of an array, as in the source and sharing its
// memory. The name is nil for an element. A value of another type has no entries. v must be part of valid JSON: the
// parser checks a document once, so its parts need no second parsing.
func walkEntries(v jsontext.Value) iter.Seq2[jsontext.Value, jsontext.Value] {
	return func(yield func(name, value jsontext.Value) bool) {
		i := skipGap(v, 0)
		if i == len(v) || v[i] != '{' && v[i] != '[' {
			return
		}
		named := v[i] == '{'
		for i = skipGap(v, i+1); i < len(v) && v[i] != '}' && v[i] != ']'; i = skipGap(v, i) {
			var name jsontext.Value
			if named {
				end := endOfValue(v, i)
				name, i = v[i:end:end], skipGap(v, end)
			}
			end := endOfValue(v, i)
			if !yield(name, v[i:end:end]) {
				return
			}
			i = end
		}
	}
}

// skipGap returns the position of the next value, name or bracket, after white space, commas and colons.
func skipGap(v []byte, i int) int {
	for i < len(v) && isGap(v[i]) {
		i++
	}
	return i
}

func isGap(b byte) bool {
	switch b {
	case ' ', '\t', '\r', '\n', ',', ':':
		return true
	}
	return false
}

// endOfValue returns the end of the value that starts at i.
func endOfValue(v []byte, i int) int {
	for depth := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			i = endOfString(v, i) - 1
		case '{', '[':
			depth++
		case ' ', '\t', '\r', '\n', ',', ':':
		case '}', ']':
			depth--
		default: // a number, true, false or null
			for i+1 < len(v) && !isGap(v[i+1]) && v[i+1] != ']' && v[i+1] != '}' {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(v)
}

// endOfString returns the end of the string that starts at i.
func endOfString(v []byte, i int) int {
	for i++; i < len(v) && v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(v))
}
