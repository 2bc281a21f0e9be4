package acra

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Warning is a doubtful or corrected value in a row that was loaded.
type Warning uint8

// The warnings, each with the correction.
const (
	WarnCheckLetter Warning = iota // the UEN's check letter is wrong: kept
	WarnUEN                        // the UEN was padded or in lower case: trimmed and converted to upper case
	WarnDate                       // dd/mm/yyyy: rewritten as yyyy-mm-dd
	WarnSSIC                       // 62011.0 or a lost leading zero: rewritten as five digits
	WarnPostal                     // a lost leading zero: restored; ".0" or "S" with the code: removed
	WarnOfficers                   // 3.0: rewritten as 3; not a number: dropped
	WarnStatus                     // a live status in another case: rewritten as published
	WarnSpace                      // line break, tab, control character or no-break space: replaced by a space
	numWarnings
)

// String returns the warning's name in reports.
func (w Warning) String() string {
	return [numWarnings]string{"check letter", "uen case or padding", "date format", "ssic format", "postal code zero",
		"officers format", "status case", "control or no-break space"}[w]
}

// Classes of bytes in a field.
const (
	isControl  = 1 << iota // C0 and DEL
	isHigh                 // part of a rune beyond ASCII
	isNUL                  // the NUL byte, which PostgreSQL does not store
	isEscaped              // a backslash, which COPY text doubles
	isSyntax               // a comma or a quote, which have a meaning in CSV only
	classPlain = 0
	anyClass   = isControl | isHigh | isNUL | isEscaped
)

// byteClasses maps each byte to its class.
func byteClasses() (t [256]uint8) {
	for c := range t {
		switch {
		case c == 0:
			t[c] = isNUL
		case c < ' ' || c == 0x7f:
			t[c] = isControl
		case c >= 0x80:
			t[c] = isHigh
		case c == '\\':
			t[c] = isEscaped
		case c == ',' || c == '"':
			t[c] = isSyntax
		}
	}
	return t
}

// isMissing reports whether a value means "missing": empty or "na" in any case.
func isMissing(f []byte) bool {
	return len(f) == 0 || len(f) == 2 && f[0]|0x20 == 'n' && f[1]|0x20 == 'a'
}

// isUnknownWord reports whether an optional value is a word that people and spreadsheets write for a missing one. The
// register's own word is na.
func isUnknownWord(f []byte) bool {
	if len(f) > 4 {
		return false
	}
	switch string(bytes.ToUpper(f)) {
	case "-", "--", "N/A", "#N/A", "NULL", "NIL":
		return true
	}
	return false
}

// trimBlanks returns f without leading and trailing blanks.
func trimBlanks(f []byte) []byte {
	for len(f) > 0 && f[0] == ' ' {
		f = f[1:]
	}
	for len(f) > 0 && f[len(f)-1] == ' ' {
		f = f[:len(f)-1]
	}
	return f
}

// normalizeSpaces returns f with each run of control characters and non-ASCII spaces replaced by one space, and
// without zero-width marks. changed is false when f has no such character. f must be valid UTF-8.
func normalizeSpaces(scratch, f []byte) (out []byte, changed bool) {
	out = scratch[:0]
	afterSpace := false
	for len(f) > 0 {
		r, n := utf8.DecodeRune(f)
		switch {
		case isInvisible(r):
			changed = true
		case r != ' ' && (unicode.IsSpace(r) || unicode.IsControl(r)):
			if changed = true; !afterSpace {
				out = append(out, ' ')
			}
			afterSpace = true
		default:
			out = append(out, f[:n]...)
			afterSpace = r == ' '
		}
		f = f[n:]
	}
	return out, changed
}

// isInvisible reports whether r is a zero-width space, a byte order mark or a mark of the direction of writing. Such
// marks come with text that was copied from a page, and make equal names differ.
func isInvisible(r rune) bool {
	switch r {
	case '\ufeff', '\u200b', '\u2060', '\u061c', '\u200e', '\u200f':
		return true
	}
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// isFormula reports whether a spreadsheet would evaluate f: it starts with =, or with + - @ and contains | (the DDE
// form). A leading sign alone is legitimate: the register has "@ ZONE" and unit "-3".
func isFormula(f []byte) bool {
	switch f[0] {
	case '=':
		return true
	case '+', '-', '@':
		return bytes.IndexByte(f, '|') >= 0
	}
	return false
}

// cleanDate returns f as yyyy-mm-dd. ok is false when f is not a date.
func cleanDate(scratch, f []byte) (out []byte, mended, ok bool) {
	if len(f) == 10 && f[4] == '-' && f[7] == '-' {
		return f, false, validDate(f[:4], f[5:7], f[8:])
	}
	if d, rest, found := bytes.Cut(f, []byte{'/'}); found {
		m, y, _ := bytes.Cut(rest, []byte{'/'})
		if len(d) > 2 || len(m) > 2 || !validDate(y, m, d) {
			return nil, false, false
		}
		out = append(scratch[:0], y...)
		out = appendTwo(append(out, '-'), m)
		return appendTwo(append(out, '-'), d), true, true
	}
	// A timestamp, as some exports write dates.
	if len(f) > 10 && (f[10] == 'T' || f[10] == ' ') && f[4] == '-' && f[7] == '-' {
		return f[:10], true, validDate(f[:4], f[5:7], f[8:10])
	}
	return nil, false, false
}

func appendTwo(out, d []byte) []byte {
	if len(d) == 1 {
		out = append(out, '0')
	}
	return append(out, d...)
}

func validDate(y, m, d []byte) bool {
	if len(y) != 4 || !isDigits(y) || !isDigits(m) || !isDigits(d) {
		return false
	}
	year, month, day := parseDigits(y), parseDigits(m), parseDigits(d)
	return year >= firstYear-200 && year < 2200 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// cleanSSIC returns f as five digits. ok is false for anything but four or five digits, with or without ".0".
func cleanSSIC(scratch, f []byte) (out []byte, mended, ok bool) {
	code := bytes.TrimSuffix(f, []byte(".0"))
	if !isDigits(code) || len(code) < 4 || len(code) > 5 {
		return nil, false, false
	}
	if len(code) == 4 {
		return append(append(scratch[:0], '0'), code...), true, true
	}
	return code, len(code) != len(f), true
}

// cleanPostalCode restores the leading zero that some releases lost (five digits become six, three become four), and
// removes the ".0" of a spreadsheet and the "S" before a code.
func cleanPostalCode(scratch, f []byte) (out []byte, mended bool) {
	code := bytes.TrimSuffix(f, []byte(".0"))
	if len(code) > 1 && code[0]|0x20 == 's' {
		if rest := bytes.Trim(code[1:], " ()"); len(rest) == 6 && isDigits(rest) {
			code = rest
		}
	}
	switch {
	case !isDigits(code):
		return f, false
	case len(code) == 5 || len(code) == 3:
		return append(append(scratch[:0], '0'), code...), true
	}
	return code, len(code) != len(f)
}

// cleanOfficers returns f as a plain number, nil when it is not one.
func cleanOfficers(f []byte) (out []byte, mended bool) {
	n := bytes.TrimSuffix(f, []byte(".0"))
	if !isDigits(n) {
		return nil, true
	}
	return n, len(n) != len(f)
}
