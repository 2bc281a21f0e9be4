package acra

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/leadctl/leadctl/pkg/fault"
)

// File returns a source that reads a CSV file: plain, gzipped, or all CSV members of a zip archive. The format is
// detected from the first bytes, not from the name.
func File(path string) Source { return fileSource{path: path} }

// Stream returns a source that reads CSV, plain or gzipped, from r, such as standard input. Reports show name.
func Stream(name string, r io.Reader) Source { return streamSource{title: name, r: r} }

type fileSource struct{ path string }

func (f fileSource) sourceLabel() string { return "file " + filepath.Base(f.path) }

func (f fileSource) open(context.Context, sourceOptions) (stream, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "file %s: does not exist", f.path)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "file %s: %w", f.path, err)
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		_ = file.Close()
		return nil, fault.New(fault.Invalid, "file %s: is not a readable file", f.path)
	}
	magic := make([]byte, 4)
	n, _ := file.ReadAt(magic, 0)
	if isZip(magic[:n]) {
		return openZip(file, info.Size())
	}
	return openCSVStream(filepath.Base(f.path), file, info.Size(), file.Close)
}

type streamSource struct {
	title string
	r     io.Reader
}

func (s streamSource) sourceLabel() string { return "stream " + s.title }

func (s streamSource) open(context.Context, sourceOptions) (stream, error) {
	return openCSVStream(s.title, s.r, 0, func() error { return nil })
}

func isZip(magic []byte) bool { return bytes.HasPrefix(magic, []byte("PK\x03\x04")) }

// fileStream is a sequence of CSV files, opened one after the other.
type fileStream struct {
	parts []func() (*csvPart, error)
	at    int
	done  *counter
	size  int64
	shut  func() error
}

func (s *fileStream) facts() sourceFacts { return sourceFacts{uncounted: true} }

func (s *fileStream) finalFacts(context.Context) (sourceFacts, string) { return s.facts(), "" }

func (s *fileStream) close() error { return s.shut() }

func (s *fileStream) progress() (done, of int64) { return s.done.n.Load(), s.size }

func (s *fileStream) nextPart(context.Context) (part, error) {
	if s.at == len(s.parts) {
		return nil, errEnd
	}
	p, err := s.parts[s.at]()
	if err != nil {
		return nil, err
	}
	p.at = s.at
	s.at++
	return p, nil
}

func openCSVStream(name string, r io.Reader, size int64, shut func() error) (stream, error) {
	done := &counter{}
	src := bufio.NewReaderSize(done.countReads(r), 256<<10)
	magic, err := src.Peek(4)
	switch {
	case err != nil && err != io.EOF:
		_ = shut()
		return nil, fault.New(fault.Unavailable, "%s: %w", name, err)
	case isZip(magic):
		_ = shut()
		return nil, fault.New(fault.Unsupported, "%s: a zip archive cannot be read as a stream", name).
			WithHint("pass the name of the file")
	}
	open := func() (*csvPart, error) { return openCSV(name, src, func() error { return nil }) }
	if bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
		open = func() (*csvPart, error) {
			plain, err := gzip.NewReader(src)
			if err != nil {
				return nil, damagedError(name, err)
			}
			return openCSV(name, plain, plain.Close)
		}
	}
	return &fileStream{parts: []func() (*csvPart, error){open}, done: done, size: size, shut: shut}, nil
}

