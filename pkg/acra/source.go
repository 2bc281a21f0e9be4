package acra

import (
	"context"
	"errors"
	"io"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Position is a place in a source. A run's checkpoint holds the position up to which every row is committed.
type Position struct {
	Part  string `json:"part,omitempty"`  // file, archive member or dataset; "" before the first row
	Index int    `json:"index,omitempty"` // the part's number, from 0
	Line  int64  `json:"line,omitempty"`  // of a CSV, the last line read (the header is 1); of a dataset, the rows read
	CRC   uint32 `json:"crc,omitempty"`   // CRC-32C of the part's bytes so far; detects another file of the same name
	// Version is the publisher's name for the dataset's release. Continuing in another release would mix two.
	Version string `json:"version,omitempty"`
}

// Source is where a run's rows come from. File, Stream, Pages and Bulk return one.
type Source interface {
	// sourceLabel is stored in acra_runs.source. A run is resumed only from a source with the same label.
	sourceLabel() string
	open(context.Context, sourceOptions) (stream, error)
}

// sourceOptions tells a source which rows the run needs.
type sourceOptions struct {
	from     Position          // position from which a resumed run continues
	statuses []string          // statuses to take; none means all
	loaded   map[string]string // releases that are loaded already, by dataset
}

// errEnd is the end of a stream or a part. It is not io.EOF, because a broken connection may return an error that wraps
// io.EOF; treating it as the end would silently lose the rest of the register.
var errEnd = errors.New("end")

// stream is an open source: a sequence of parts, each with its own header.
type stream interface {
	nextPart(ctx context.Context) (part, error) // errEnd after the last
	progress() (done, of int64)                 // in bytes or rows; of is 0 when unknown
	facts() sourceFacts
	// finalFacts is called after the last record. It returns the facts that hold then, and a note for the operator.
	finalFacts(context.Context) (sourceFacts, string)
	close() error
}

// part is one CSV file or one dataset. Only one part of a stream is open at a time.
type part interface {
	partName() string
	partIndex() int // its number in the stream, from 0
	header() []string
	fieldSeparator() byte
	setWidth(fields int)                        // sets the number of fields of a complete record
	readRecord(context.Context) (record, error) // errEnd after the last
	releaseVersion() string
	// endDoubt is called after the last of rows records. It says why the part may have ended early, "" when it is
	// whole. vouched reports that the operator says that the source is whole.
	endDoubt(ctx context.Context, rows int64, vouched bool) string
	// rereadsCommitted reports that the part is read from its start although the run resumes inside it. The decoder
	// then skips the committed rows.
	rereadsCommitted() bool
	close() error
}

// sourceFacts describes an open source.
type sourceFacts struct {
	complete bool // the whole register is being read, so a UEN that is not found is not in it
	filtered bool // the source itself leaves out other statuses
	// uncounted: the source tells no number of rows. Only the operator can say that it is the whole register.
	uncounted bool
	versions  map[string]string // by part: the publisher's name for its release
	batch     int               // preferred number of rows per commit; 0 means the default
}

// Choice is a source as a command line or a configuration names it.
type Choice struct {
	Kind     string // "bulk", "api" or "file"; "" means file when File is set, otherwise bulk
	File     string // path; "-" means Stdin
	Stdin    io.Reader
	Service  Service
	Datasets []string // of the service; none means all
	PageSize int
}

// Choose returns the source. Fault: Invalid when the choice contradicts itself.
func Choose(c Choice) (Source, error) {
	if c.Kind == "" {
		c.Kind = "bulk"
		if c.File != "" {
			c.Kind = "file"
		}
	}
	switch {
	case c.Kind == "file" && c.File == "":
		return nil, fault.New(fault.Invalid, "source file: no file given").
			WithHint("leadctl acra ingest FILE, or - for standard input")
	case c.Kind != "file" && c.File != "":
		return nil, fault.New(fault.Invalid, "source %s: cannot read the file %s", c.Kind, c.File).
			WithHint("leave out --source, or set it to file")
	}
	switch c.Kind {
	case "bulk":
		return Bulk(c.Service, c.Datasets), nil
	case "api":
		return Pages(c.Service, c.Datasets, c.PageSize), nil
	case "file":
		if c.File == "-" {
			return Stream("stdin", c.Stdin), nil
		}
		return File(c.File), nil
	}
	return nil, fault.New(fault.Invalid, "source %q: must be bulk, api or file", c.Kind)
}
