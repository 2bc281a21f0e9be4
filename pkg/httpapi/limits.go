package httpapi

import (
	"errors"
	"io"
	"net"
	"net/http"
	"path"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Limits of a request.
const (
	maxBody    = 1 << 20
	maxURL     = 8 << 10
	maxFields  = 100 // header lines, and cookies within them
	headerRoom = 8 << 10
	// MaxHeaderBytes goes into http.Server, which reads up to headerRoom more: together 32 KiB.
	MaxHeaderBytes = 32<<10 - headerRoom
)

// limited refuses what no route wants, before anything is read.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		if len(r.TransferEncoding) > 0 {
			// net/http drops a Content-Length beside it, which another server on the way may have believed. Whatever that one
			// took for the next request ends with this connection.
			w.Header().Set("Connection", "close")
		}
		if p := excess(r); p != nil {
			w.Header().Set("Connection", "close")
			p.write(w)
			return
		}
		r.Body = &body{http.MaxBytesReader(w, r.Body, maxBody)}
		next.ServeHTTP(w, r)
	})
}

// excess is the refusal of a request that is too much in some way, nil for the usual one.
func excess(r *http.Request) *Problem {
	ctx := r.Context()
	switch {
	case len(r.RequestURI) > maxURL:
		return problemOf(ctx, fault.New(fault.Invalid, "URL longer than %d bytes", maxURL)).as(http.StatusRequestURITooLong, "url_too_long")
	case fields(r.Header) > maxFields:
		return problemOf(ctx, fault.New(fault.Invalid, "more than %d headers or cookies", maxFields)).
			as(http.StatusRequestHeaderFieldsTooLarge, "headers_too_many")
	case r.Header.Get("Content-Encoding") != "":
		return problemOf(ctx, fault.New(fault.Unsupported, "Content-Encoding: send the body as it is"))
	}
	return nil
}

func fields(h http.Header) int {
	n := 0
	for name, values := range h {
		n += len(values)
		if name == "Cookie" {
			n += strings.Count(strings.Join(values, ";"), ";")
		}
	}
	return n
}

// body tells a request that broke off, or is too long, from a fault of ours.
type body struct{ io.ReadCloser }

// unreadable is a body that did not arrive as it should have.
type unreadable struct{ cause error }

// Error implements error.
func (u unreadable) Error() string { return "request body: " + u.cause.Error() }

// Unwrap gives the cause to errors.As.
func (u unreadable) Unwrap() error { return u.cause }

// Read implements io.Reader. A timeout passes as it is: it has an answer of its own.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var timeout net.Error
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &timeout) && timeout.Timeout() {
		return n, err
	}
	return n, unreadable{err}
}

// known gives unknown paths and wrong methods the same shape as every other failure. Paths count as they are written: the
// mux would redirect others to their shortest form, with what the caller sent in the Location.
func known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean(r.URL.Path) != r.URL.Path {
			problemOf(r.Context(), fault.New(fault.NotFound, "no such route")).write(w)
			return
		}
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &probe{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		p := problemOf(r.Context(), fault.New(fault.NotFound, "no such route"))
		if probe.code == http.StatusMethodNotAllowed {
			p = p.as(http.StatusMethodNotAllowed, "method_not_allowed")
			p.Detail = "method not allowed here"
			p.headers.Set("Allow", probe.header.Get("Allow"))
		}
		p.write(w)
	})
}

// probe takes the mux's own answer to a request that no route matches.
type probe struct {
	header http.Header
	code   int
}

// Header implements http.ResponseWriter.
func (p *probe) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *probe) WriteHeader(code int) { p.code = code }

// Write implements http.ResponseWriter.
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
