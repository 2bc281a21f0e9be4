package acra

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
)

// maxRecord bounds the bytes of a record. A row has 328 bytes on average and a few thousand at most.
const maxRecord = 64 << 10

// record is one row of the source, unchanged. raw is valid until the next record is read.
type record struct {
	line   int64    // number of its first line in its part; the header is line 1
	raw    []byte   // CSV, including the line end
	reason string   // why the record cannot be a row; "" when it may be one
	end    Position // position after the record
	// unended reports that the source ended without a line end after the record, so that a part of it may be missing.
	unended bool
}

// csvReader splits CSV into records. The standard library's reader does not fit: after one stray quote it reads the
// rest of the file as a single field. Here a record has a size limit. When a record spans several lines and is
// malformed, only its first line is rejected, so that the damage stays local. Quotes inside an unquoted field are
// literal.
type csvReader struct {
	splitter
	src   io.Reader
	part  string
	buf   []byte
	r, w  int   // unread bytes are buf[r:w]
	line  int64 // number of the next record's first line
	crc   uint32
	table *crc32.Table
	width int // fields of a complete record; 0 before the header is known
	eof   bool
	// skipping is true while the rest of a too long line is to be discarded.
	skipping bool
	// openQuote reports that the last record returned was rejected because of a quote that no later line closes.
	openQuote bool
}

func newCSVReader(part string, src io.Reader) *csvReader {
	return &csvReader{splitter: newSplitter(), src: src, part: part, buf: make([]byte, 4*maxRecord), line: 1,
		table: crc32.MakeTable(crc32.Castagnoli)}
}

// nextRecord reads one record. It returns errEnd after the last one; other errors come from the source.
func (c *csvReader) nextRecord() (record, error) {
	for {
		line, err := c.peekLine()
		if err != nil {
			return record{}, err
		}
		body := bytes.TrimRight(line, "\r\n")
		switch {
		case len(body) == 0:
			c.consumeBytes(len(line), 1)
		case len(line) == maxRecord && line[maxRecord-1] != '\n':
			return c.rejectLine(line, fmt.Sprintf("record longer than %d bytes", maxRecord))
		case bytes.IndexByte(body, '"') < 0:
			return c.finishRecord(len(line), 1), nil
		default:
			return c.nextQuoted()
		}
	}
}

// nextQuoted reads a record whose first line has a quote.
func (c *csvReader) nextQuoted() (record, error) {
	n, lines, whole, err := c.splitQuoted()
	if err != nil {
		return record{}, err
	}
	if whole && (lines == 1 || c.width == 0 || len(c.fields) == c.width && !c.loose) {
		return c.finishRecord(n, lines), nil
	}
	line, err := c.peekLine() // once more: the buffer may have moved
	if err != nil {
		return record{}, err
	}
	rec, err := c.rejectLine(line, "unclosed quote")
	c.openQuote = true
	return rec, err
}

// rejectLine consumes line alone and returns it as a record with a reject reason.
func (c *csvReader) rejectLine(line []byte, why string) (record, error) {
	rec := c.finishRecord(len(line), 1)
	rec.reason = why
	c.skipping = line[len(line)-1] != '\n'
	return rec, nil
}

// peekLine returns the unread text up to and including its first line feed, at most maxRecord bytes.
func (c *csvReader) peekLine() ([]byte, error) {
	for {
		b := c.recordWindow()
		i := bytes.IndexByte(b, '\n')
		switch {
		case i >= 0 && c.skipping:
			c.skipping = false
			c.consumeBytes(i+1, 0)
		case i >= 0:
			return b[:i+1], nil
		case len(b) == maxRecord && c.skipping:
			c.consumeBytes(len(b), 0)
		case len(b) == maxRecord, c.eof && len(b) > 0 && !c.skipping:
			return b, nil
		case c.eof:
			return nil, errEnd
		default:
			if err := c.fillBuffer(); err != nil {
				return nil, err
			}
		}
	}
}

// recordWindow returns the unread bytes that a record may use, at most maxRecord of them. Its end does not depend on
// how much each read of the source returned, so reading again gives the same records.
func (c *csvReader) recordWindow() []byte { return c.buf[c.r:min(c.w, c.r+maxRecord)] }

// fillBuffer reads more into the buffer, which always has space for at least one more record.
func (c *csvReader) fillBuffer() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.src.Read(c.buf[c.w:])
	c.w += n
	if err == io.EOF {
		c.eof = true
		return nil
	}
	return err
}

// splitQuoted splits a record that has quotes. n is its length in bytes and lines its number of lines. whole is false
// when a quote is not closed within the window.
func (c *csvReader) splitQuoted() (n, lines int, whole bool, err error) {
	for {
		b := c.recordWindow()
		atEnd := c.eof && len(b) == c.w-c.r
		n, lines, whole = c.splitQuotedFields(b, atEnd)
		if whole || atEnd || len(b) == maxRecord {
			return n, lines, whole, nil
		}
		if err := c.fillBuffer(); err != nil {
			return 0, 0, false, err
		}
	}
}

// finishRecord consumes n bytes and returns them as a record.
func (c *csvReader) finishRecord(n, lines int) record {
	rec := record{line: c.line, raw: c.buf[c.r : c.r+n],
		unended: c.eof && c.r+n == c.w && c.buf[c.r+n-1] != '\n'}
	c.openQuote = false
	c.consumeBytes(n, lines)
	rec.end = Position{Part: c.part, Line: c.line - 1, CRC: c.crc}
	return rec
}

func (c *csvReader) consumeBytes(n, lines int) {
	c.crc = crc32.Update(c.crc, c.table, c.buf[c.r:c.r+n])
	c.r += n
	c.line += int64(lines)
}
