package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Problem is the body of every failure, as RFC 9457 defines it: detail is always a string (existing clients show it),
// the code is stable, and the request's id finds the reason in the log.
type Problem struct {
	Type      string `json:"type" doc:"Always about:blank: the code tells problems apart"`
	Title     string `json:"title" doc:"The status in words"`
	Status    int    `json:"status"`
	Detail    string `json:"detail" doc:"What happened, safe to show"`
	Code      string `json:"code" doc:"Stable, such as TENANT_REQUIRED"`
	Hint      string `json:"hint,omitempty" doc:"What to do next"`
	RequestID string `json:"request_id"`

	headers http.Header
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// ProblemOf returns the part of a fault that a caller may read, and logs the rest. All 401 problems have the same text.
func ProblemOf(ctx context.Context, err error) *Problem {
	p := &Problem{Type: "about:blank", Status: fault.HTTPStatus(err), Detail: fault.Text(err), Code: fault.Code(err),
		Hint: fault.Hint(err), RequestID: RequestIDOf(ctx), headers: http.Header{}}
	p.Title = http.StatusText(p.Status)
	switch p.Status {
	case http.StatusUnauthorized:
		*p = newUnauthorized(ctx, errors.Is(err, errNoCredentials))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		p.headers.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(fault.RetryAfter(err).Seconds())))))
	}
	visitOf(ctx).problem = p
	LogProblem(ctx, p, err)
	return p
}

// newUnauthorized returns the answer to every invalid or missing token. Only the header WWW-Authenticate shows whether
// a token was sent.
func newUnauthorized(ctx context.Context, missing bool) Problem {
	challenge := `Bearer error="invalid_token"`
	if missing {
		challenge = "Bearer"
	}
	return Problem{Type: "about:blank", Title: http.StatusText(http.StatusUnauthorized),
		Status: http.StatusUnauthorized,
		Detail: "a valid access token is required", Code: "unauthenticated", RequestID: RequestIDOf(ctx),
		headers: http.Header{"Www-Authenticate": {challenge}}}
}

// WithStatus sets a status and a code for which no kind of fault exists.
func (p *Problem) WithStatus(status int, code string) *Problem {
	p.Status, p.Title, p.Code = status, http.StatusText(status), code
	return p
}

// LogProblem writes the log line of a refused request.
func LogProblem(ctx context.Context, p *Problem, err error) {
	level := slog.LevelInfo
	if p.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	LogOf(ctx).Log(ctx, level, "request refused", "status", p.Status, "code", p.Code, "error", err)
}

// Write sends p as application/problem+json.
func (p *Problem) Write(w http.ResponseWriter) {
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}

// Refuse answers a request with the problem of err.
func Refuse(w http.ResponseWriter, r *http.Request, err error) { ProblemOf(r.Context(), err).Write(w) }
