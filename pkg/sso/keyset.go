package sso

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Limits on the age of the keys and on the rate of fetches.
const (
	maxStaleAge        = time.Hour        // older keys are not used, even while the provider is down
	unknownKeyInterval = 30 * time.Second // between two fetches caused by unknown kids
	minRetryDelay      = 250 * time.Millisecond
	maxRetryDelay      = 4 * time.Second
)

// keySet holds the issuer's keys. It fetches them only when a request needs them: on first use, and again when they are
// old.
//
// Before the keys expire, a fetch runs in the background, so that requests do not wait for a slow provider. After they
// have expired, requests wait for the fetch. While the provider is down, the expired keys are used until maxStaleAge.
// An unknown kid causes a fetch at most once per unknownKeyInterval; a bad signature never causes one.
type keySet struct {
	now        func() time.Time
	log        *slog.Logger
	maxAge     time.Duration
	algorithms []string
	channel    *backChannel
	ctx        context.Context // canceled by close; ends a running fetch
	cancel     context.CancelFunc
	running    sync.WaitGroup

	mu       sync.Mutex
	latest   *keySnapshot // nil before the first successful fetch
	keysURL  string       // "" means that the discovery document must be read first
	failures int          // failed fetches since the last success
	retryAt  time.Time    // no fetch before this time
	lastErr  error
	missAt   time.Time // time of the last fetch for an unknown kid
	fetch    *keyFetch // the running fetch, or nil
}

// keySnapshot is the result of one successful fetch. It is immutable.
type keySnapshot struct {
	keys                          []Key
	fetchedAt, renewAt, expiresAt time.Time
}

func newKeySet(cfg Config, channel *backChannel) *keySet {
	ctx, cancel := context.WithCancel(context.Background())
	return &keySet{
		now: cfg.Now, log: cfg.Log, maxAge: cfg.KeyMaxAge, algorithms: cfg.Algorithms,
		channel: channel, ctx: ctx, cancel: cancel,
	}
}

func (s *keySet) close() {
	s.cancel()
	s.running.Wait()
	s.channel.close()
}

func (s *keySet) checkReady(ctx context.Context) error {
	_, err := s.currentKeys(ctx)
	return err
}

func (s *keySet) keyAge() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return 0, false
	}
	return s.now().Sub(s.latest.fetchedAt), true
}

// candidateKeys returns the keys that may have signed a token with header h. It fails if there are none.
func (s *keySet) candidateKeys(ctx context.Context, h header) ([]Key, error) {
	set, err := s.currentKeys(ctx)
	for range 2 { // a fetch that was already running may have missed a key published meanwhile
		if err != nil {
			return nil, err
		}
		found, known := set.matchKeys(h)
		if len(found) > 0 {
			return found, nil
		}
		if known {
			break
		}
		newer, again := s.fetchAfterMiss(ctx, set)
		if !again {
			break
		}
		set = newer
	}
	if found, _ := set.matchKeys(h); len(found) > 0 {
		return found, nil
	}
	return nil, refuse(ReasonUnknownKey, "no published %s key has kid %s", h.algorithm, quote(h.keyID)).
		withHint("`leadctl sso discover` lists the keys; renew a token that is older than the last key rotation")
}

// matchKeys returns the keys that can verify h's algorithm and have its kid. known is true if any key, usable or not,
// has the kid. A header without a kid matches only if exactly one key can verify its algorithm; known is then true.
func (p *keySnapshot) matchKeys(h header) (found []Key, known bool) {
	known = h.keyID == ""
	for _, k := range p.keys {
		if h.keyID != "" && k.ID != h.keyID {
			continue
		}
		known = true
		if k.Unusable == "" && k.canVerify(h.algorithm) {
			found = append(found, k)
		}
	}
	if h.keyID == "" && len(found) > 1 {
		return nil, true
	}
	return found, known
}

// currentKeys returns the keys to verify tokens with now. It fetches them if needed.
func (s *keySet) currentKeys(ctx context.Context) (*keySnapshot, error) {
	s.mu.Lock()
	now, set := s.now(), s.latest
	if set != nil && now.Before(set.renewAt) {
		s.mu.Unlock()
		return set, nil
	}
	f := s.startFetchLocked(now)
	if set != nil && (now.Before(set.expiresAt) || s.failures > 0 && set.isUsableWhileDown(now)) {
		s.mu.Unlock()
		return set, nil
	}
	err := s.unavailableLocked(now)
	s.mu.Unlock()
	if f == nil {
		return nil, err
	}
	return s.awaitFetch(ctx, f)
}

// isUsableWhileDown reports whether the keys may be used while the provider is down.
func (p *keySnapshot) isUsableWhileDown(now time.Time) bool {
	return now.Before(p.fetchedAt.Add(maxStaleAge))
}

// awaitFetch waits for a fetch and returns its keys. If it fails, awaitFetch returns the old keys
// while they are usable.
func (s *keySet) awaitFetch(ctx context.Context, f *keyFetch) (*keySnapshot, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("identity provider keys: %w", ctx.Err())
	case <-f.done:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.latest != nil && (f.err == nil || s.latest.isUsableWhileDown(now)) {
		return s.latest, nil
	}
	return nil, s.unavailableLocked(now)
}

// unavailableLocked returns the fault for having no usable keys.
func (s *keySet) unavailableLocked(now time.Time) error {
	if fault.Is(s.lastErr, fault.Operator) {
		return s.lastErr
	}
	wait := max(s.retryAt.Sub(now).Round(time.Second), time.Second)
	err := fault.New(fault.Unavailable, "identity provider: its keys cannot be fetched").WithRetryAfter(wait)
	if s.lastErr != nil {
		return err.Because(s.lastErr)
	}
	return err
}

// fetchAfterMiss fetches the keys because seen lacks a kid. It returns false at once if the last fetch for an unknown
// kid was too recent, or if the last fetch failed and its retry delay has not passed.
func (s *keySet) fetchAfterMiss(ctx context.Context, seen *keySnapshot) (*keySnapshot, bool) {
	s.mu.Lock()
	if s.latest != seen {
		defer s.mu.Unlock()
		return s.latest, true
	}
	f, now := s.fetch, s.now()
	if f == nil {
		if tooSoon := !s.missAt.IsZero() && now.Sub(s.missAt) < unknownKeyInterval; tooSoon || now.Before(s.retryAt) {
			s.mu.Unlock()
			return nil, false
		}
		s.missAt, s.keysURL = now, "" // the key set may have moved: read the discovery document again
		f = s.startFetchLocked(now)
	}
	s.mu.Unlock()
	if f == nil {
		return nil, false
	}
	newer, err := s.awaitFetch(ctx, f)
	return newer, err == nil && newer != seen
}
