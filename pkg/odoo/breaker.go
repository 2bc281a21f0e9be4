package odoo

import (
	"context"
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
)

// newBreaker returns a breaker that opens after tripAfter failed calls in a row. For cooldown it then fails every call
// at once; after that it lets one call try. So a server that starts again does not get all waiting calls together.
func newBreaker(tripAfter int, cooldown time.Duration) *gobreaker.CircuitBreaker[answer] {
	return gobreaker.NewCircuitBreaker[answer](gobreaker.Settings{
		Timeout:     cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= tripAfter },
		// A canceled call says nothing about the server, and an answer that is too large is still an answer.
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) || errors.Is(err, errTooBig) },
	})
}

// errUnserved tells the breaker about an answer that only says that the call was not served.
var errUnserved = errors.New("call not served")

// isBreakerOpen reports whether the breaker rejected the call. Then nothing was sent.
func isBreakerOpen(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}
