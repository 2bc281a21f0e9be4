// Package fault classifies leadctl's errors.
//
// An error that crosses a package boundary carries a Kind. A Kind determines the HTTP status and the exit code. Text
// returns a message that is safe to show to the caller. Everything else about a failure (the cause, the SQL, another
// service's answer) stays in the error chain for the log.
//
// Messages begin with the thing that failed and its value ("tenant 42", "column uen: missing from the header"), never
// with "failed to…". They must not contain a secret, a token or a DSN.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind classifies a failure. The zero Kind is Internal: an unclassified error counts as a bug of leadctl.
type Kind uint8

// The kinds, each with its HTTP status and exit code.
const (
	Internal        Kind = iota // 500, exit 1: a bug or an unclassified error
	Invalid                     // 400, exit 2: the request or the command line is wrong
	Unprocessable               // 422, exit 1: the syntax is right, but the content cannot be used
	TooLarge                    // 413, exit 1
	Unsupported                 // 415, exit 1: media type or format
	Unauthenticated             // 401, exit 5: no valid token
	Denied                      // 403, exit 5: the caller is authenticated, but not allowed
	NotFound                    // 404, exit 4
	Conflict                    // 409, exit 1: it exists already, or another process or transaction holds it
	TooMany                     // 429, exit 6: the caller asks too often and can retry later
	Operator                    // 503, exit 3: an operator must act (pending migration, violations of the gate)
	Unavailable                 // 503, exit 6: a dependency is down; a retry can help
	Interrupted                 // 503, exit 130: the caller disconnected, or the process was told to stop
)

var readings = [...]struct {
	name         string
	status, exit int
}{
	Internal:        {"internal", http.StatusInternalServerError, 1},
	Invalid:         {"invalid", http.StatusBadRequest, 2},
	Unprocessable:   {"unprocessable", http.StatusUnprocessableEntity, 1},
	TooLarge:        {"too_large", http.StatusRequestEntityTooLarge, 1},
	Unsupported:     {"unsupported", http.StatusUnsupportedMediaType, 1},
	Unauthenticated: {"unauthenticated", http.StatusUnauthorized, 5},
	Denied:          {"denied", http.StatusForbidden, 5},
	NotFound:        {"not_found", http.StatusNotFound, 4},
	Conflict:        {"conflict", http.StatusConflict, 1},
	TooMany:         {"too_many", http.StatusTooManyRequests, 6},
	Operator:        {"operator", http.StatusServiceUnavailable, 3},
	Unavailable:     {"unavailable", http.StatusServiceUnavailable, 6},
	Interrupted:     {"interrupted", http.StatusServiceUnavailable, 130},
}

// String returns the kind's name: the default code of a problem and the "kind" of a log line.
func (k Kind) String() string { return readings[k].name }

// Error is a classified failure. New makes one; the With… methods return changed copies.
type Error struct {
	kind  Kind
	code  string
	text  string
	hint  string
	after time.Duration
	cause error
}

// New returns a failure of kind k. Its text is shown to the caller unchanged, so it must hold only what the caller may
// know. The operand of a %w in format becomes the cause: its message is part of Error() but not of Text.
func New(k Kind, format string, args ...any) *Error {
	full := fmt.Errorf(format, args...)
	cause := errors.Unwrap(full)
	if cause == nil {
		if multi, ok := full.(interface{ Unwrap() []error }); ok {
			cause = errors.Join(multi.Unwrap()...)
		}
	}
	if cause == nil {
		return &Error{kind: k, text: full.Error()}
	}
	return &Error{kind: k, text: safeText(format, args), cause: cause}
}

// safeText renders format without its error operands, so that the text does not show a wrapped cause.
func safeText(format string, args []any) string {
	kept := make([]any, len(args))
	for i, a := range args {
		if _, ok := a.(error); ok {
			a = cut{}
		}
		kept[i] = a
	}
	return trimCut(fmt.Errorf(format, kept...).Error())
}

// Error returns the text and the causes, for logs and for an operator's terminal.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.text
	}
	return e.text + ": " + e.cause.Error()
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// WithCode sets the stable code that programs read, such as TENANT_REQUIRED.
func (e *Error) WithCode(code string) *Error { c := *e; c.code = code; return &c }

// WithHint sets what to do next. It is printed as "hint: …" and shown to the caller.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.hint = fmt.Sprintf(format, args...)
	return &c
}

// WithRetryAfter sets the time to wait before a retry. HTTP responses carry it as Retry-After.
func (e *Error) WithRetryAfter(d time.Duration) *Error { c := *e; c.after = d; return &c }

// Because sets the cause, which only logs and operators see.
func (e *Error) Because(cause error) *Error { c := *e; c.cause = cause; return &c }

// KindOf returns the kind of err: that of the outermost classified error, Interrupted for a cancelled context,
// Unavailable for an expired one, else Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.kind
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Internal
}

// Is reports whether err is of kind k. A nil error has no kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// HTTPStatus returns the HTTP status for err.
func HTTPStatus(err error) int { return readings[KindOf(err)].status }

// ExitCode returns the exit code of a command that ended with err; 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	return readings[KindOf(err)].exit
}

// Text returns the message for a caller across the network. For an unclassified or Internal error it reveals nothing.
func Text(err error) string {
	var e *Error
	if errors.As(err, &e) && e.kind != Internal {
		return e.text
	}
	if KindOf(err) == Internal {
		return "internal error"
	}
	return KindOf(err).String()
}

// Code returns the stable code of err: the one set by WithCode, else its kind's name.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) && e.code != "" {
		return e.code
	}
	return KindOf(err).String()
}

// Hint returns the outermost hint in err's chain, or "".
func Hint(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.hint != "" {
			return e.hint
		}
		err = e.cause
	}
	return ""
}

// RetryAfter returns the time to wait before a retry, 0 if unknown.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.after
	}
	return 0
}
