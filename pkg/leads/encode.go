package leads

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// rowEncoder appends rows of these columns.
type rowEncoder []column

func csvHead(columns []column, bom bool) string {
	var head []byte
	if bom {
		head = append(head, "\ufeff"...)
	}
	for i, c := range columns {
		if i > 0 {
			head = append(head, ',')
		}
		head = append(head, c.name...)
	}
	return string(append(head, "\r\n"...))
}

// appendCSVRow appends a row of RFC 4180: CRLF, and quotes where needed. NULL is an empty field, an empty text is "".
func (e rowEncoder) appendCSVRow(dst []byte, values [][]byte, _ bool) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch {
		case v == nil:
		case e[i].number:
			dst = append(dst, v...)
		default:
			dst = appendCSVText(dst, v)
		}
	}
	return append(dst, "\r\n"...)
}

// appendCSVText appends a text so that no spreadsheet runs it as a formula. It puts an apostrophe before a text that
// could be a formula or that begins with an apostrophe. So a reader restores every text by removing one leading
// apostrophe.
func appendCSVText(dst, v []byte) []byte {
	marked := LooksLikeFormula(v)
	if len(v) > 0 && !needsQuotes(v) {
		if marked {
			dst = append(dst, '\'')
		}
		return append(dst, v...)
	}
	dst = append(dst, '"')
	if marked {
		dst = append(dst, '\'')
	}
	for {
		i := bytes.IndexByte(v, '"')
		if i < 0 {
			break
		}
		dst = append(append(dst, v[:i+1]...), '"')
		v = v[i+1:]
	}
	return append(append(dst, v...), '"')
}

func needsQuotes(v []byte) bool {
	if v[0] == ' ' || v[len(v)-1] == ' ' {
		return true // some readers trim spaces
	}
	for _, b := range v {
		switch b {
		case ',', '"', '\r', '\n', '\t', ';', 0:
			return true
		}
	}
	return false
}

// LooksLikeFormula reports whether a CSV cell needs an apostrophe before it: a spreadsheet could run it as a formula,
// or it begins with an apostrophe. It ignores what spreadsheets drop before they look for a formula: leading spaces,
// quotes and byte order marks.
func LooksLikeFormula(v []byte) bool {
	if len(v) == 0 || v[0] >= 'A' && v[0] <= 'Z' || v[0] >= 'a' && v[0] <= 'z' || v[0] >= '0' && v[0] <= '9' {
		return false
	}
	if v[0] == '\'' {
		return true
	}
	for len(v) > 0 {
		r, n := utf8.DecodeRune(v)
		switch r {
		case '=', '+', '-', '@', '|', '%', '\t', '\r', '\n', 0, '＝', '＋', '－', '＠', '｜', '％':
			return true
		case ' ', '"', '\'', '`', '\ufeff', '\u00a0', '\u3000', '\u200b', '“', '”', '‘', '’':
			v = v[n:]
		default:
			return false
		}
	}
	return false
}

func (e rowEncoder) appendJSONRow(dst []byte, values [][]byte, first bool) []byte {
	if first {
		dst = append(dst, '\n')
	} else {
		dst = append(dst, ",\n"...)
	}
	return e.appendObject(dst, values)
}

func (e rowEncoder) appendNDJSONRow(dst []byte, values [][]byte, _ bool) []byte {
	return append(e.appendObject(dst, values), '\n')
}

func (e rowEncoder) appendObject(dst []byte, values [][]byte) []byte {
	for i, v := range values {
		dst = append(dst, `,"`...)
		if i == 0 {
			dst[len(dst)-2] = '{'
		}
		dst = append(append(dst, e[i].name...), `":`...)
		switch {
		case v == nil:
			dst = append(dst, "null"...)
		case e[i].number:
			dst = append(dst, v...)
		default:
			dst, _ = jsontext.AppendQuote(dst, v) // the error reports invalid UTF-8, which it has replaced
		}
	}
	return append(dst, '}')
}
