package tenant

import (
	"context"
	"errors"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// Long work ends within 10 seconds after a suspension or removal, also while the database does not answer: work that
// cannot look whether it may go on ends after maxBlind.
const (
	lookAgain = 3 * time.Second        // pause after a look
	lookRetry = 500 * time.Millisecond // pause after a look that failed
	maxBlind  = 8 * time.Second        // longest time since the begin of the last look
)

var errBlind = errors.New("access could not be checked")

// While returns a context for long work that ends when check returns a fault other than Unavailable, or has returned
// faults of the database for too long, with that fault as its cause. It calls check every few seconds, beside the work.
// The caller must call stop when the work is done.
func While(ctx context.Context, check func(context.Context) error) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(watch(ctx, check))
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// watch calls check until ctx ends, which returns nil, or the work must end, which returns the reason.
func watch(ctx context.Context, check func(context.Context) error) error {
	looked, pause := time.Now(), lookAgain
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		begun := time.Now()
		lookCtx, cancel := context.WithDeadline(ctx, looked.Add(maxBlind))
		err := check(lookCtx)
		cancel()
		switch {
		case err == nil:
			looked, pause = begun, lookAgain
		case isFinal(err):
			return err
		case time.Since(looked) >= maxBlind:
			return fault.New(fault.Unavailable, "access could not be checked for %s", maxBlind).
				Because(errors.Join(errBlind, err))
		default:
			pause = lookRetry
		}
	}
}

// WhileActive is While for work of a tenant that must end when the tenant is suspended or deleted. The caller checks
// that before it begins.
func WhileActive(ctx context.Context, db *postgres.DB, id ID) (_ context.Context, stop func()) {
	return While(ctx, func(ctx context.Context) error {
		return db.InSystem(ctx, "tenant is active", func(ctx context.Context, tx postgres.SystemTx) error {
			t, err := Find(ctx, tx, id.String())
			if err != nil {
				return err
			}
			return t.Usable()
		})
	})
}

func isFinal(err error) bool {
	switch fault.KindOf(err) {
	case fault.Denied, fault.Unauthenticated, fault.NotFound:
		return true
	}
	return false
}

// EndReason returns the fault with which While ended ctx in place of err, which is then only its consequence.
func EndReason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && (isFinal(cause) || errors.Is(cause, errBlind)) {
		return cause
	}
	return err
}

// RequireActive returns the fault of Usable unless the tenant is active, and keeps its status from changing until the
// transaction ends. Call it last in a transaction that completes long work.
func RequireActive(ctx context.Context, tx postgres.SystemTx, id ID) error {
	t := Tenant{ID: id}
	if err := tx.QueryRow(ctx, `SELECT status FROM tenants WHERE tenant_id = $1 FOR SHARE`, id).Scan(
		&t.Status); err != nil {
		return err
	}
	return t.Usable()
}
