package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
	"github.com/leadctl/leadctl/pkg/tenantid"
	"github.com/leadctl/leadctl/pkg/web"
)

// rowsTrailer comes after the body: how many rows a whole export has. One that was cut off has none.
const rowsTrailer = "X-Row-Count"

type exportIn struct {
	strictQuery
	LeadFilter
	Limit         string `query:"limit" doc:"1 to 10000, or all; 200 when absent"`
	AcceptCoding  string `header:"Accept-Encoding" doc:"br compresses; nothing else does"`
	IfNoneMatch   string `header:"If-None-Match" doc:"ETags of exports that the caller holds"`
	ModifiedSince string `header:"If-Modified-Since" doc:"Last-Modified of the export that the caller holds"`
}

func (s *Server) exportJSON(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.export(ctx, in, leads.JSON)
}

func (s *Server) exportCSV(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.export(ctx, in, leads.CSV)
}

func (s *Server) exportNDJSON(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.export(ctx, in, leads.NDJSON)
}

// exportRequest is one export under way.
type exportRequest struct {
	in     *exportIn
	owner  tenantid.ID
	format leads.Format
	limit  int
	filter leads.Filter
	slot   *exportSlot
	by     tenant.By
}

func (s *Server) export(ctx context.Context, in *exportIn, format leads.Format) (*huma.StreamResponse, error) {
	e := exportRequest{in: in, owner: web.PrincipalOf(ctx).Tenant.ID, format: format, by: web.ByOf(ctx)}
	var err error
	if e.limit, err = leads.ParseLimit(in.Limit, true); err != nil {
		return nil, err
	}
	if e.filter, err = in.parse(); err != nil {
		return nil, err
	}
	if e.slot, err = s.exports.enter(ctx, e.owner); err != nil {
		return nil, err
	}
	send := s.streamed
	if e.limit != leads.All && e.limit <= heldRows {
		send = s.held
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer e.slot.leave()
		_, w := humago.Unwrap(hc)
		send(ctx, e, newDownload(w, e))
	}}, nil
}

// heldRows is how many rows are made whole before the first of them is sent: no reader, however slow, holds a
// transaction then, and what they hash to is their ETag.
const heldRows = 2000

func (s *Server) held(ctx context.Context, e exportRequest, d *download) {
	body, _ := s.bodies.Get().(*bytes.Buffer)
	if body == nil {
		body = new(bytes.Buffer)
	}
	defer s.keep(body)
	var done leads.Exported
	err := s.db.ReadTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) (err error) {
		done, err = leads.Export(ctx, tx, body, e.format, e.limit, e.filter)
		return err
	})
	if err == nil && !d.known(tagOf(body.Bytes()), done.Modified, s.now()) {
		if err = s.recordExport(ctx, e); err == nil {
			e.slot.connectionFree()
			_, err = d.Write(body.Bytes())
		}
	}
	d.end(ctx, done.Rows, err)
}

// recordExport commits the download's line in the audit log, before the first byte leaves.
func (s *Server) recordExport(ctx context.Context, e exportRequest) error {
	return s.db.InTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) error {
		return leads.RecordExport(ctx, tx, e.format, e.limit, e.filter, e.by)
	})
}

// keep has the next export use the same memory, unless it is far more than most need.
func (s *Server) keep(body *bytes.Buffer) {
	if body.Cap() <= 1<<20 {
		body.Reset()
		s.bodies.Put(body)
	}
}

// streamed sends rows as they come from the database, in memory that does not grow. Their ETag is of the rows and not
// of the bytes, which another release may write in another way: hence its version. The status goes out with the first
// byte, so a query that fails at once is an honest 503; one that fails later breaks the connection, and the missing
// trailer tells.
//
// The audit log's line is committed before that, so a caller who may hold the rows already is first answered without
// it: an answer of 304 is no download.
func (s *Server) streamed(ctx context.Context, e exportRequest, d *download) {
	var done leads.Exported
	err := s.findKnown(ctx, e, d)
	if err == nil && !d.unchanged {
		err = s.recordExport(ctx, e)
	}
	if err == nil && !d.unchanged {
		err = s.db.ReadTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) error {
			digest, modified, err := leads.Digest(ctx, tx, e.filter)
			if err != nil || d.known(s.digestTag(e, digest), modified, s.now()) {
				return err
			}
			done, err = leads.Export(ctx, tx, d, e.format, e.limit, e.filter)
			return err
		})
	}
	d.end(ctx, done.Rows, err)
}

