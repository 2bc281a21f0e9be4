package serve

import (
	"context"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/sso"
)

// health is what /readyz asks. The database and the issuer's keys are asked each time, the gate when its verdict is older
// than recheck: a table that loses its row security after deployment takes the replica out within that time.
type health struct {
	db       *postgres.DB
	verifier *sso.Verifier
	strict   bool

	mu      sync.Mutex
	judged  time.Time
	verdict error
}

func (h *health) check(ctx context.Context) error {
	if err := h.db.Ping(ctx); err != nil {
		return err
	}
	if err := h.verifier.Ready(ctx); err != nil {
		return err
	}
	return h.gate(ctx)
}

func (h *health) gate(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.judged) > recheck {
		h.verdict, h.judged = Check(ctx, h.db, h.strict), time.Now()
	}
	return h.verdict
}
