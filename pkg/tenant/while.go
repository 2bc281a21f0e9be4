package tenant

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
)

// lookAgain is the pause between two looks at whether long work may go on. The work ends within twice this time and one
// query after a suspension or removal.
const lookAgain = 3 * time.Second

// While returns a context for long work that ends when check returns a fault other than Unavailable, with that fault as
// its cause. It calls check every few seconds, beside the work. The caller must call stop when the work is done.
func While(ctx context.Context, check func(context.Context) error) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookAgain):
			}
			if err := check(ctx); err != nil && isFinal(err) {
				cancel(err)
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// WhileActive is While for work of a tenant that must end when the tenant is suspended or deleted.
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
	if cause := context.Cause(ctx); err != nil && cause != nil && isFinal(cause) {
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
