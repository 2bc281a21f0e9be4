package sso

import (
	"bytes"
	"unicode"
)

// spelling knows names in every letter case, so that one that is nearly a known name is found with one look instead of a
// comparison with each.
type spelling map[string]string // a name without case → the name

func newSpelling(known []string) spelling {
	s := spelling{}
	for _, name := range known {
		s[string(caseless([]byte(name)))] = name
	}
	return s
}

// misspelt finds a member whose name differs from a known one by letter case only (also ſ for s and K for k).
func (s spelling) misspelt(m members) (have, meant string) {
	for i := range m {
		name := m[i].name
		if meant, ok := s[string(caseless(name))]; ok && meant != string(name) {
			return string(name), meant
		}
	}
	return "", ""
}

// caseless is the same for two names that differ by letter case only. Most names are their own.
func caseless(name []byte) []byte {
	for _, b := range name {
		if b >= 'A' && b <= 'Z' || b >= 0x80 {
			return bytes.Map(caselessRune, name)
		}
	}
	return name
}

// caselessRune goes once around the runes that fold into each other, and takes the first of them in lower case.
func caselessRune(r rune) rune {
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	return unicode.ToLower(first)
}
