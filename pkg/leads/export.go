package leads

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Format of an export.
type Format string

// Formats of an export. JSON is one array; NDJSON has one object per line.
const (
	CSV    Format = "csv"
	JSON   Format = "json"
	NDJSON Format = "ndjson"
)

// ContentType returns the media type of f.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8"
	case NDJSON:
		return "application/x-ndjson"
	}
	return "application/json"
}

// ExportOptions say which leads an export has, and how they are written.
type ExportOptions struct {
	Format  Format
	Limit   int // All means every lead
	Filter  Filter
	Columns []string // in this order; none means the standard ones
	BOM     bool     // a CSV begins with a byte order mark, so that Excel reads it as UTF-8
}

// ParseColumns reads the names of columns, separated by commas. Fault: Invalid.
func ParseColumns(names string) ([]string, error) {
	if names == "" {
		return nil, nil
	}
	list := strings.Split(names, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	_, err := chooseColumns(list)
	return list, err
}

const chunk = 32 << 10 // bytes per write

// Exported is the result of an export. Modified is the newest change of a page's rows, or the end of the last run if
// that is later. It is zero if there is no row, and for exports larger than a page; use Digest for those.
type Exported struct {
	Rows     int64
	Modified time.Time
}

// Export writes the tenant's leads to w, best first. Every format has the same rows in the same order. Memory does not
// grow with the number of rows. If the query fails, nothing is written; a later error leaves an unfinished document.
// The statement may take half an hour, for slow readers. Faults: Unsupported for another format, Invalid for a negative
// limit, a wrong filter or column.
func Export(ctx context.Context, tx postgres.TenantTx, w io.Writer, o ExportOptions) (Exported, error) {
	columns, err := chooseColumns(o.Columns)
	if err != nil {
		return Exported{}, err
	}
	enc, ok := encoderOf(o, columns)
	switch {
	case !ok:
		return Exported{}, fault.New(fault.Unsupported, "export format %q: must be csv, json or ndjson",
			string(o.Format))
	case o.Limit < 0:
		return Exported{}, fault.New(fault.Invalid, "limit %d: must be 0 or more", o.Limit)
	}
	if !isPage(o.Limit) {
		if err := allowLongWork(ctx, tx); err != nil {
			return Exported{}, err
		}
	}
	var args arguments
	more, err := o.Filter.filterSQL(&args)
	if err != nil {
		return Exported{}, err
	}
	out := &exporter{w: w, encoder: enc, buf: append(make([]byte, 0, chunk+4<<10), enc.head...)}
	q := selection{limit: o.Limit, more: more, columns: columns, dated: isPage(o.Limit)}
	for _, p := range scoreParts() {
		if o.Limit != All && out.rows >= int64(o.Limit) {
			break
		}
		if err := out.writeQuery(ctx, tx, p.selectSQL(q), args, q); err != nil {
			return Exported{Rows: out.rows}, err
		}
	}
	out.buf = append(out.buf, enc.tail...)
	return Exported{out.rows, parseModified(out.modified)}, out.flushBuffer()
}

// Digest returns a digest of the leads that a whole export has, and the time of their newest change. Equal digests mean
// the same leads with the same values. It reads and hashes all of them, which takes about a fifth of an export's time.
//
// Cheaper methods fail: other services write these tables without a time of change, transactions do not commit in the
// order of their times, and xmin (the number of the transaction that wrote a row) reveals how much other tenants write.
func Digest(ctx context.Context, tx postgres.TenantTx, o ExportOptions) (digest string, newest time.Time, err error) {
	if err := allowLongWork(ctx, tx); err != nil {
		return "", time.Time{}, err
	}
	columns, err := chooseColumns(o.Columns)
	if err != nil {
		return "", time.Time{}, err
	}
	var args arguments
	more, err := o.Filter.filterSQL(&args)
	if err != nil {
		return "", time.Time{}, err
	}
	sql := `SELECT count(*) || '-' || coalesce(sum(hash_record_extended(` + digestSQL(columns) + `, 0)), 0),
		coalesce(max(` + modified + `)::text, '') FROM ` + selection{more: more}.wholeTables("true")
	var at string
	err = tx.QueryRow(ctx, sql, args.plannedValues()...).Scan(&digest, &at)
	return digest, parseModified([]byte(at)), err
}

// parseModified parses PostgreSQL's text of a time in UTC. These texts sort like the times.
func parseModified(text []byte) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.999999-07", string(text))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

type exporter struct {
	encoder
	w        io.Writer
	buf      []byte
	rows     int64
	modified []byte
}

// writeQuery appends the rows of sql until the export has as many rows as the limit. All values of sql are text.
func (e *exporter) writeQuery(ctx context.Context, tx postgres.TenantTx, sql string, args arguments,
	q selection) error {
	if isPage(q.limit) {
		return inIndexOrder(ctx, tx, sql, args.values, func(rows pgx.Rows) error { return e.appendRows(rows, q) })
	}
	// Planned for this tenant: a cached plan was made for another tenant's number of rows.
	rows, err := tx.Query(ctx, sql, args.plannedValues()...)
	if err != nil {
		return err
	}
	return e.appendRows(rows, q)
}

func (e *exporter) appendRows(rows pgx.Rows, q selection) error {
	defer rows.Close()
	for (q.limit == All || e.rows < int64(q.limit)) && rows.Next() {
		values := rows.RawValues()
		if q.dated {
			if at := values[len(q.columns)]; bytes.Compare(at, e.modified) > 0 {
				e.modified = append(e.modified[:0], at...)
			}
			values = values[:len(q.columns)]
		}
		e.buf = e.row(e.buf, values, e.rows == 0)
		e.rows++
		if len(e.buf) >= chunk {
			if err := e.flushBuffer(); err != nil {
				return err
			}
		}
	}
	rows.Close()
	return rows.Err()
}

func (e *exporter) flushBuffer() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// encoder writes a format: head before the rows, tail after them, and row appends one row. A nil value is NULL.
type encoder struct {
	head, tail string
	row        func(dst []byte, values [][]byte, first bool) []byte
}

func encoderOf(o ExportOptions, columns []column) (encoder, bool) {
	encode := rowEncoder(columns)
	switch o.Format {
	case CSV:
		return encoder{head: csvHead(columns, o.BOM), row: encode.appendCSVRow}, true
	case JSON:
		return encoder{head: "[", tail: "]\n", row: encode.appendJSONRow}, true
	case NDJSON:
		return encoder{row: encode.appendNDJSONRow}, true
	}
	return encoder{}, false
}
