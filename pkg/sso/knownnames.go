package sso

import (
	"bytes"
	"unicode"
)

// knownNames finds names that differ from a known one only by letter case, with one map lookup.
type knownNames map[string]string // the folded name → the name

func newKnownNames(known []string) knownNames {
	s := knownNames{}
	for _, name := range known {
		s[string(foldCase([]byte(name)))] = name
	}
	return s
}

// findMisspelling returns the first member whose name differs from a known name only by letter case, and that name.
// Case folding includes ſ for s and the Kelvin sign for K.
func (s knownNames) findMisspelling(m members) (have, meant string) {
	for i := range m {
		name := m[i].name
		if meant, ok := s[string(foldCase(name))]; ok && meant != string(name) {
			return string(name), meant
		}
	}
	return "", ""
}

// foldCase maps names that differ only by letter case to the same bytes. It returns most names
// unchanged, without a copy.
func foldCase(name []byte) []byte {
	for _, b := range name {
		if b >= 'A' && b <= 'Z' || b >= 0x80 {
			return bytes.Map(foldRune, name)
		}
	}
	return name
}

// foldRune returns the first of the runes that fold to each other, in lower case.
func foldRune(r rune) rune {
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	return unicode.ToLower(first)
}
