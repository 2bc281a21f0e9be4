package serve

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/pgtest"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/wire"
)

// A table that loses its row security after deployment takes the replica out when the gate is asked again; mending it
// brings the replica back at once.
func TestReadinessFollowsTheGate(t *testing.T) {
	t.Parallel()
	db, provider := pgtest.New(t), newIDP(t)
	verifier, err := wire.Verifier(settings(t, db.LoginDSN, provider.URL), nil)
	require.NoError(t, err)
	t.Cleanup(verifier.Close)
	now := time.Unix(1_800_000_000, 0)
	h := &health{db: db.App, verifier: verifier, strict: true, recheck: 30 * time.Second,
		now: func() time.Time { return now }}
	change := func(sql string) {
		_, err := db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.NoError(t, h.checkReady(t.Context()))
	change(`ALTER TABLE lead_scores NO FORCE ROW LEVEL SECURITY`)
	now = now.Add(29 * time.Second)
	require.NoError(t, h.checkReady(t.Context()), "not asked again yet")
	now = now.Add(2 * time.Second)
	requireFault(t, h.checkReady(t.Context()), fault.Operator, "lead_scores")
	change(`ALTER TABLE lead_scores FORCE ROW LEVEL SECURITY`)
	requireFault(t, h.checkReady(t.Context()), fault.Operator, "lead_scores") // the same second
	now = now.Add(time.Second)
	require.NoError(t, h.checkReady(t.Context()))

	provider.down.Store(true)
	now = now.Add(time.Hour)
	require.NoError(t, h.checkReady(t.Context()), "the keys at hand serve for a while: package sso decides")
	gone, err := postgres.Open(t.Context(), "postgres://x@127.0.0.1:1/x", postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(gone.Close)
	h.db = gone
	now = now.Add(time.Second)
	requireFault(t, h.checkReady(t.Context()), fault.Unavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.db = db.App
	now = now.Add(time.Second)
	require.NoError(t, h.checkReady(ctx), "one caller's going away is not everybody's verdict")
}
