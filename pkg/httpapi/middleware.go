package httpapi

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
)

// Limits of a request. The header limit is http.Server's (MaxHeaderBytes), set where the server is made.
const (
	maxBody = 1 << 20
	maxURL  = 8 << 10
	// MaxHeaderBytes goes into http.Server.
	MaxHeaderBytes = 32 << 10
)

type requestIDKey struct{}
type logKey struct{}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func logOf(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(logKey{}).(*slog.Logger); ok {
		return l
	}
	return logging.Discard()
}

var acceptableID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// requestID takes the caller's X-Request-Id when it is harmless, else makes one, and puts it on everything.
func (s *Server) requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !acceptableID.MatchString(id) {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		ctx = context.WithValue(ctx, logKey{}, s.log)
		ctx = logging.With(ctx, slog.String("request_id", id))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// caller is filled in by the guard, deep inside, for the log line that is written outside.
type caller struct{ tenant, subject string }

type callerKey struct{}

// logged writes one line per request. The query is left out: tokens sent there by mistake must not stay in a log.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, who := s.now(), &caller{}
		rec := &recorder{ResponseWriter: w}
		ctx := context.WithValue(r.Context(), callerKey{}, who)
		defer func() {
			level := slog.LevelInfo
			if strings.HasSuffix(r.URL.Path, "z") || r.URL.Path == "/health" {
				level = slog.LevelDebug
			}
			s.log.Log(ctx, level, "request", "method", r.Method, "path", r.URL.Path, "status", rec.status(), "bytes", rec.bytes,
				"took", s.now().Sub(start).Round(time.Microsecond), "tenant_id", who.tenant, "subject", who.subject)
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// recorder remembers the status and size of an answer. Unwrap keeps deadlines and flushing within reach.
type recorder struct {
	http.ResponseWriter
	code  int
	bytes int64
}

// Unwrap implements what http.ResponseController asks for.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// recovered turns a panic into a 500 that says nothing, and keeps the process. http.ErrAbortHandler passes: it is how a
// broken stream is cut off.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // compared as net/http itself does
				panic(v)
			}
			logOf(r.Context()).ErrorContext(r.Context(), "panic", "value", v, "stack", string(debug.Stack()))
			problemOf(r.Context(), fault.New(fault.Internal, "panic")).write(w)
		}()
		next.ServeHTTP(w, r)
	})
}

// limited refuses what no route wants, before anything is read.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		switch {
		case len(r.RequestURI) > maxURL:
			p := problemOf(ctx, fault.New(fault.Invalid, "URL longer than %d bytes", maxURL))
			p.Status, p.Title = http.StatusRequestURITooLong, http.StatusText(http.StatusRequestURITooLong)
			p.write(w)
		case r.Header.Get("Content-Encoding") != "":
			problemOf(ctx, fault.New(fault.Unsupported, "Content-Encoding: send the body as it is")).write(w)
		default:
			w.Header().Set("X-Content-Type-Options", "nosniff")
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		}
	})
}

// cors lets the configured origins, exactly as written, call with credentials; everybody else gets no header at all.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, origin := w.Header(), r.Header.Get("Origin")
		h.Add("Vary", "Origin")
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if origin != "" && slices.Contains(s.cfg.CORSOrigins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, X-Dev-Bypass, Content-Disposition")
			if preflight {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-tenant-id")
				h.Set("Access-Control-Max-Age", "600")
			}
		}
		if preflight {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses a state-changing request that a foreign page made the browser send along with its cookies.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range s.cfg.CORSOrigins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			s.log.Error("CORS origin is not an origin and is ignored", "origin", origin, "error", err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			problemOf(r.Context(), fault.New(fault.Denied, "cross-origin request: %w", err).WithCode("CROSS_ORIGIN")).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// notFoundAsProblem gives unknown paths and wrong methods the same shape as every other failure.
func notFoundAsProblem(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &probe{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		p := problemOf(r.Context(), fault.New(fault.NotFound, "no such route"))
		if allow := probe.header.Get("Allow"); probe.code == http.StatusMethodNotAllowed {
			p.Status, p.Title, p.Code = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed), "method_not_allowed"
			p.Detail = "method not allowed here"
			p.headers.Set("Allow", allow)
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
