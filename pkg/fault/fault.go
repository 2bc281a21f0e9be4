// Package fault is leadctl's one vocabulary of failures.
//
// An error that crosses a package boundary carries a Kind. A Kind has three readings: an HTTP status, an exit code and,
// through Text, words that are safe to show to whoever asked. Everything else about a failure (the cause, the SQL, the
// upstream's answer) stays in the error chain for the log.
//
// Messages are noun phrases with the identifying value ("tenant 42", "column uen: missing from the header"), never
// "failed to…". No secret, token or DSN goes into any of them.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind says what sort of failure it is. The zero Kind is Internal: an error nobody classified is our own fault.
type Kind uint8

// The kinds, with the HTTP status and the exit code each one reads as.
const (
	Internal        Kind = iota // 500, exit 1: a bug or an unclassified error
	Invalid                     // 400, exit 2: the request or the command line is wrong
	Unprocessable               // 422, exit 1: well formed, but the content cannot be used
	TooLarge                    // 413, exit 1
	Unsupported                 // 415, exit 1: media type or format
	Unauthenticated             // 401, exit 5: no token, or one that proves nothing
	Denied                      // 403, exit 5: known caller, not allowed
	NotFound                    // 404, exit 4
	Conflict                    // 409, exit 1: someone else holds it, or it exists already
	TooMany                     // 429, exit 6: the caller asks too often; later is fine
	Operator                    // 503, exit 3: an operator must act (pending migration, refused gate)
	Unavailable                 // 503, exit 6: a dependency is down; trying again later can help
	Interrupted                 // 503, exit 130: the caller went away or the process was told to stop
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

// String is the kind's name: the default machine code of a problem and the "kind" of a log line.
func (k Kind) String() string { return readings[k].name }

// Error is a classified failure. Make one with New; refine it with the With… methods, which return copies.
type Error struct {
	kind  Kind
	code  string
	text  string
	hint  string
	after time.Duration
	cause error
}

// New makes a failure of kind k. The text is shown to the caller as it stands, so it holds only what the caller may know.
// A %w in format keeps its operand as the cause; the operand's words are then part of Error() but not of Text.
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

// safeText renders format with every error operand cut out, so that a wrapped cause never reaches a caller.
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

// Error is the whole story for logs and for an operator's terminal: the text and its causes.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.text
	}
	return e.text + ": " + e.cause.Error()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// WithCode sets the stable machine code, such as TENANT_REQUIRED.
func (e *Error) WithCode(code string) *Error { c := *e; c.code = code; return &c }

// WithHint says what to do next; it is printed as "hint: …" and is safe to show.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.hint = fmt.Sprintf(format, args...)
	return &c
}

// WithRetryAfter says when trying again makes sense; HTTP answers carry it as Retry-After.
func (e *Error) WithRetryAfter(d time.Duration) *Error { c := *e; c.after = d; return &c }

// Because attaches a cause that only logs and operators see.
func (e *Error) Because(cause error) *Error { c := *e; c.cause = cause; return &c }

// KindOf reads the kind of err: that of the outermost classified error, Interrupted for a cancelled context,
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

// Is reports whether err is of kind k. A nil error is of no kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// HTTPStatus is the status that err answers with.
func HTTPStatus(err error) int { return readings[KindOf(err)].status }

// ExitCode is what a command that ended with err exits with; 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	return readings[KindOf(err)].exit
}

// Text is what a caller across the network may read. An unclassified error says nothing about itself.
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

// Code is the stable machine code of err: its own, else its kind's name.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) && e.code != "" {
		return e.code
	}
	return KindOf(err).String()
}

// Hint is what to do next, or "".
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

// RetryAfter is when trying again makes sense, 0 when nothing is known.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.after
	}
	return 0
}
