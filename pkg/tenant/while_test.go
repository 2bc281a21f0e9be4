package tenant_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// TestWorkEndsWhenNoLookSucceeds: work that cannot check its access ends, whether a look fails or hangs, and can be
// repeated later. One look that fails ends nothing.
func TestWorkEndsWhenNoLookSucceeds(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(context.Context) error{
		"fails": func(context.Context) error { return fault.New(fault.Unavailable, "no database") },
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := tenant.While(t.Context(), look)
			defer stop()
			<-ctx.Done()
			err := tenant.EndReason(ctx, ctx.Err())
			require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
			require.ErrorContains(t, err, "access could not be checked")
		})
	}
	t.Run("fails once", func(t *testing.T) {
		t.Parallel()
		looks, third := 0, make(chan struct{})
		ctx, stop := tenant.While(t.Context(), func(context.Context) error {
			switch looks++; looks {
			case 1:
				return errors.New("connection reset")
			case 3:
				close(third)
			}
			return nil
		})
		<-third
		require.NoError(t, ctx.Err())
		stop()
		require.ErrorIs(t, tenant.EndReason(ctx, ctx.Err()), context.Canceled)
	})
}