func openZip(file *os.File, size int64) (stream, error) {
	name := filepath.Base(file.Name())
	archive, err := zip.NewReader(file, size)
	if err != nil {
		_ = file.Close()
		return nil, damagedError(name, err)
	}
	s := &fileStream{done: &counter{}, shut: file.Close}
	members := slices.DeleteFunc(slices.Clone(archive.File), func(f *zip.File) bool {
		return !strings.EqualFold(path.Ext(f.Name), ".csv") || strings.HasPrefix(path.Base(f.Name), ".")
	})
	slices.SortFunc(members, func(a, b *zip.File) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range members {
		s.size += int64(f.UncompressedSize64)
		s.parts = append(s.parts, func() (*csvPart, error) {
			r, err := f.Open()
			if err != nil {
				return nil, damagedError(f.Name, err)
			}
			return openCSV(f.Name, s.done.countReads(r), r.Close)
		})
	}
	if len(s.parts) == 0 {
		_ = file.Close()
		if slices.ContainsFunc(archive.File, func(f *zip.File) bool { return f.Name == "xl/workbook.xml" }) {
			return nil, errWorkbook(name)
		}
		return nil, fault.New(fault.Unprocessable, "%s: no .csv file in the archive", name)
	}
	return s, nil
}

func errWorkbook(name string) error {
	return fault.New(fault.Unprocessable, "%s: is an Excel workbook, want CSV", name).
		WithHint("in Excel, save it as \"CSV UTF-8\"")
}

// damagedError reports a truncated or damaged file. Rows read before the damage stay; the run can be resumed with an
// intact file.
func damagedError(name string, err error) error {
	return fault.New(fault.Unprocessable, "%s: truncated or damaged: %w", name, err)
}

// counter counts the bytes read. progress reads it from another goroutine.
type counter struct{ n atomic.Int64 }

func (c *counter) countReads(r io.Reader) io.Reader { return countingReader{r, c} }

type countingReader struct {
	r io.Reader
	c *counter
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.c.n.Add(int64(n))
	return n, err
}

// csvPart is a part in CSV format.
type csvPart struct {
	*csvReader
	at         int
	columns    []string
	release    string
	notResumed bool // the part is not the one at which the resumed run stopped
	shut       func() error
	fail       func(error) error // wraps an error of the underlying reader
	sized      func() bool       // reports that the publisher's size confirms the bytes read; nil without a publisher
	// counted compares the records with the publisher's number of rows, and returns the doubt; nil without a publisher.
	counted func(ctx context.Context, rows int64) string
	damage  string // why a compressed file ended early; "" when it did not
	ended   lastRecord
}

// openCSV returns a part whose header is read.
func openCSV(name string, r io.Reader, shut func() error) (*csvPart, error) {
	p := &csvPart{shut: shut}
	p.fail = func(err error) error { return damagedError(name, err) }
	plain, err := plainText(r)
	p.csvReader = newCSVReader(name, plain)
	if err != nil {
		return p, p.explainError(err)
	}
	return p, p.readHeader()
}

func (p *csvPart) readHeader() error {
	if line, err := p.peekLine(); err == nil {
		p.setSeparator(separatorOf(line))
	}
	rec, err := p.nextRecord()
	switch {
	case errors.Is(err, errEnd):
		return fault.New(fault.Unprocessable, "%s: is empty", p.part)
	case err != nil:
		return p.explainError(err)
	case bytes.HasPrefix(bytes.TrimLeft(rec.raw, "\ufeff \t"), []byte("<")):
		return fault.New(fault.Unprocessable, "%s: contains HTML or XML, want CSV", p.part)
	case bytes.HasPrefix(rec.raw, []byte("\xd0\xcf\x11\xe0")):
		return errWorkbook(p.part)
	case rec.reason != "":
		return fault.New(fault.Unprocessable, "%s: header: %s", p.part, rec.reason)
	}
	if line := bytes.ToLower(bytes.Trim(rec.raw, "\" \r\n")); bytes.HasPrefix(line, []byte("sep=")) {
		return p.readHeader() // Excel's line before the header; the header itself shows the separator
	}
	p.setSeparator(separatorOf(rec.raw))
	p.splitRecord(rec.raw)
	for _, f := range p.fields {
		p.columns = append(p.columns, string(f))
	}
	return nil
}

func (p *csvPart) partName() string       { return p.part }
func (p *csvPart) partIndex() int         { return p.at }
func (p *csvPart) header() []string       { return p.columns }
func (p *csvPart) fieldSeparator() byte   { return p.separator }
func (p *csvPart) setWidth(n int)         { p.width = n }
func (p *csvPart) releaseVersion() string { return p.release }
func (p *csvPart) rereadsCommitted() bool { return !p.notResumed }
func (p *csvPart) close() error           { return p.shut() }

func (p *csvPart) readRecord(ctx context.Context) (record, error) {
	rec, err := p.nextRecord()
	switch {
	case err == nil:
		p.ended = lastRecord{line: rec.line, unended: rec.unended, openQuote: p.openQuote}
		if rec.unended {
			p.splitRecord(rec.raw)
			p.ended.short = len(p.fields) < p.width
		}
	case errors.Is(err, errEnd):
	case ctx.Err() != nil:
		return rec, ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF) && p.counted == nil:
		p.damage, p.eof = p.explainError(err).Error(), true // a compressed file that was cut: read what there is
		return p.readRecord(ctx)
	default:
		return rec, p.explainError(err)
	}
	return rec, err
}

// explainError wraps an error that has no kind yet. Others, such as a network failure, are returned unchanged.
func (p *csvPart) explainError(err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return p.fail(err)
}
