package acra

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// plainText returns r as UTF-8 without a byte order mark, with line feeds at line ends. It converts UTF-16, and files
// whose lines end with CR alone. Both are detected from the first bytes.
func plainText(r io.Reader) (io.Reader, error) {
	src := bufio.NewReaderSize(r, maxRecord)
	start, err := src.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var order unicode.Endianness
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, _ = src.Discard(3) // they are in the buffer
		return lineFeeds(src)
	case bytes.HasPrefix(start, []byte("\xff\xfe")), len(start) == 4 && start[0] != 0 && start[1] == 0:
		order = unicode.LittleEndian
	case bytes.HasPrefix(start, []byte("\xfe\xff")), len(start) == 4 && start[0] == 0 && start[1] != 0:
		order = unicode.BigEndian
	default:
		return lineFeeds(src)
	}
	decoder := unicode.UTF16(order, unicode.UseBOM).NewDecoder()
	return lineFeeds(bufio.NewReaderSize(transform.NewReader(src, decoder), maxRecord))
}

// lineFeeds replaces CR by LF when the first 64 KiB have CR and no LF.
func lineFeeds(src *bufio.Reader) (io.Reader, error) {
	start, err := src.Peek(maxRecord)
	if err != nil && err != io.EOF && len(start) == 0 {
		return nil, err
	}
	if bytes.IndexByte(start, '\n') >= 0 || bytes.IndexByte(start, '\r') < 0 {
		return src, nil
	}
	return crReader{src}, nil
}

type crReader struct{ r io.Reader }

func (c crReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// separatorOf returns the separator of a header: the one that gives the most columns of the register. A comma without
// any.
func separatorOf(header []byte) byte {
	known := map[string]bool{}
	for _, c := range Columns() {
		known[c] = true
	}
	best, most := byte(','), 0
	s := newSplitter()
	for _, c := range []byte(",;\t|") {
		s.setSeparator(c)
		s.splitRecord(header)
		n := 0
		for _, f := range s.fields {
			if known[columnName(string(f))] {
				n++
			}
		}
		if n > most {
			best, most = c, n
		}
	}
	return best
}

// columnName returns a header field as the name of a column: lower case, with one underscore for each run of spaces.
func columnName(field string) string {
	field = strings.ReplaceAll(strings.ToLower(field), "\ufeff", "")
	return strings.Join(strings.Fields(field), "_")
}
