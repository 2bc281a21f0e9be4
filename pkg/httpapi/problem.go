package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Problem is every failure on the wire: RFC 9457, with detail always a string (existing clients show it as it is), a stable
// code to act on, and the request's id to find the reason in the log.
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

// problemOf reads a fault for the wire and logs what is not for the wire. Every 401 looks the same.
func problemOf(ctx context.Context, err error) *Problem {
	p := &Problem{Type: "about:blank", Status: fault.HTTPStatus(err), Detail: fault.Text(err), Code: fault.Code(err),
		Hint: fault.Hint(err), RequestID: requestIDOf(ctx), headers: http.Header{}}
	p.Title = http.StatusText(p.Status)
	switch p.Status {
	case http.StatusUnauthorized:
		*p = unauthorized(ctx, errors.Is(err, errNoCredentials))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		p.headers.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(fault.RetryAfter(err).Seconds())))))
	}
	logProblem(ctx, p, err)
	return p
}

// unauthorized is the one answer to every token that proves nothing; only a missing one is told apart, by its header.
func unauthorized(ctx context.Context, missing bool) Problem {
	challenge := `Bearer error="invalid_token"`
	if missing {
		challenge = "Bearer"
	}
	return Problem{Type: "about:blank", Title: http.StatusText(http.StatusUnauthorized), Status: http.StatusUnauthorized,
		Detail: "a valid access token is required", Code: "unauthenticated", RequestID: requestIDOf(ctx), headers: http.Header{"Www-Authenticate": {challenge}}}
}

// as is p with a status that fault's kinds do not know.
func (p *Problem) as(status int, code string) *Problem {
	p.Status, p.Title, p.Code = status, http.StatusText(status), code
	return p
}

func logProblem(ctx context.Context, p *Problem, err error) {
	level := slog.LevelInfo
	if p.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	logOf(ctx).Log(ctx, level, "request refused", "status", p.Status, "code", p.Code, "error", err)
}

// write sends p outside of huma.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}

// installProblems makes huma's own errors (bodies it cannot decode, values that break a rule) look like ours. huma keeps
// this in a package variable, so it is set once for the process.
var installProblems = sync.OnceFunc(func() {
	huma.NewErrorWithContext = func(hc huma.Context, status int, msg string, errs ...error) huma.StatusError {
		ctx := context.Background()
		if hc != nil {
			ctx = hc.Context()
		}
		return ruleBroken(ctx, status, msg, errs)
	}
})

// ruleBroken never repeats the offending value, and calls a broken rule 400 as the contract does.
func ruleBroken(ctx context.Context, status int, msg string, errs []error) *Problem {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: msg, Code: fault.Invalid.String(), RequestID: requestIDOf(ctx)}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			p.Detail += "; " + d.ErrorDetail().Location + ": " + d.ErrorDetail().Message
		}
	}
	switch {
	case errors.As(errors.Join(errs...), &unreadable{}):
		return unread(ctx, errors.Join(errs...))
	case status >= http.StatusInternalServerError:
		p.Detail, p.Code = "internal error", fault.Internal.String()
	case status == http.StatusRequestEntityTooLarge:
		p.Code = fault.TooLarge.String()
	case status == http.StatusUnsupportedMediaType:
		p.Code = fault.Unsupported.String()
	}
	logProblem(ctx, p, errors.Join(errs...))
	return p
}

// unread is a body that was too long, or was not what its own header announced.
func unread(ctx context.Context, err error) *Problem {
	if tooLong := (&http.MaxBytesError{}); errors.As(err, &tooLong) {
		return problemOf(ctx, fault.New(fault.TooLarge, "request body: longer than %d bytes", maxBody))
	}
	return problemOf(ctx, fault.New(fault.Invalid, "request body: broken off or malformed").Because(err))
}
