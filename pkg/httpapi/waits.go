package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/onboarding"
	"github.com/leadctl/leadctl/pkg/sso"
	"github.com/leadctl/leadctl/pkg/web"
	"github.com/leadctl/leadctl/pkg/workspace"
)

// waits lets one request of each person wait. A newer one releases the one before it, so that a client that asks in a
// loop holds one connection.
type waits struct {
	mu     sync.Mutex
	newest map[personKey]chan struct{}
}

// personKey is an identity.
type personKey struct{ issuer, subject string }

// enter releases the person's waiting request. newer is closed when the next one enters. Call leave at the end.
func (w *waits) enter(who sso.Identity) (newer <-chan struct{}, leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key, mine := personKey{who.Issuer, who.Subject}, make(chan struct{})
	if before := w.newest[key]; before != nil {
		close(before)
	}
	if w.newest == nil {
		w.newest = map[personKey]chan struct{}{}
	}
	w.newest[key] = mine
	return mine, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.newest[key] == mine {
			delete(w.newest, key)
		}
	}
}

// waitForWorkspace returns the caller's workspace when it is ready or has failed, at the latest after InfoWait. The
// gate of existing clients asks a few times and then gives up, so a quick answer would leave it closed until a reload.
func (s *Server) waitForWorkspace(ctx context.Context) (workspace.View, onboarding.Status, error) {
	newer, leave := s.waits.enter(web.IdentityOf(ctx))
	defer leave()
	until := s.now().Add(s.cfg.InfoWait)
	for waited := false; ; waited = true {
		w, st, err := s.readWorkspace(ctx)
		isUnderWay := st.Status == onboarding.Provisioning || st.Status == onboarding.Syncing
		if err == nil && isUnderWay && s.waitForChange(ctx, newer, until) {
			continue
		}
		if err == nil && waited {
			err = s.door.Recheck(ctx)
		}
		return w, st, err
	}
}

// waitForChange waits until it is time to read the state again. It returns false if the answer is due now.
func (s *Server) waitForChange(ctx context.Context, newer <-chan struct{}, until time.Time) bool {
	if !s.now().Before(until) || s.draining.Load() {
		return false
	}
	select {
	case <-newer:
		return false
	case <-ctx.Done():
		return false
	case <-time.After(eventPoll):
		return true
	}
}
