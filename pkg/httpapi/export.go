package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

const (
	writeDeadline   = 30 * time.Second // a reader that takes nothing for this long is cut off: it holds a transaction
	exportsPerOwner = 4                // exports of one tenant at a time
	rowsTrailer     = "X-Row-Count"    // after the body: how many rows a whole export has
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
	done, err := s.exports.enter(owner)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer done()
		_, w := humago.Unwrap(hc)
		stream := &stream{w: w, controller: http.NewResponseController(w), format: format}
		var rows int64
		err := s.db.ReadTenant(ctx, owner, func(ctx context.Context, tx postgres.TenantTx) (err error) {
			rows, err = leads.Export(ctx, tx, stream, format, limit)
			return err
		})
		stream.end(ctx, rows, err)
	}}, nil
}

// stream is the response body: headers with the first byte, a new deadline with each.
type stream struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	format     leads.Format
	begun      bool
}

// Write implements io.Writer.
func (s *stream) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		h := s.w.Header()
		h.Set("Content-Type", s.format.ContentType())
		h.Set("Content-Disposition", `attachment; filename="latest_scores.`+string(s.format)+`"`)
		h.Set("Trailer", rowsTrailer)
	}
	// Writers that know no deadline (tests) simply have none.
	_ = s.controller.SetWriteDeadline(time.Now().Add(writeDeadline))
	return s.w.Write(b)
}

func (s *stream) end(ctx context.Context, rows int64, err error) {
	switch {
	case err == nil:
		s.w.Header().Set(rowsTrailer, strconv.FormatInt(rows, 10))
	case !s.begun:
		problemOf(ctx, err).write(s.w)
	default:
		logOf(ctx).WarnContext(ctx, "export broken off", "rows", rows, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// exportLimit bounds how many transactions one tenant's downloads can hold open.
type exportLimit struct {
	mu     sync.Mutex
	active map[tenantid.ID]int
}

func newExportLimit() *exportLimit { return &exportLimit{active: map[tenantid.ID]int{}} }

func (l *exportLimit) enter(id tenantid.ID) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active[id] >= exportsPerOwner {
		return nil, fault.New(fault.Unavailable, "%d exports of this tenant are running already", exportsPerOwner).WithRetryAfter(5 * time.Second)
	}
	l.active[id]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.active[id]--; l.active[id] == 0 {
			delete(l.active, id)
		}
	}, nil
}
