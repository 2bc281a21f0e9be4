package web

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

// WithRequestID returns a context that carries the request's id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestIDOf returns the request's id, as the response and every log line carry it.
func RequestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// LogOf returns the door's log, which adds the request's id, subject and tenant.
func LogOf(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(logKey{}).(*slog.Logger); ok {
		return l
	}
	return logging.Discard()
}

var acceptableID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// setRequestID uses the caller's X-Request-Id if it is well formed, else a new id. Response, log and context carry it.
func (d *Door) setRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !acceptableID.MatchString(id) {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)
		ctx := WithRequestID(r.Context(), id)
		ctx = context.WithValue(ctx, logKey{}, d.log)
		ctx = logging.With(ctx, slog.String("request_id", id))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// visit collects facts about a request from inner handlers, for the log line and the metrics that outer handlers write.
type visit struct {
	route, tenant, subject string
	level                  slog.Level
	problem                *Problem // what the request was refused with; nil if it was served
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// SetRoute names the request's route, for metrics, and the level of its log line.
func SetRoute(ctx context.Context, route string, level slog.Level) {
	v := visitOf(ctx)
	v.route, v.level = route, level
}

// SetSubject names who sends the request, for its log line.
func SetSubject(ctx context.Context, subject string) { visitOf(ctx).subject = subject }

// logAndCount writes one log line for each request and counts it. It leaves out the query: a token sent there by
// mistake must not stay in a log.
func (d *Door) logAndCount(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, v, rec := d.now(), &visit{route: unrouted}, &recorder{ResponseWriter: w}
		d.metrics.inFlight.Inc()
		defer func() {
			broken := recover() // only http.ErrAbortHandler gets here
			took := d.now().Sub(start)
			d.metrics.inFlight.Dec()
			d.metrics.countRequest(v.route, rec.statusCode(), broken != nil, took)
			d.logVisit(r, v, rec, broken != nil, took)
			if broken != nil {
				panic(broken)
			}
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

func (d *Door) logVisit(r *http.Request, v *visit, rec *recorder, broken bool, took time.Duration) {
	level := v.level
	if isQuiet(r.Context()) {
		level = min(level, slog.LevelDebug)
	}
	d.log.Log(r.Context(), level, "request", "method", cutText(r.Method), "path", cutText(r.URL.Path),
		"status", rec.statusCode(), "bytes", rec.bytes, "broken_off", broken, "took", took.Round(time.Microsecond),
		"tenant_id", v.tenant, "subject", v.subject)
}

func cutText(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// recorder records the status and size of an answer. Unwrap gives http.ResponseController deadlines and flushing.
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
	r.code = r.statusCode()
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// hasBegun reports whether the response has begun; then no other response can be sent.
func hasBegun(w http.ResponseWriter) bool {
	for {
		switch inner := w.(type) {
		case *recorder:
			return inner.code != 0
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return false
		}
	}
}

func (r *recorder) statusCode() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// recoverPanics answers a panic with a 500 that says nothing of it, and keeps the process alive. A response that has
// begun is cut off instead, as http.ErrAbortHandler demands.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // compared as net/http itself does
				panic(v)
			}
			LogOf(r.Context()).ErrorContext(r.Context(), "panic", "value", v, "stack", string(debug.Stack()))
			if hasBegun(w) {
				panic(http.ErrAbortHandler)
			}
			Refuse(w, r, fault.New(fault.Internal, "panic"))
		}()
		next.ServeHTTP(w, r)
	})
}