// findKnown finds out for a caller who may hold the rows already whether that is so.
func (s *Server) findKnown(ctx context.Context, e exportRequest, d *download) error {
	if e.in.IfNoneMatch == "" && e.in.ModifiedSince == "" {
		return nil
	}
	return s.db.ReadTenant(ctx, e.owner, func(ctx context.Context, tx postgres.TenantTx) error {
		digest, modified, err := leads.Digest(ctx, tx, e.filter)
		if err == nil {
			d.known(s.digestTag(e, digest), modified, s.now())
		}
		return err
	})
}

func (s *Server) digestTag(e exportRequest, digest string) string {
	return tagOf([]byte(digest), []byte(strconv.Itoa(e.limit)), []byte(s.cfg.Version))
}

// writeDeadline is how long a reader may take for one piece. Who takes nothing for that long is cut off.
const writeDeadline = 30 * time.Second

// piece is how much is handed to the connection under one deadline.
const piece = 64 << 10

// download is the response body: headers with the first byte, compression where the caller can undo it, a new deadline
// with each piece.
type download struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	request    exportRequest
	out        io.Writer
	coder      io.Closer // of a compressed body
	begun      bool
	unchanged  bool // the caller holds this already
}

func newDownload(w http.ResponseWriter, e exportRequest) *download {
	return &download{w: w, controller: http.NewResponseController(w), request: e}
}

// known sets the validators of what is about to be sent, and reports whether the caller holds it already.
func (d *download) known(tag string, modified, now time.Time) bool {
	v := validators{tag: d.variant(tag), modified: modified}
	v.set(d.w.Header(), now)
	d.unchanged = v.match(d.request.in.IfNoneMatch, d.request.in.ModifiedSince)
	return d.unchanged
}

// variant is the tag of this format and coding: each has bytes of its own.
func (d *download) variant(tag string) string {
	tag += "-" + string(d.request.format)
	if takesBrotli(d.request.in.AcceptCoding) {
		tag += "-br"
	}
	return tag
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begin()
	}
	n := 0
	for len(b) > 0 {
		d.extend()
		m, err := d.out.Write(b[:min(len(b), piece)])
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

func (d *download) begin() {
	d.begun = true
	h := d.w.Header()
	h.Set("Content-Type", d.request.format.ContentType())
	h.Set("Content-Disposition", `attachment; filename="latest_scores.`+string(d.request.format)+`"`)
	h.Set("Trailer", rowsTrailer)
	h.Add("Vary", "Accept-Encoding")
	d.out = d.w
	if takesBrotli(d.request.in.AcceptCoding) {
		h.Set("Content-Encoding", "br")
		coder := newBrotli(d.w)
		d.out, d.coder = coder, coder
	}
}

// extend gives the reader time again. Writers that know no deadline (tests) simply have none.
func (d *download) extend() { _ = d.controller.SetWriteDeadline(time.Now().Add(writeDeadline)) }

func (d *download) end(ctx context.Context, rows int64, err error) {
	if err == nil && d.unchanged {
		d.w.Header().Add("Vary", "Accept-Encoding")
		d.w.WriteHeader(http.StatusNotModified)
		return
	}
	if err == nil && !d.begun {
		d.begin() // a document of nothing
		d.w.WriteHeader(http.StatusOK)
	}
	if err == nil && d.coder != nil {
		d.extend()
		err = d.coder.Close()
	}
	switch {
	case err == nil:
		d.w.Header().Set(rowsTrailer, strconv.FormatInt(rows, 10))
	case !d.begun:
		d.extend()
		for _, name := range []string{"ETag", "Last-Modified"} {
			d.w.Header().Del(name)
		}
		web.ProblemOf(ctx, err).Write(d.w)
	default:
		web.LogOf(ctx).WarnContext(ctx, "export broken off", "rows", rows, "error", err)
		panic(http.ErrAbortHandler)
	}
}
