package sso

import (
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// walkEntries walks a JSON object or list that has been found valid as part of a whole: names (nil in a list) and values as
// they were written, sharing v's memory. Anything else has no entries.
//
// Checking is the parser's part, once per document. Looking into a part that it has passed needs no second parser.
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

// skipGap is where the next value, name or bracket begins: behind white space, commas and colons.
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

// endOfValue is the end of the value that begins at i.
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
		default: // a number or a word, up to what ends it
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

// endOfString is the end of the string that begins at i.
func endOfString(v []byte, i int) int {
	for i++; i < len(v) && v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(v))
}
