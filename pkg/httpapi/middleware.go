package httpapi

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/logging"
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

// visit is filled in deep inside, by whoever knows, for the log line and the metrics that are written outside.
type visit struct{ route, tenant, subject string }

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// observed writes one log line per request and counts it. The query is left out: tokens sent there by mistake must not
// stay in a log.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, v, rec := s.now(), &visit{route: unrouted}, &recorder{ResponseWriter: w}
		s.metrics.inFlight.Inc()
		defer func() {
			broken := recover() // only http.ErrAbortHandler comes this far
			took := s.now().Sub(start)
			s.metrics.inFlight.Dec()
			s.metrics.count(v.route, rec.status(), broken != nil, took)
			s.logVisit(r, v, rec, broken != nil, took)
			if broken != nil {
				panic(broken)
			}
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

func (s *Server) logVisit(r *http.Request, v *visit, rec *recorder, broken bool, took time.Duration) {
	level := slog.LevelInfo
	if strings.HasSuffix(r.URL.Path, "z") || r.URL.Path == "/health" {
		level = slog.LevelDebug
	}
	s.log.Log(r.Context(), level, "request", "method", shortened(r.Method), "path", shortened(r.URL.Path), "status", rec.status(), "bytes", rec.bytes,
		"broken_off", broken, "took", took.Round(time.Microsecond), "tenant_id", v.tenant, "subject", v.subject)
}

func shortened(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
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
	r.code = r.status()
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// begun reports whether the answer is on its way, so that nothing else can be said.
func (r *recorder) begun() bool { return r.code != 0 }

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// recovered turns a panic into a 500 that says nothing, and keeps the process. An answer that has begun is cut off instead,
// as http.ErrAbortHandler asks for.
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
			if rec, ok := w.(*recorder); ok && rec.begun() {
				panic(http.ErrAbortHandler)
			}
			problemOf(r.Context(), fault.New(fault.Internal, "panic")).write(w)
		}()
		next.ServeHTTP(w, r)
	})
}
