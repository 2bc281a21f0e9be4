package acra

import "bytes"

// splitter splits records into fields, which are valid until the next call.
type splitter struct {
	separator byte // between fields: a comma, semicolon or tab
	fields    [][]byte
	class     uint8  // union of the classes of the last record's bytes, see byteClasses
	loose     bool   // the last record has text after a closing quote
	scratch   []byte // unquoted fields
	classes   [256]uint8
}

func newSplitter() splitter {
	return splitter{separator: ',', scratch: make([]byte, 0, maxRecord), classes: byteClasses()}
}

// setSeparator sets the separator of the following records.
func (s *splitter) setSeparator(c byte) {
	if c != s.separator {
		s.separator, s.classes = c, byteClasses()
		s.classes[c] = isSyntax
	}
}

// splitRecord splits a complete record.
func (s *splitter) splitRecord(raw []byte) {
	if !s.splitPlainFields(bytes.TrimRight(raw, "\r\n")) {
		s.splitQuotedFields(raw, true)
	}
}

// splitPlainFields splits a line in one pass, which also computes the byte classes. It returns false when the line has
// a quote.
func (s *splitter) splitPlainFields(line []byte) bool {
	s.fields, s.class = s.fields[:0], classPlain
	start := 0
	for i, b := range line {
		class := s.classes[b]
		if class == classPlain {
			continue
		}
		switch b {
		case s.separator:
			s.fields = append(s.fields, line[start:i])
			start = i + 1
		case '"':
			return false
		default:
			s.class |= class
		}
	}
	s.fields = append(s.fields, line[start:])
	return true
}

// splitQuotedFields splits the record at the start of b. n is its length in bytes and lines its number of lines. whole
// is false when a quote is not closed, or when the record may continue after b.
func (s *splitter) splitQuotedFields(b []byte, atEnd bool) (n, lines int, whole bool) {
	s.fields, s.scratch = s.fields[:0], s.scratch[:0] // scratch never grows, so fields may point into it
	lines, s.loose, s.class = 1, false, anyClass
	for at := 0; ; {
		start := len(s.scratch)
		end, ok := s.appendField(b, at)
		if !ok {
			return 0, lines, false
		}
		s.fields = append(s.fields, s.scratch[start:])
		lines += bytes.Count(b[at:end], []byte{'\n'})
		if end < len(b) && b[end] == s.separator {
			at = end + 1
			continue
		}
		last := &s.fields[len(s.fields)-1]
		*last = bytes.TrimSuffix(*last, []byte{'\r'})
		return min(end+1, len(b)), lines, end < len(b) || atEnd
	}
}

// appendField appends the field that begins at b[at] to scratch and returns the index of the delimiter after it.
func (s *splitter) appendField(b []byte, at int) (end int, ok bool) {
	quoted := at < len(b) && b[at] == '"'
	if quoted {
		at++
		for {
			i := bytes.IndexByte(b[at:], '"')
			if i < 0 {
				return 0, false
			}
			s.scratch = append(s.scratch, b[at:at+i]...)
			at += i + 1
			if at == len(b) || b[at] != '"' {
				break
			}
			s.scratch = append(s.scratch, '"')
			at++
		}
	}
	start := at
	for at < len(b) && b[at] != s.separator && b[at] != '\n' { // an unquoted field, or text after a closing quote
		s.scratch = append(s.scratch, b[at])
		at++
	}
	if quoted && at > start && !(at == start+1 && b[start] == '\r') {
		s.loose = true
	}
	return at, true
}
