package odoo

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"
)

// newBreaker leaves a server alone for cooldown after tripAfter calls in a row that it did not serve, then lets one
// call try. While it is left alone every call fails at once: a server that is coming up again is not met by all that
// piled up.
func newBreaker(tripAfter int, cooldown time.Duration) *gobreaker.CircuitBreaker[answer] {
	return gobreaker.NewCircuitBreaker[answer](gobreaker.Settings{
		Timeout:     cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= tripAfter },
		// A caller who gave up says nothing about the server, and an answer that is too large is one.
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) || errors.Is(err, errTooBig) },
	})
}

// errUnserved is how the breaker hears of an answer that only says that the call was not served.
var errUnserved = errors.New("call not served")

// countsAsFailure: the server, or a proxy before it, is in trouble. A 5xx in JSON is Odoo's word on the call itself.
func (a answer) countsAsFailure() bool {
	return a.status == http.StatusTooManyRequests ||
		a.status >= 500 && !strings.HasPrefix(a.header.Get("Content-Type"), "application/json")
}

// isBreakerOpen reports whether the breaker kept the call back; nothing was sent then.
func isBreakerOpen(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}
