package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

// rowsTrailer is the trailer with the number of rows of a complete export. An incomplete export has no trailer.
const rowsTrailer = "X-Row-Count"

type exportIn struct {
	strictQuery
	LeadFilter
	Limit         string `query:"limit" doc:"1 to 10000, or all; 200 when absent"`
	Columns       string `query:"columns" doc:"Names of columns, separated by commas; docs/scoring.md lists them"`
	BOM           bool   `query:"bom" doc:"Begin a CSV with a byte order mark, so that Excel reads it as UTF-8"`
	AcceptCoding  string `header:"Accept-Encoding" doc:"br is the only supported compression"`
	IfNoneMatch   string `header:"If-None-Match" doc:"ETags of the caller's copies"`
	ModifiedSince string `header:"If-Modified-Since" doc:"Last-Modified of the caller's copy"`
}

func (s *Server) exportJSON(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.startExport(ctx, in, leads.JSON)
}

func (s *Server) exportCSV(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.startExport(ctx, in, leads.CSV)
}

func (s *Server) exportNDJSON(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.startExport(ctx, in, leads.NDJSON)
}

// exportRequest is one running export.
type exportRequest struct {
	in    *exportIn
	owner tenantid.ID
	leads.ExportOptions
	slot *exportSlot
	by   tenant.By
}

func (s *Server) startExport(ctx context.Context, in *exportIn, format leads.Format) (*huma.StreamResponse, error) {
	e := exportRequest{in: in, owner: web.PrincipalOf(ctx).Tenant.ID, by: web.ByOf(ctx)}
	e.Format, e.BOM = format, in.BOM
	var err error
	if e.Limit, err = leads.ParseLimit(in.Limit, true); err != nil {
		return nil, err
	}
	if e.Filter, err = in.parseFilter(); err != nil {
		return nil, err
	}
	if e.Columns, err = leads.ParseColumns(in.Columns); err != nil {
		return nil, err
	}
	if e.slot, err = s.exports.acquireSlot(ctx, e.owner); err != nil {
		return nil, err
	}
	send := s.sendStreamed
	if e.Limit != leads.All && e.Limit <= maxBufferedRows {
		send = s.sendBuffered
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer e.slot.releaseSlot()
		_, w := humago.Unwrap(hc)
		ctx, stop := tenant.While(ctx, s.door.Recheck)
		defer stop()
		d := newDownload(w, e, s.cfg.DownloadLimit)
		d.ended = func() bool { return ctx.Err() != nil }
		defer context.AfterFunc(ctx, d.extendDeadline)()
		send(ctx, e, d)
	}}, nil
}

// maxBufferedRows is the largest export that is buffered before its first byte is sent. A slow reader then holds no
// transaction, and the ETag is a hash of the body.
const maxBufferedRows = 2000

// sendBuffered builds the whole body in memory and sends it after the transaction.
func (s *Server) sendBuffered(ctx context.Context, e exportRequest, d *download) {
	body, _ := s.bodies.Get().(*bytes.Buffer)
	if body == nil {
		body = new(bytes.Buffer)
	}
	defer s.recycleBuffer(body)
	var done leads.Exported
	err := s.db.ReadTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		done, err = leads.Export(ctx, tx, body, e.ExportOptions)
		return err
	})
	if err == nil && !d.checkUnchanged(tagOf(body.Bytes()), done.Modified, s.now()) {
		if err = s.recordExport(ctx, e); err == nil {
			e.slot.freeConnection()
			_, err = d.Write(body.Bytes())
		}
	}
	d.finishBody(ctx, done.Rows, err)
}

// recordExport commits the download's line in the audit log. Call it before the first byte is sent.
func (s *Server) recordExport(ctx context.Context, e exportRequest) error {
	return s.db.InTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) error {
		return leads.RecordExport(ctx, tx, e.ExportOptions, e.by)
	})
}

// recycleBuffer keeps the buffer for the next export, unless it is far larger than most exports.
func (s *Server) recycleBuffer(body *bytes.Buffer) {
	if body.Cap() <= 1<<20 {
		body.Reset()
		s.bodies.Put(body)
	}
}

// sendStreamed sends rows as the database returns them, with constant memory. The transaction does not wait for the
// reader (spool.go). The ETag is a hash of the rows and the version of leadctl, because another release may encode the
// same rows differently. The status is sent with the first byte, so a query that fails at once is answered with 503. A
// later failure closes the connection without a trailer.
//
// The line of the audit log is committed before the first byte. For a conditional request, compareCopy runs before
// that: a 304 is no download and leaves no line.
func (s *Server) sendStreamed(ctx context.Context, e exportRequest, d *download) {
	err := s.compareCopy(ctx, e, d)
	var rows int64
	if err == nil && !d.unchanged {
		rows, err = s.sendRows(ctx, e, d)
	}
	d.finishBody(ctx, rows, err)
}

// sendRows copies the rows through a spool and returns their number. It frees the connection to the database when the
// last row was read there.
func (s *Server) sendRows(ctx context.Context, e exportRequest, d *download) (rows int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	body := newSpool(s.spoolDisk)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				body.Finish(fault.New(fault.Internal, "panic: %v\n%s", v, debug.Stack()))
			}
		}()
		var err error
		rows, err = s.readRows(ctx, e, d, body)
		e.slot.freeConnection()
		body.Finish(err)
	})
	_, err = io.CopyBuffer(d, body, make([]byte, maxWrite))
	cancel()
	if closed := body.Close(); err == nil {
		err = closed
	}
	reading.Wait()
	return rows, err
}

