package serve

import (
	"context"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/wire"
)

const (
	// /readyz needs no token, so its checks run once a second at most
	verdictFresh = time.Second
	checkTimeout = 2 * time.Second // a database that hangs counts as down
)

// health checks for /readyz the database, the issuer's keys and the gate. A gate that passed runs again after recheck,
// so a table that loses its row security makes the replica unready within that time. A gate that failed runs again at
// the next check, so that the replica is ready soon after the repair.
type health struct {
	db       *postgres.DB
	verifier *sso.Verifier
	strict   bool
	recheck  time.Duration
	now      func() time.Time

	mu      sync.Mutex
	asked   time.Time
	verdict error
	passed  time.Time // when the gate last found nothing
}

// logLost returns how many log lines are lost so far if lines are being lost now, else 0.
func (d *daemon) logLost() uint64 {
	if d.opts.LogSink == nil {
		return 0
	}
	lines, now := d.opts.LogSink.Dropped()
	if !now {
		return 0
	}
	return lines
}

func (h *health) checkReady(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.asked.IsZero() || now.Sub(h.asked) >= verdictFresh {
		// Not the caller's context: later callers get this verdict too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		h.verdict, h.asked = h.runChecks(ctx, now), now
	}
	return h.verdict
}

func (h *health) runChecks(ctx context.Context, now time.Time) error {
	if err := h.db.Ping(ctx); err != nil {
		return err
	}
	if err := h.verifier.Ready(ctx); err != nil {
		return err
	}
	if !h.passed.IsZero() && now.Sub(h.passed) < h.recheck {
		return nil
	}
	if err := wire.Check(ctx, h.db, h.strict); err != nil {
		return err
	}
	h.passed = now
	return nil
}
