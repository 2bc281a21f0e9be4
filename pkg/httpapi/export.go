package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
)

const (
	writeDeadline = 30 * time.Second // a reader that takes nothing for this long is cut off: it holds a transaction
	rowsTrailer   = "X-Row-Count"    // after the body: how many rows a whole export has
)

type exportIn struct {
	strictQuery
	Limit string `query:"limit" doc:"1 to 10000, or all; 200 when absent"`
}

func (s *Server) exportJSON(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.export(ctx, in, leads.JSON)
}

func (s *Server) exportCSV(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
	return s.export(ctx, in, leads.CSV)
}

// export streams rows as they come from the database, in memory that does not grow. The status is sent with the first byte,
// so a query that fails at once is an honest 503; one that fails later breaks the connection, and the missing trailer tells.
func (s *Server) export(ctx context.Context, in *exportIn, format leads.Format) (*huma.StreamResponse, error) {
	limit, err := leads.ParseLimit(in.Limit, true)
	if err != nil {
		return nil, err
	}
	owner := principalOf(ctx).Tenant.ID
	done, err := s.exports.enter(ctx, owner)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer done()
		_, w := humago.Unwrap(hc)
		stream := &download{w: w, controller: http.NewResponseController(w), format: format}
		var rows int64
		err := s.db.ReadTenant(ctx, owner, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			rows, err = leads.Export(ctx, tx, stream, format, limit)
			return err
		})
		stream.end(ctx, rows, err)
	}}, nil
}

// download is the response body: headers with the first byte, a new deadline with each.
type download struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	format     leads.Format
	begun      bool
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		h := d.w.Header()
		h.Set("Content-Type", d.format.ContentType())
		h.Set("Content-Disposition", `attachment; filename="latest_scores.`+string(d.format)+`"`)
		h.Set("Trailer", rowsTrailer)
	}
	d.extend()
	return d.w.Write(b)
}

// extend gives the reader time again. Writers that know no deadline (tests) simply have none.
func (d *download) extend() { _ = d.controller.SetWriteDeadline(time.Now().Add(writeDeadline)) }

func (d *download) end(ctx context.Context, rows int64, err error) {
	switch {
	case err == nil:
		d.w.Header().Set(rowsTrailer, strconv.FormatInt(rows, 10))
	case !d.begun:
		d.extend()
		problemOf(ctx, err).write(d.w)
	default:
		logOf(ctx).WarnContext(ctx, "export broken off", "rows", rows, "error", err)
		panic(http.ErrAbortHandler)
	}
}
