package odoo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/leadctl/leadctl/pkg/failpoint"
	"github.com/leadctl/leadctl/pkg/fault"
)

// roundTrip sends req within the server's limits. It fills failed with what is known about a failed call and returns a
// fault with it.
func (s *Server) roundTrip(ctx context.Context, req *http.Request, timeout time.Duration, failed *CallError) (answer,
	error) {
	if timeout <= 0 {
		timeout = s.timeout
	}
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	got, err := s.exchangeWithinLimits(ctx, req, failed)
	s.log.LogAttrs(parent, slog.LevelDebug, "odoo call", callAttrs(failed, got.status, time.Since(start), err)...)
	if err == nil {
		return got, nil
	}
	failed.cause = err
	if parent.Err() != nil && errors.Is(parent.Err(), context.Canceled) {
		failed.Detail = "interrupted"
		return answer{}, fault.New(fault.Interrupted, "Odoo %s: interrupted: %w", failed.Op, failed)
	}
	failed.Detail = transportDetail(err)
	if isBreakerOpen(err) {
		failed.Detail = "not sent: the server did not answer several calls in a row"
		return answer{}, unreachableFault(failed).WithRetryAfter(s.cooldown)
	}
	return answer{}, unreachableFault(failed)
}

func callAttrs(c *CallError, status int, took time.Duration, err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("op", c.Op), slog.Int("status", status), slog.Duration("took", took)}
	if c.Database != "" {
		attrs = append(attrs, slog.String("database", c.Database))
	}
	if err != nil {
		attrs = append(attrs, slog.Bool("failed", true))
	}
	return attrs
}

// exchangeWithinLimits takes one of the server's slots and asks the breaker before it sends the request.
func (s *Server) exchangeWithinLimits(ctx context.Context, req *http.Request, failed *CallError) (answer, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	got, err := s.breaker.Execute(func() (answer, error) {
		got, err := s.sendRequest(ctx, req, failed)
		if err == nil && got.countsAsFailure() {
			err = errUnserved
		}
		return got, err
	})
	if errors.Is(err, errUnserved) {
		err = nil
	}
	return got, err
}

func (s *Server) sendRequest(ctx context.Context, req *http.Request, failed *CallError) (answer, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	failpoint.Hit("before odoo", failed.Op)
	resp, err := s.http.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	failpoint.Hit("after odoo", failed.Op)
	failed.Ambiguous = sent.Load()
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	failed.Status = resp.StatusCode
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.maxAnswer+1))
	if err == nil && int64(len(body)) > s.maxAnswer {
		err = errTooBig
	}
	return answer{resp.StatusCode, resp.Header, body}, err
}

// transportDetail names the failure without the URL, which http.Client repeats in every error.
func transportDetail(err error) string {
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, errTooBig):
		return errTooBig.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before the answer was complete"
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	return cutDetail(err.Error(), nil)
}

// httpFault returns the fault of an answer that is not 2xx. 5xx leaves the outcome open: a proxy may have given up on a
// call that Odoo carried out.
func httpFault(got answer, failed *CallError) error {
	failed.Status = got.status
	failed.Ambiguous = got.status >= 500
	err := statusFault(failed)
	var f *fault.Error
	if d := retryAfter(got.header.Get("Retry-After")); d > 0 && errors.As(err, &f) {
		return f.WithRetryAfter(d)
	}
	return err
}

// retryAfter reads the header's form in seconds, the only form that proxies before Odoo send. It returns at most ten
// minutes.
func retryAfter(header string) time.Duration {
	n, err := strconv.Atoi(header)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, 10*time.Minute)
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
