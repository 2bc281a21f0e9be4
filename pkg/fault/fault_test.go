package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

func TestStatusExitTextAndCode(t *testing.T) {
	t.Parallel()
	plain := errors.New("pq: password=hunter2")
	for _, c := range []struct {
		err          error
		status, exit int
		text, code   string
	}{
		{fault.New(fault.Invalid, "limit %q: not a number", "x"), 400, 2, `limit "x": not a number`, "invalid"},
		{fault.New(fault.Denied, "tenant").WithCode("TENANT_REQUIRED"), 403, 5, "tenant", "TENANT_REQUIRED"},
		{fault.New(fault.Unavailable, "Odoo: %w", plain), 503, 6, "Odoo", "unavailable"},
		{fault.New(fault.Internal, "secret thing"), 500, 1, "internal error", "internal"},
		{fmt.Errorf("outer: %w", fault.New(fault.NotFound, "tenant 7")), 404, 4, "tenant 7", "not_found"},
		{plain, 500, 1, "internal error", "internal"},
		{context.Canceled, 503, 130, "interrupted", "interrupted"},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), 503, 6, "unavailable", "unavailable"},
		{fault.New(fault.Operator, "migration 3"), 503, 3, "migration 3", "operator"},
		{fault.New(fault.TooMany, "sign-ins"), 429, 6, "sign-ins", "too_many"},
	} {
		if got := fault.HTTPStatus(c.err); got != c.status {
			t.Errorf("%v: status %d, want %d", c.err, got, c.status)
		}
		if got := fault.ExitCode(c.err); got != c.exit {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.exit)
		}
		if got := fault.Text(c.err); got != c.text {
			t.Errorf("%v: text %q, want %q", c.err, got, c.text)
		}
		if got := fault.Code(c.err); got != c.code {
			t.Errorf("%v: code %q, want %q", c.err, got, c.code)
		}
	}
	if fault.ExitCode(nil) != 0 {
		t.Error("exit code of nil: want 0")
	}
}

func TestCauseStaysInTheLog(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.7: refused")
	err := fault.New(fault.Unavailable, "server %s: %w", "odoo", cause)
	if err.Error() != "server odoo: dial tcp 10.0.0.7: refused" || !errors.Is(err, cause) {
		t.Errorf("error %q: the cause is missing", err)
	}
	if got := fault.Text(err); got != "server odoo" {
		t.Errorf("text %q: it shows the cause", got)
	}
}

func TestWithMethodsReturnCopies(t *testing.T) {
	t.Parallel()
	base := fault.New(fault.Unavailable, "x")
	refined := base.WithHint("run %s", "y").WithRetryAfter(time.Second)
	if fault.Hint(base) != "" || fault.Hint(refined) != "run y" || fault.RetryAfter(refined) != time.Second {
		t.Errorf("hint %q / %q, after %v", fault.Hint(base), fault.Hint(refined), fault.RetryAfter(refined))
	}
	if got := fault.Hint(fault.New(fault.Internal, "outer: %w", refined)); got != "run y" {
		t.Errorf("hint %q: want the cause's hint", got)
	}
}
