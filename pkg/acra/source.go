package acra

import (
	"context"
	"errors"
	"io"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Position is a place in a source. A run's checkpoint holds the one up to which every row is committed.
type Position struct {
	Part  string `json:"part,omitempty"`  // file, archive member or dataset; "" before the first row
	Index int    `json:"index,omitempty"` // the part's number, from 0
	Line  int64  `json:"line,omitempty"`  // last line read of a CSV, the header being line 1; rows read of a paged dataset
	CRC   uint32 `json:"crc,omitempty"`   // CRC-32C of the part's bytes so far: tells another file from the same
	// Version is what the publisher says about the dataset's release: reading on in another one would mix two.
	Version string `json:"version,omitempty"`
}

// Source is where a run's rows come from: File, Stream, Pages or Bulk.
type Source interface {
	// sourceLabel stands in acra_runs.source. A run is resumed only from a source with the same label.
	sourceLabel() string
	open(context.Context, sourceOptions) (stream, error)
}

// sourceOptions is what a source may need to know before it begins.
type sourceOptions struct {
	from     Position          // where a resumed run stands
	statuses []string          // the statuses that are wanted; none means all
	loaded   map[string]string // releases that are loaded already, by dataset
}

// errEnd is the end of a stream or a part. It is not io.EOF, which a broken connection may hide in its error: taken for the
// end, that would lose the rest of the register without a word.
var errEnd = errors.New("end")

// stream is an open source: a sequence of parts, each with a header of its own.
type stream interface {
	nextPart(ctx context.Context) (part, error) // errEnd after the last
	progress() (done, of int64)                 // in whatever unit; of is 0 when unknown
	facts() sourceFacts
	// finalFacts is asked once everything has been read: what holds then, and what an operator should know.
	finalFacts(context.Context) (sourceFacts, string)
	close() error
}

// part is one CSV or one dataset. Only one of a stream is open at a time.
type part interface {
	partName() string
	partIndex() int // its number in the stream, from 0
	header() []string
	setWidth(fields int)                        // how many fields a whole record has
	readRecord(context.Context) (record, error) // errEnd after the last
	releaseVersion() string
	// rereadsCommitted says that the part was begun at its start although the run is resumed inside it: the decoder passes over what
	// is committed.
	rereadsCommitted() bool
	close() error
}

// sourceFacts of a source.
type sourceFacts struct {
	complete bool              // all of the register is being read, so that what is not met is not in it
	filtered bool              // the source itself leaves out other statuses
	versions map[string]string // by part: its release, as the publisher names it
	batch    int               // rows to commit together, where the source's own rhythm matters; 0 for the default
}

// Choice names a source the way a person or a configuration does.
type Choice struct {
	Kind     string // "bulk", "api" or "file"; "" means file when one is named, else bulk
	File     string // "-" is Stdin
	Stdin    io.Reader
	Service  Service
	Datasets []string // of the service; none means all
	PageSize int
}

// Choose makes the source. Fault: Invalid when the choice contradicts itself.
func Choose(c Choice) (Source, error) {
	if c.Kind == "" {
		c.Kind = "bulk"
		if c.File != "" {
			c.Kind = "file"
		}
	}
	switch {
	case c.Kind == "file" && c.File == "":
		return nil, fault.New(fault.Invalid, "source file: no file named").WithHint("leadctl acra ingest FILE, or - for standard input")
	case c.Kind != "file" && c.File != "":
		return nil, fault.New(fault.Invalid, "source %s: does not read the file %s", c.Kind, c.File)
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
	return nil, fault.New(fault.Invalid, "source %q: not one of bulk, api, file", c.Kind)
}
