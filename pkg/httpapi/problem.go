package httpapi

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/web"
)

// installProblems makes huma report its own errors (malformed bodies, invalid values) as web.Problem. huma keeps this
// in package variables, so they are set once for the process. Names of members must be spelled exactly.
var installProblems = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.NewErrorWithContext = func(hc huma.Context, status int, msg string, errs ...error) huma.StatusError {
		ctx := context.Background()
		if hc != nil {
			ctx = hc.Context()
		}
		return problemOfRule(ctx, status, msg, errs)
	}
})

// problemOfRule returns the problem for an input that huma rejects. It never repeats the invalid value. The contract
// uses 400 where huma uses 422.
func problemOfRule(ctx context.Context, status int, msg string, errs []error) *web.Problem {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	p := &web.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: msg,
		Code: fault.Invalid.String(), RequestID: web.RequestIDOf(ctx)}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			p.Detail += "; " + d.ErrorDetail().Location + ": " + d.ErrorDetail().Message
		}
	}
	switch {
	case errors.As(errors.Join(errs...), &web.Unreadable{}):
		return problemOfBody(ctx, errors.Join(errs...))
	case status >= http.StatusInternalServerError:
		p.Detail, p.Code = "internal error", fault.Internal.String()
	case status == http.StatusRequestEntityTooLarge:
		p.Code = fault.TooLarge.String()
	case status == http.StatusUnsupportedMediaType:
		p.Code = fault.Unsupported.String()
	}
	web.LogProblem(ctx, p, errors.Join(errs...))
	return p
}

// problemOfBody returns the problem for a body that is too long or does not match its headers.
func problemOfBody(ctx context.Context, err error) *web.Problem {
	if tooLong := (&http.MaxBytesError{}); errors.As(err, &tooLong) {
		return web.ProblemOf(ctx, fault.New(fault.TooLarge, "request body: longer than %d bytes", web.MaxBody))
	}
	return web.ProblemOf(ctx, fault.New(fault.Invalid, "request body: incomplete or malformed").Because(err))
}
