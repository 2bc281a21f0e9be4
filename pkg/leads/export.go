package leads

import (
	"context"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Format of an export.
type Format string

// The formats. JSON is one array; NDJSON is an object a line.
const (
	CSV    Format = "csv"
	JSON   Format = "json"
	NDJSON Format = "ndjson"
)

// ContentType is the media type that answers with f.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8"
	case NDJSON:
		return "application/x-ndjson"
	}
	return "application/json"
}

// column of an export. Numbers are written as PostgreSQL prints them, which is a valid JSON number.
type column struct {
	name   string
	number bool
}

var exportColumns = [...]column{
	{"company_id", true}, {"name", false}, {"website_domain", false}, {"industry_norm", false}, {"employees_est", true},
	{"score", true}, {"bucket", false}, {"rationale", false}, {"primary_email", false}, {"contact_name", false},
	{"contact_title", false}, {"contact_linkedin", false}, {"contact_phone", false},
}

const chunk = 32 << 10 // bytes handed to the writer at a time

// Export streams the tenant's leads to w, best first, at most limit of them (All: every one), and returns how many it
// wrote. The same rows in the same order in every format, in memory that does not grow with them. Nothing is written when
// the query cannot be run; an error later leaves an unfinished document. The statement may take half an hour, so that a
// slow reader gets everything. Faults: Unsupported for another format, Invalid for a negative limit.
func Export(ctx context.Context, tx postgres.TenantTx, w io.Writer, format Format, limit int) (int64, error) {
	enc, ok := encoderOf(format)
	switch {
	case !ok:
		return 0, fault.New(fault.Unsupported, "export format %q: csv, json or ndjson", string(format))
	case limit < 0:
		return 0, fault.New(fault.Invalid, "limit %d: below 0", limit)
	}
	if !isPage(limit) {
		if err := longWork(ctx, tx); err != nil {
			return 0, err
		}
	}
	out := &exporter{w: w, encoder: enc, buf: append(make([]byte, 0, chunk+4<<10), enc.head...)}
	for _, p := range parts() {
		if limit != All && out.rows >= int64(limit) {
			break
		}
		if err := out.query(ctx, tx, p.sql(limit, "", "::text"), limit); err != nil {
			return out.rows, err
		}
	}
	out.buf = append(out.buf, enc.tail...)
	return out.rows, out.flush()
}

type exporter struct {
	encoder
	w    io.Writer
	buf  []byte
	rows int64
}

// query appends the rows of sql, whose values are all text, as long as there are fewer than limit in all.
func (e *exporter) query(ctx context.Context, tx postgres.TenantTx, sql string, limit int) error {
	if isPage(limit) {
		return inIndexOrder(ctx, tx, sql, nil, func(rows pgx.Rows) error { return e.appendRows(rows, limit) })
	}
	// Planned for this tenant: a kept plan was made for another one's size.
	rows, err := tx.Query(ctx, sql, pgx.QueryExecModeDescribeExec)
	if err != nil {
		return err
	}
	return e.appendRows(rows, limit)
}

func (e *exporter) appendRows(rows pgx.Rows, limit int) error {
	defer rows.Close()
	for (limit == All || e.rows < int64(limit)) && rows.Next() {
		e.buf = e.row(e.buf, rows.RawValues(), e.rows == 0)
		e.rows++
		if len(e.buf) >= chunk {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	rows.Close()
	return rows.Err()
}

func (e *exporter) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// encoder is a format: what stands before and after the rows, and how a row is appended. A nil value is NULL.
type encoder struct {
	head, tail string
	row        func(dst []byte, values [][]byte, first bool) []byte
}

func encoderOf(f Format) (encoder, bool) {
	switch f {
	case CSV:
		return encoder{head: csvHead(), row: appendCSVRow}, true
	case JSON:
		return encoder{head: "[", tail: "]\n", row: appendJSONRow}, true
	case NDJSON:
		return encoder{row: appendNDJSONRow}, true
	}
	return encoder{}, false
}
