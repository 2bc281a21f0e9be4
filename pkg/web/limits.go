package web

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
	// MaxBody is the size of a request body, in bytes.
	MaxBody    = 1 << 20
	maxURL     = 8 << 10
	maxFields  = 100 // header lines, and cookies within them
	headerRoom = 8 << 10
	// MaxHeaderBytes goes into http.Server, which reads up to headerRoom more: together 32 KiB.
	MaxHeaderBytes = 32<<10 - headerRoom
)

// enforceLimits refuses a request that exceeds a limit, before anything of its body is read.
func enforceLimits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		if len(r.TransferEncoding) > 0 {
			// net/http ignores a Content-Length beside Transfer-Encoding, but a proxy may have used it. Closing the
			// connection drops the bytes that the proxy took for the next request.
			w.Header().Set("Connection", "close")
		}
		if p := limitExceeded(r); p != nil {
			w.Header().Set("Connection", "close")
			p.Write(w)
			return
		}
		r.Body = &body{http.MaxBytesReader(w, r.Body, MaxBody)}
		next.ServeHTTP(w, r)
	})
}

// limitExceeded returns the problem of a request that exceeds a limit, nil if it exceeds none.
func limitExceeded(r *http.Request) *Problem {
	ctx := r.Context()
	switch {
	case len(r.RequestURI) > maxURL:
		return ProblemOf(ctx, fault.New(fault.Invalid, "URL longer than %d bytes", maxURL)).WithStatus(
			http.StatusRequestURITooLong, "url_too_long")
	case countFields(r.Header) > maxFields:
		return ProblemOf(ctx, fault.New(fault.Invalid, "more than %d headers or cookies", maxFields)).
			WithStatus(http.StatusRequestHeaderFieldsTooLarge, "headers_too_many")
	case r.Header.Get("Content-Encoding") != "":
		return ProblemOf(ctx, fault.New(fault.Unsupported, "Content-Encoding: send the body as it is"))
	}
	return nil
}

// countFields counts header lines and cookies.
func countFields(h http.Header) int {
	n := 0
	for name, values := range h {
		n += len(values)
		if name == "Cookie" {
			n += strings.Count(strings.Join(values, ";"), ";")
		}
	}
	return n
}

// body marks the errors of a request that broke off or is too long, so that they do not look like faults of the server.
type body struct{ io.ReadCloser }

// Unreadable is the error of a body that is too long or did not arrive completely.
type Unreadable struct{ cause error }

// Error implements error.
func (u Unreadable) Error() string { return "request body: " + u.cause.Error() }

// Unwrap returns the cause.
func (u Unreadable) Unwrap() error { return u.cause }

// Read implements io.Reader. It passes a timeout through unchanged, because that has its own answer.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var timeout net.Error
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &timeout) && timeout.Timeout() {
		return n, err
	}
	return n, Unreadable{err}
}

// notFoundAsProblem answers unknown paths and wrong methods with a Problem. Unlike the mux, it does not redirect a path
// to its shortest form: the Location header would repeat what the caller sent.
func notFoundAsProblem(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean(r.URL.Path) != r.URL.Path {
			Refuse(w, r, fault.New(fault.NotFound, "no such route"))
			return
		}
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &probe{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		p := ProblemOf(r.Context(), fault.New(fault.NotFound, "no such route"))
		if probe.code == http.StatusMethodNotAllowed {
			p = p.WithStatus(http.StatusMethodNotAllowed, "method_not_allowed")
			p.Detail = "method not allowed here"
			p.headers.Set("Allow", probe.header.Get("Allow"))
		}
		p.Write(w)
	})
}

// probe records the mux's own answer to a request that no route matches.
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
