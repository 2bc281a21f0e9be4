package sso

import (
	"bytes"
	"unicode"
)

// knownNames knows names in every letter case, so that one that is nearly a known name is found with one look instead of a
// comparison with each.
type knownNames map[string]string // a name without case → the name

func newKnownNames(known []string) knownNames {
	s := knownNames{}
	for _, name := range known {
		s[string(foldCase([]byte(name)))] = name
	}
	return s
}

// findMisspelling finds a member whose name differs from a known one by letter case only (also ſ for s and K for k).
func (s knownNames) findMisspelling(m members) (have, meant string) {
	for i := range m {
		name := m[i].name
		if meant, ok := s[string(foldCase(name))]; ok && meant != string(name) {
			return string(name), meant
		}
	}
	return "", ""
}

// foldCase is the same for two names that differ by letter case only. Most names are their own.
func foldCase(name []byte) []byte {
	for _, b := range name {
		if b >= 'A' && b <= 'Z' || b >= 0x80 {
			return bytes.Map(foldRune, name)
		}
	}
	return name
}

// foldRune goes once around the runes that fold into each other, and takes the first of them in lower case.
func foldRune(r rune) rune {
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	return unicode.ToLower(first)
}