// readRows records the download and writes the rows to body, unless the caller's copy is current.
func (s *Server) readRows(ctx context.Context, e exportRequest, d *download, body io.Writer) (int64, error) {
	if err := s.recordExport(ctx, e); err != nil {
		return 0, err
	}
	var done leads.Exported
	err := s.db.ReadTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) error {
		digest, modified, err := leads.Digest(ctx, tx, e.ExportOptions)
		if err != nil || d.checkUnchanged(s.digestTag(e, digest), modified, s.now()) {
			return err
		}
		done, err = leads.Export(ctx, tx, body, e.ExportOptions)
		return err
	})
	return done.Rows, err
}

// compareCopy sets d.unchanged if the request is conditional and the caller's copy is current.
func (s *Server) compareCopy(ctx context.Context, e exportRequest, d *download) error {
	if e.in.IfNoneMatch == "" && e.in.ModifiedSince == "" {
		return nil
	}
	return s.db.ReadTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) error {
		digest, modified, err := leads.Digest(ctx, tx, e.ExportOptions)
		if err == nil {
			d.checkUnchanged(s.digestTag(e, digest), modified, s.now())
		}
		return err
	})
}

func (s *Server) digestTag(e exportRequest, digest string) string {
	return tagOf([]byte(digest), []byte(strconv.Itoa(e.Limit)), []byte(e.in.Columns),
		[]byte(strconv.FormatBool(e.BOM)), []byte(s.cfg.Version))
}

// writeDeadline is how long a reader may take for maxWrite bytes before it is disconnected.
const writeDeadline = 30 * time.Second

// maxWrite is how many bytes are written to the connection under one deadline.
const maxWrite = 64 << 10

// download writes the body of an export. It sends the headers with the first byte, compresses if the caller accepts
// brotli, and sets a new deadline for each maxWrite bytes.
type download struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	request    exportRequest
	limit      time.Duration // how long the reader may read
	began      time.Time     // when the headers were sent
	out        io.Writer
	coder      io.Closer   // nil without compression
	begun      atomic.Bool // the headers are sent
	unchanged  bool        // the caller's copy is current
	ended      func() bool // the caller may read no more, or has gone
}

func newDownload(w http.ResponseWriter, e exportRequest, limit time.Duration) *download {
	return &download{w: w, controller: http.NewResponseController(w), request: e, limit: limit}
}

// checkUnchanged sets the headers ETag and Last-Modified, and reports whether the caller's copy is current.
func (d *download) checkUnchanged(tag string, modified, now time.Time) bool {
	v := validators{tag: d.variantTag(tag), modified: modified}
	v.writeHeaders(d.w.Header(), now)
	d.unchanged = v.matchesCopy(d.request.in.IfNoneMatch, d.request.in.ModifiedSince)
	return d.unchanged
}

// variantTag returns the tag for this format and compression, which each have a different body.
func (d *download) variantTag(tag string) string {
	tag += "-" + string(d.request.Format)
	if takesBrotli(d.request.in.AcceptCoding) {
		tag += "-br"
	}
	return tag
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (int, error) {
	if !d.begun.Load() {
		d.sendHeaders()
	}
	n := 0
	for len(b) > 0 {
		d.extendDeadline()
		m, err := d.out.Write(b[:min(len(b), maxWrite)])
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

func (d *download) sendHeaders() {
	d.began = time.Now()
	d.begun.Store(true)
	h := d.w.Header()
	h.Set("Content-Type", d.request.Format.ContentType())
	h.Set("Content-Disposition", `attachment; filename="latest_scores.`+string(d.request.Format)+`"`)
	h.Set("Trailer", rowsTrailer)
	h.Add("Vary", "Accept-Encoding")
	d.out = d.w
	if takesBrotli(d.request.in.AcceptCoding) {
		h.Set("Content-Encoding", "br")
		coder := newBrotli(d.w)
		d.out, d.coder = coder, coder
	}
}

// extendDeadline sets a new write deadline, which is now once the caller may read no more. It does nothing for writers
// without deadlines, as in tests.
func (d *download) extendDeadline() {
	deadline := time.Now().Add(writeDeadline)
	if d.begun.Load() && d.began.Add(d.limit).Before(deadline) {
		deadline = d.began.Add(d.limit)
	}
	_ = d.controller.SetWriteDeadline(deadline)
	if d.ended != nil && d.ended() && d.begun.Load() {
		_ = d.controller.SetWriteDeadline(time.Now())
	}
}

// finishBody ends the response: with 304, with the trailer, with a problem, or with a broken connection.
func (d *download) finishBody(ctx context.Context, rows int64, err error) {
	err = tenant.EndReason(ctx, err)
	if err == nil && d.unchanged {
		d.w.Header().Add("Vary", "Accept-Encoding")
		d.w.WriteHeader(http.StatusNotModified)
		return
	}
	if err == nil && !d.begun.Load() {
		d.sendHeaders() // an empty body
		d.w.WriteHeader(http.StatusOK)
	}
	if err == nil && d.coder != nil {
		d.extendDeadline()
		err = d.coder.Close()
	}
	switch {
	case err == nil:
		d.w.Header().Set(rowsTrailer, strconv.FormatInt(rows, 10))
	case !d.begun.Load():
		d.extendDeadline()
		for _, name := range []string{"ETag", "Last-Modified"} {
			d.w.Header().Del(name)
		}
		web.ProblemOf(ctx, err).Write(d.w)
	default:
		web.LogOf(ctx).WarnContext(ctx, "export broken off", "rows", rows, "error", err)
		panic(http.ErrAbortHandler)
	}
}
